//! The form of an answer, in this wire's words.

use greenroom_kernel::{ModelMessage, OutputFormat};
use serde::Serialize;
use serde_json::Value;

use super::Unsayable;

/// Whether a message names JSON, in letters of any size. OpenAI, DeepSeek and others refuse their word for any object where
/// none does: it is asked for in words too then.
pub(crate) fn name_json<'a>(mut messages: impl Iterator<Item = &'a ModelMessage>) -> bool {
    messages.any(|message| message.content.text().to_ascii_lowercase().contains("json"))
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", content = "json_schema", rename_all = "snake_case")]
pub(super) enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema(NamedSchema<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct NamedSchema<'a> {
    name: &'a str,
    schema: &'a Value,
    strict: bool,
}

pub(super) fn response_format(output: &OutputFormat) -> Result<Option<ResponseFormat<'_>>, Unsayable> {
    match output {
        OutputFormat::Text => Ok(None),
        any if any.is_any_object() => Ok(Some(ResponseFormat::JsonObject)),
        OutputFormat::JsonSchema { name, schema } => Ok(Some(ResponseFormat::JsonSchema(NamedSchema {
            name,
            schema,
            strict: is_strict(schema),
        }))),
        OutputFormat::Regex { .. } => Err(Unsayable::Regex),
    }
}

/// Whether a schema is of the kind that strict mode takes: every object closed, with all its properties required.
/// Others are sent as a wish, since strict mode would refuse them.
/// <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>
pub(crate) fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(words) => {
            let object = words.get("type").is_some_and(|kind| kind == "object");
            let properties = words.get("properties").and_then(Value::as_object);
            let required = words.get("required").and_then(Value::as_array);
            let all_required = properties.is_none_or(|properties| {
                let listed = |name: &String| required.is_some_and(|r| r.iter().any(|r| r == name));
                properties.keys().all(listed)
            });
            let closed = words.get("additionalProperties") == Some(&Value::Bool(false));
            (!(object || properties.is_some()) || (closed && all_required)) && words.values().all(is_strict)
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}
