//! The form of an answer, in this wire's words.

use greenroom_kernel::OutputFormat;
use serde::Serialize;
use serde_json::Value;

use super::Unsayable;

#[derive(Debug, Serialize)]
pub(super) struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: NamedSchema<'a>,
}

#[derive(Debug, Serialize)]
struct NamedSchema<'a> {
    name: &'a str,
    schema: &'a Value,
    strict: bool,
}

pub(super) fn response_format(output: &OutputFormat) -> Result<Option<ResponseFormat<'_>>, Unsayable> {
    match output {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonSchema { name, schema } => Ok(Some(ResponseFormat {
            r#type: "json_schema",
            json_schema: NamedSchema {
                name,
                schema,
                strict: is_strict(schema),
            },
        })),
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
