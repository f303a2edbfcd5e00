//! What is sent: the kernel's request in the provider's words, always streamed.

use std::borrow::Cow;

use greenroom_kernel::{ModelMessage, ModelRequest, ModelRole, OutputFormat, ToolCall, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use crate::config::MaxTokensField;

/// What this wire has no words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error(
        "this provider can't hold an answer to a regular expression: ask for a JSON schema, or a local model"
    )]
    Regex,
}

#[derive(Debug, Serialize)]
pub(crate) struct ChatRequest<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Named {
        r#type: &'static str,
        function: Named<'a>,
    },
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: NamedSchema<'a>,
}

#[derive(Debug, Serialize)]
struct NamedSchema<'a> {
    name: &'a str,
    schema: &'a Value,
    strict: bool,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: ModelRole,
    /// Null where an assistant's message is only tool calls.
    content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Debug, Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

impl<'a> ChatRequest<'a> {
    pub(crate) fn new(
        model: &'a str,
        request: &'a ModelRequest,
        field: MaxTokensField,
    ) -> Result<Self, Unsayable> {
        let bound = |wanted| request.max_tokens.filter(|_| field == wanted);
        Ok(Self {
            model,
            messages: request.messages.iter().map(message).collect(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            max_tokens: bound(MaxTokensField::MaxTokens),
            max_completion_tokens: bound(MaxTokensField::MaxCompletionTokens),
            temperature: request.temperature,
            top_p: request.top_p,
            // Servers read it as a signed number.
            seed: request.seed.map(|seed| seed & i64::MAX.unsigned_abs()),
            stop: &request.stop,
            tools: request.tools.iter().map(tool).collect(),
            tool_choice: choice(&request.tool_choice),
            response_format: response_format(&request.output)?,
        })
    }
}

fn choice(choice: &ToolChoice) -> Option<Choice<'_>> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(Choice::Mode("none")),
        ToolChoice::Required => Some(Choice::Mode("required")),
        ToolChoice::Tool(name) => Some(Choice::Named {
            r#type: "function",
            function: Named { name },
        }),
    }
}

fn response_format(output: &OutputFormat) -> Result<Option<ResponseFormat<'_>>, Unsayable> {
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
fn is_strict(schema: &Value) -> bool {
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

fn message(message: &ModelMessage) -> Message<'_> {
    let content = message.content.text();
    let only_calls = content.is_empty() && !message.tool_calls.is_empty();
    Message {
        role: message.role,
        content: (!only_calls).then_some(content),
        tool_calls: message.tool_calls.iter().map(call).collect(),
        tool_call_id: message.tool_call_id.as_deref(),
    }
}

fn call(call: &ToolCall) -> Call<'_> {
    Call {
        id: &call.id,
        r#type: "function",
        function: CalledFunction {
            name: &call.name,
            arguments: &call.arguments,
        },
    }
}

fn tool(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        r#type: "function",
        function: Function {
            name: &tool.name,
            description: &tool.description,
            parameters: &tool.parameters,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(request: &ModelRequest, field: MaxTokensField) -> Value {
        serde_json::to_value(ChatRequest::new("m", request, field).unwrap()).unwrap()
    }

    #[test]
    fn a_bare_request_holds_only_what_was_asked_and_is_always_streamed() {
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, "hi")],
            ..ModelRequest::default()
        };
        assert_eq!(
            sent(&request, MaxTokensField::MaxTokens),
            json!({
                "model": "m", "messages": [{"role": "user", "content": "hi"}],
                "stream": true, "stream_options": {"include_usage": true},
            })
        );
    }

    #[test]
    fn tools_their_calls_and_their_results_travel_in_the_providers_words() {
        let request = ModelRequest {
            messages: vec![
                ModelMessage {
                    tool_calls: vec![ToolCall {
                        id: "c1".into(),
                        name: "add".into(),
                        arguments: "{\"a\":1}".into(),
                    }],
                    ..ModelMessage::text(ModelRole::Assistant, "")
                },
                ModelMessage {
                    tool_call_id: Some("c1".into()),
                    ..ModelMessage::text(ModelRole::Tool, "2")
                },
            ],
            tools: vec![ToolSpec {
                name: "add".into(),
                description: "adds".into(),
                parameters: json!({"type": "object"}),
                cache: None,
            }],
            ..ModelRequest::default()
        };
        let sent = sent(&request, MaxTokensField::MaxTokens);
        assert_eq!(
            sent["messages"],
            json!([
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "content": "2", "tool_call_id": "c1"},
            ])
        );
        assert_eq!(
            sent["tools"],
            json!([{"type": "function", "function":
                {"name": "add", "description": "adds", "parameters": {"type": "object"}}}])
        );
    }

    #[test]
    fn sampling_settings_travel_and_the_bound_takes_the_name_the_server_knows() {
        let request = ModelRequest {
            max_tokens: Some(9),
            temperature: Some(0.5),
            top_p: Some(0.25),
            seed: Some(u64::MAX),
            stop: vec!["END".into()],
            ..ModelRequest::default()
        };
        let old = sent(&request, MaxTokensField::MaxTokens);
        assert_eq!(old["max_tokens"], 9);
        assert!(old.get("max_completion_tokens").is_none());
        let new = sent(&request, MaxTokensField::MaxCompletionTokens);
        assert_eq!(new["max_completion_tokens"], 9);
        assert!(new.get("max_tokens").is_none());
        assert_eq!(new["temperature"], 0.5);
        assert_eq!(new["top_p"], 0.25);
        assert_eq!(new["seed"], i64::MAX);
        assert_eq!(new["stop"], json!(["END"]));
    }

    #[test]
    fn a_choice_among_tools_travels_unless_it_is_left_to_the_model() {
        let chosen = |tool_choice| {
            let request = ModelRequest {
                tool_choice,
                ..ModelRequest::default()
            };
            sent(&request, MaxTokensField::MaxTokens)["tool_choice"].clone()
        };
        assert_eq!(chosen(ToolChoice::Auto), Value::Null);
        assert_eq!(chosen(ToolChoice::None), "none");
        assert_eq!(chosen(ToolChoice::Required), "required");
        assert_eq!(
            chosen(ToolChoice::Tool("add".into())),
            json!({"type": "function", "function": {"name": "add"}})
        );
    }

    #[test]
    fn a_schema_travels_strictly_where_strict_mode_takes_it_and_a_regular_expression_not_at_all() {
        let asked = |output| ModelRequest {
            output,
            ..ModelRequest::default()
        };
        let format = |schema: Value| {
            let name = "doc".to_owned();
            let request = asked(OutputFormat::JsonSchema { name, schema });
            sent(&request, MaxTokensField::MaxTokens)["response_format"].clone()
        };
        let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
            "additionalProperties": false});
        assert_eq!(
            format(closed.clone()),
            json!({"type": "json_schema", "json_schema": {"name": "doc", "schema": closed, "strict": true}})
        );
        let inside = json!({"type": "array", "items": {"type": "object", "properties": {"a": {}}}});
        for open in [inside, json!({"type": "object"})] {
            assert_eq!(format(open)["json_schema"]["strict"], false);
        }
        let pattern = "a+".to_owned();
        let request = asked(OutputFormat::Regex { pattern });
        let refused = ChatRequest::new("m", &request, MaxTokensField::MaxTokens);
        assert_eq!(refused.unwrap_err(), Unsayable::Regex);
    }
}
