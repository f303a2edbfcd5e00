//! The response object around an answer. It repeats what the request said: the official libraries' types ask for it.

use greenroom_kernel::{FinishReason, ModelAnswer, Usage};
use greenroom_provider_http::AnswerHead;
use serde_json::{Map, Value, json};

/// What a response's id begins with.
pub(super) const RESPONSE: &str = "resp_";

/// What of the request is repeated.
#[derive(Debug)]
pub(super) struct Echo {
    request: Map<String, Value>,
    head: AnswerHead,
}

/// How far an answer has come.
pub(super) enum State<'a> {
    Begun,
    Ended(&'a ModelAnswer),
    Failed(Value),
}

impl Echo {
    pub(super) fn new(body: &[u8], head: AnswerHead) -> Self {
        Self {
            request: serde_json::from_slice(body).unwrap_or_default(),
            head,
        }
    }

    /// What the answer's ids are made of.
    pub(super) fn id(&self) -> &str {
        &self.head.id
    }

    /// Whether the caller wants what must be given back with thoughts.
    pub(super) fn wants_sealed(&self) -> bool {
        let include = self.request.get("include").and_then(Value::as_array);
        include.is_some_and(|include| include.iter().any(|it| it == "reasoning.encrypted_content"))
    }

    /// What the request said of `name`; null where it said nothing.
    fn said(&self, name: &str) -> Value {
        self.request.get(name).cloned().unwrap_or(Value::Null)
    }

    fn said_or(&self, name: &str, usual: Value) -> Value {
        match self.said(name) {
            Value::Null => usual,
            said => said,
        }
    }

    /// The response object.
    pub(super) fn response(&self, state: &State<'_>, output: Vec<Value>) -> Value {
        let (status, incomplete, usage, error) = match state {
            State::Begun => ("in_progress", Value::Null, Value::Null, Value::Null),
            State::Failed(error) => ("failed", Value::Null, Value::Null, error.clone()),
            State::Ended(answer) => {
                let (status, reason) = ended(answer.finish);
                let details = reason.map_or(Value::Null, |reason| json!({"reason": reason}));
                (status, details, usage(&answer.usage), Value::Null)
            }
        };
        json!({
            "id": format!("{RESPONSE}{}", self.head.id),
            "object": "response",
            "created_at": self.head.created.as_secs(),
            "status": status,
            "background": false,
            "error": error,
            "incomplete_details": incomplete,
            "instructions": self.said("instructions"),
            "max_output_tokens": self.said("max_output_tokens"),
            "max_tool_calls": self.said("max_tool_calls"),
            "model": self.head.model,
            "output": output,
            "parallel_tool_calls": self.said_or("parallel_tool_calls", Value::Bool(true)),
            "previous_response_id": null,
            "prompt_cache_key": self.said("prompt_cache_key"),
            "reasoning": self.said_or("reasoning", json!({"effort": null, "summary": null})),
            "safety_identifier": self.said("safety_identifier"),
            "service_tier": "default",
            "store": false,
            "temperature": self.said("temperature"),
            "text": self.text(),
            "tool_choice": self.said_or("tool_choice", Value::from("auto")),
            "tools": self.tools(),
            "top_logprobs": 0,
            "top_p": self.said("top_p"),
            "truncation": "disabled",
            "usage": usage,
            "user": self.said("user"),
            "metadata": self.said_or("metadata", json!({})),
        })
    }

    fn text(&self) -> Value {
        let mut text = self.said_or("text", json!({}));
        if let Value::Object(fields) = &mut text
            && fields.get("format").is_none_or(Value::is_null)
        {
            fields.insert("format".to_owned(), json!({"type": "text"}));
        }
        text
    }

    /// With the fields that a request may leave out and an answer may not.
    fn tools(&self) -> Value {
        let mut tools = self.said_or("tools", json!([]));
        for tool in tools.as_array_mut().into_iter().flatten() {
            if let Value::Object(fields) = tool {
                for name in ["description", "parameters", "strict"] {
                    fields.entry(name).or_insert(Value::Null);
                }
            }
        }
        tools
    }
}

/// The status of an ended response, and why it is not whole.
pub(super) const fn ended(finish: FinishReason) -> (&'static str, Option<&'static str>) {
    match finish {
        FinishReason::Stop | FinishReason::ToolCalls => ("completed", None),
        FinishReason::Length => ("incomplete", Some("max_output_tokens")),
        FinishReason::ContentFilter => ("incomplete", Some("content_filter")),
    }
}

/// This wire counts the classes into one another.
fn usage(usage: &Usage) -> Value {
    let input = usage.input_tokens + usage.cached_input_tokens + usage.cache_write_tokens;
    let output = usage.output_tokens + usage.reasoning_tokens;
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": input + output,
    })
}
