//! What is sent: the kernel's request in the provider's words, always streamed.

use greenroom_kernel::{ModelMessage, ModelRequest, ModelRole, ToolCall, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use crate::config::MaxTokensField;

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
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: ModelRole,
    /// Null where an assistant's message is only tool calls.
    content: Option<&'a str>,
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
    pub(crate) fn new(model: &'a str, request: &'a ModelRequest, field: MaxTokensField) -> Self {
        let bound = |wanted| request.max_tokens.filter(|_| field == wanted);
        Self {
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
        }
    }
}

fn message(message: &ModelMessage) -> Message<'_> {
    let only_calls = message.content.is_empty() && !message.tool_calls.is_empty();
    Message {
        role: message.role,
        content: (!only_calls).then_some(message.content.as_str()),
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
        serde_json::to_value(ChatRequest::new("m", request, field)).unwrap()
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
}
