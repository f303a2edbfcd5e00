//! Writes an answer: a whole completion, or the chunks of one.

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

use greenroom_kernel::{CallEvent, FinishReason, ModelAnswer, Reasoning, ToolCall, Usage};
use greenroom_provider_http::{AnswerHead, AnswerWriter, EdgeError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::served::error::error_body;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// Writes one answer.
pub(super) struct ChatWriter {
    id: String,
    model: String,
    created: u64,
    /// What every chunk begins with.
    prefix: String,
    include_usage: bool,
    /// Tool calls written until now.
    calls: usize,
}

impl ChatWriter {
    pub(super) fn new(body: &[u8], head: &AnswerHead) -> Self {
        let asked = serde_json::from_slice::<Asked>(body).ok();
        let options = asked.and_then(|asked| asked.stream_options);
        let (id, created) = (format!("chatcmpl-{}", head.id), head.created.as_secs());
        let begin = json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": head.model,
        });
        // The closing brace comes with the rest.
        let begin = begin.to_string();
        let prefix = format!("{},\"choices\":", begin.trim_end_matches('}'));
        Self {
            id,
            model: head.model.clone(),
            created,
            prefix,
            include_usage: options.and_then(|options| options.include_usage) == Some(true),
            calls: 0,
        }
    }

    /// Goes on with a stream that stands at `place`.
    pub(super) fn resumed(body: &[u8], place: &Value) -> Option<Self> {
        let mut begin = place.as_object()?.clone();
        begin.insert("object".to_owned(), "chat.completion.chunk".into());
        let begin = Value::Object(begin).to_string();
        let head = AnswerHead {
            id: String::new(),
            model: String::new(),
            created: Duration::ZERO,
        };
        Some(Self {
            prefix: format!("{},\"choices\":", begin.strip_suffix('}')?),
            ..Self::new(body, &head)
        })
    }

    fn chunk(&self, choices: &Value, usage: Option<&Usage>, out: &mut Vec<u8>) {
        let prefix = &self.prefix;
        // Who asked for figures finds the field in every chunk, null in all but the last.
        if self.include_usage {
            let usage = usage.map_or(Value::Null, figures);
            put(format_args!("{prefix}{choices},\"usage\":{usage}}}"), out);
        } else {
            put(format_args!("{prefix}{choices}}}"), out);
        }
    }

    fn delta(&self, delta: Value, finish: Option<&str>, out: &mut Vec<u8>) {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.chunk(&json!([choice]), None, out);
    }
}

impl AnswerWriter for ChatWriter {
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.delta(
            json!({"role": "assistant", "content": "", "refusal": null}),
            None,
            out,
        );
    }

    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>) {
        match event {
            CallEvent::Text(text) if text.is_empty() => {}
            CallEvent::Text(text) => self.delta(json!({"content": text}), None, out),
            CallEvent::Thinking(text) if text.is_empty() => {}
            CallEvent::Thinking(text) => self.delta(json!({"reasoning_content": text}), None, out),
            CallEvent::ToolCall(tool) => {
                let mut call = call(tool);
                call["index"] = self.calls.into();
                self.calls += 1;
                self.delta(json!({"tool_calls": [call]}), None, out);
            }
            CallEvent::End(answer) => {
                self.delta(json!({}), Some(finish(answer.finish)), out);
                if self.include_usage {
                    self.chunk(&json!([]), Some(&answer.usage), out);
                }
                put(format_args!("[DONE]"), out);
            }
        }
    }

    fn fail(&mut self, error: &EdgeError, out: &mut Vec<u8>) {
        put(format_args!("{}", error_body(error)), out);
    }

    fn whole(&mut self, answer: &ModelAnswer) -> Vec<u8> {
        let calls: Vec<Value> = answer.tool_calls.iter().map(call).collect();
        let only_calls = answer.content.is_empty() && !calls.is_empty();
        let mut message = json!({
            "role": "assistant",
            "content": (!only_calls).then_some(&answer.content),
            "refusal": null,
        });
        if let Some(thought) = thought(&answer.reasoning) {
            message["reasoning_content"] = thought.into();
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let body = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": message,
                "logprobs": null,
                "finish_reason": finish(answer.finish),
            }],
            "usage": figures(&answer.usage),
        });
        body.to_string().into_bytes()
    }
}

/// One event.
fn put(data: fmt::Arguments<'_>, out: &mut Vec<u8>) {
    // Memory takes whatever is written to it.
    let _ = write!(out, "data: {data}\n\n");
}

fn call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

/// What was thought, as far as it is shown.
fn thought(reasoning: &[Reasoning]) -> Option<String> {
    let text: String = reasoning.iter().map(|thought| thought.text.as_str()).collect();
    (!text.is_empty()).then_some(text)
}

fn finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}

/// The wire counts all input together and all output together, and tells what of it was cached or thought.
fn figures(usage: &Usage) -> Value {
    let prompt = usage.input_tokens + usage.cached_input_tokens + usage.cache_write_tokens;
    let completion = usage.output_tokens + usage.reasoning_tokens;
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    })
}
