//! What is sent: the kernel's request in the provider's words, always streamed.

use greenroom_kernel::{ModelRequest, OutputFormat, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use crate::schema::closed;
use crate::turns::{Turn, turns};

/// What this wire has no words for.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error(
        "this provider can't hold an answer to a regular expression: ask for a JSON schema, or a local model"
    )]
    Regex,
    #[error("this provider's temperature is from 0 to 1, and {0} was asked for")]
    Temperature(f32),
    #[error("a tool's message must name the call that it answers in tool_call_id")]
    ResultOfNothing,
}

#[derive(Debug, Serialize)]
pub(crate) struct MessagesRequest<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    messages: Vec<Turn<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Value,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Choice<'a> {
    Any,
    None,
    Tool { name: &'a str },
}

#[derive(Debug, Serialize)]
struct OutputConfig {
    format: Format,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format {
    JsonSchema { schema: Value },
}

impl<'a> MessagesRequest<'a> {
    /// `max_tokens` is for a request without a bound.
    pub(crate) fn new(model: &'a str, request: &'a ModelRequest, max_tokens: u32) -> Result<Self, Unsayable> {
        if let Some(temperature) = request.temperature.filter(|t| !(0.0..=1.0).contains(t)) {
            return Err(Unsayable::Temperature(temperature));
        }
        let (system, messages) = turns(&request.messages)?;
        Ok(Self {
            model,
            max_tokens: request.max_tokens.unwrap_or(max_tokens),
            system,
            messages,
            stream: true,
            temperature: request.temperature,
            top_p: request.top_p,
            stop_sequences: &request.stop,
            tools: request.tools.iter().map(tool).collect(),
            tool_choice: choice(request),
            output_config: output_config(&request.output)?,
        })
    }
}

fn choice(request: &ModelRequest) -> Option<Choice<'_>> {
    match &request.tool_choice {
        ToolChoice::Auto => None,
        // The wire refuses a choice where there is none, and there nothing can be chosen anyway.
        ToolChoice::None => (!request.tools.is_empty()).then_some(Choice::None),
        ToolChoice::Required => Some(Choice::Any),
        ToolChoice::Tool(name) => Some(Choice::Tool { name }),
    }
}

fn output_config(output: &OutputFormat) -> Result<Option<OutputConfig>, Unsayable> {
    match output {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonSchema { schema, .. } => Ok(Some(OutputConfig {
            format: Format::JsonSchema {
                schema: closed(schema),
            },
        })),
        OutputFormat::Regex { .. } => Err(Unsayable::Regex),
    }
}

fn tool(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        name: &tool.name,
        description: &tool.description,
        input_schema: &tool.parameters,
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{ModelMessage, ModelRole};
    use serde_json::json;

    use super::*;

    fn sent(request: &ModelRequest) -> Value {
        serde_json::to_value(MessagesRequest::new("m", request, 4096).unwrap()).unwrap()
    }

    fn refused(request: &ModelRequest) -> Unsayable {
        MessagesRequest::new("m", request, 4096).unwrap_err()
    }

    #[test]
    fn a_bare_request_holds_only_what_was_asked_and_the_bound_that_the_wire_wants() {
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, "hi")],
            ..ModelRequest::default()
        };
        assert_eq!(
            sent(&request),
            json!({
                "model": "m", "max_tokens": 4096, "stream": true,
                "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            })
        );
    }

    #[test]
    fn settings_travel_under_the_wires_names_and_a_seed_not_at_all() {
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::System, "be brief")],
            max_tokens: Some(9),
            temperature: Some(0.5),
            top_p: Some(0.25),
            seed: Some(7),
            stop: vec!["END".into()],
            ..ModelRequest::default()
        };
        assert_eq!(
            sent(&request),
            json!({
                "model": "m", "max_tokens": 9, "stream": true, "messages": [], "system": "be brief",
                "temperature": 0.5, "top_p": 0.25, "stop_sequences": ["END"],
            })
        );
    }

    #[test]
    fn a_temperature_out_of_range_is_refused_and_not_bent() {
        for temperature in [1.01, 2.0, -0.1, f32::NAN] {
            let request = ModelRequest {
                temperature: Some(temperature),
                ..ModelRequest::default()
            };
            let told = refused(&request).to_string();
            assert!(told.contains("from 0 to 1"), "{told}");
        }
        for temperature in [0.0, 1.0] {
            let request = ModelRequest {
                temperature: Some(temperature),
                ..ModelRequest::default()
            };
            assert_eq!(sent(&request)["temperature"], temperature);
        }
    }

    #[test]
    fn tools_and_the_choice_among_them_travel_in_the_providers_words() {
        let chosen = |tool_choice| {
            let request = ModelRequest {
                tools: vec![ToolSpec {
                    name: "add".into(),
                    description: "adds".into(),
                    parameters: json!({"type": "object"}),
                    cache: None,
                }],
                tool_choice,
                ..ModelRequest::default()
            };
            let sent = sent(&request);
            assert_eq!(
                sent["tools"],
                json!([{"name": "add", "description": "adds", "input_schema": {"type": "object"}}])
            );
            sent["tool_choice"].clone()
        };
        assert_eq!(chosen(ToolChoice::Auto), Value::Null);
        assert_eq!(chosen(ToolChoice::None), json!({"type": "none"}));
        assert_eq!(chosen(ToolChoice::Required), json!({"type": "any"}));
        assert_eq!(
            chosen(ToolChoice::Tool("add".into())),
            json!({"type": "tool", "name": "add"})
        );
        let none = ModelRequest {
            tool_choice: ToolChoice::None,
            ..ModelRequest::default()
        };
        assert_eq!(sent(&none).get("tool_choice"), None);
    }

    #[test]
    fn a_schema_travels_closed_and_a_regular_expression_not_at_all() {
        let asked = |output| ModelRequest {
            output,
            ..ModelRequest::default()
        };
        let request = asked(OutputFormat::JsonSchema {
            name: "doc".into(),
            schema: json!({"type": "object", "properties": {"a": {"type": "string"}}}),
        });
        assert_eq!(
            sent(&request)["output_config"],
            json!({"format": {"type": "json_schema", "schema": {
                "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false,
            }}})
        );
        let pattern = "a+".to_owned();
        assert_eq!(refused(&asked(OutputFormat::Regex { pattern })), Unsayable::Regex);
    }
}
