//! An answer in the API's words: a whole message, or the events of one.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

use std::time::Duration;

use greenroom_kernel::{CallEvent, FinishReason, ModelAnswer, Reasoning, ToolCall, Usage};
use greenroom_provider_http::{AnswerHead, AnswerWriter, EdgeError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors;
use crate::seal::{Opened, opened};
use crate::turns::input;

/// A `ping` is written for every so many thoughts that aren't shown: a client that hears nothing gives up.
const PING_EVERY: u32 = 32;

/// What the answer's form depends on.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    thinking: Option<Thinking>,
}

#[derive(Debug, Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    display: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
}

pub(super) struct Writer {
    head: AnswerHead,
    /// The caller asked for thinking, and to see it.
    thoughts: bool,
    /// Blocks begun.
    blocks: u32,
    /// What the last of them is, while it grows.
    open: Option<Open>,
    unseen: u32,
}

impl Writer {
    pub(super) fn new(body: &[u8], head: AnswerHead) -> Self {
        let asked: Asked = serde_json::from_slice(body).unwrap_or_default();
        let thoughts = asked.thinking.is_some_and(|thinking| {
            matches!(thinking.kind.as_str(), "enabled" | "adaptive")
                && thinking.display.as_deref() != Some("omitted")
        });
        Self {
            head,
            thoughts,
            blocks: 0,
            open: None,
            unseen: 0,
        }
    }

    /// Goes on with a stream that stands at `place`.
    pub(super) fn resumed(body: &[u8], place: &Value) -> Option<Self> {
        // Said in the beginning alone, and that is behind us.
        let head = AnswerHead {
            id: String::new(),
            model: String::new(),
            created: Duration::ZERO,
        };
        Some(Self {
            blocks: u32::try_from(place["blocks"].as_u64()?).ok()?,
            open: match place["open"].as_str() {
                None => None,
                Some("text") => Some(Open::Text),
                Some(_) => Some(Open::Thinking),
            },
            ..Self::new(body, head)
        })
    }

    fn message(&self, content: Vec<Value>, end: Option<FinishReason>, usage: &Usage) -> Value {
        json!({
            "id": format!("msg_{}", self.head.id),
            "type": "message",
            "role": "assistant",
            "model": self.head.model,
            "content": content,
            "stop_reason": end.map(reason),
            "stop_sequence": null,
            "usage": figures(usage),
        })
    }

    /// The block under way, begun if another one was.
    fn within(&mut self, kind: Open, out: &mut Vec<u8>) -> u32 {
        if self.open != Some(kind) {
            let block = match kind {
                Open::Text => json!({"type": "text", "text": ""}),
                Open::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
            };
            self.start(&block, out);
            self.open = Some(kind);
        }
        self.blocks - 1
    }

    fn start(&mut self, block: &Value, out: &mut Vec<u8>) {
        self.close(out);
        let event = json!({"type": "content_block_start", "index": self.blocks, "content_block": block});
        put(out, "content_block_start", &event);
        self.blocks += 1;
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            self.stop(out);
        }
    }

    fn stop(&self, out: &mut Vec<u8>) {
        let event = json!({"type": "content_block_stop", "index": self.blocks - 1});
        put(out, "content_block_stop", &event);
    }

    fn call(&mut self, call: &ToolCall, out: &mut Vec<u8>) {
        let block = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
        self.start(&block, out);
        let arguments = input(&call.arguments).to_string();
        let delta = json!({"type": "input_json_delta", "partial_json": arguments});
        grow(self.blocks - 1, &delta, out);
        self.stop(out);
    }

    fn thought(&mut self, text: &str, out: &mut Vec<u8>) {
        if self.thoughts {
            let index = self.within(Open::Thinking, out);
            grow(index, &json!({"type": "thinking_delta", "thinking": text}), out);
            return;
        }
        if self.unseen.is_multiple_of(PING_EVERY) {
            put(out, "ping", &json!({"type": "ping"}));
        }
        self.unseen = self.unseen.wrapping_add(1);
    }

    fn end(&mut self, answer: &ModelAnswer, out: &mut Vec<u8>) {
        self.close(out);
        let event = json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason(answer.finish), "stop_sequence": null},
            "usage": figures(&answer.usage),
        });
        put(out, "message_delta", &event);
        put(out, "message_stop", &json!({"type": "message_stop"}));
    }

    /// A thought as a block: what this family sealed always, since it must come back; what others thought where it is
    /// asked for.
    fn shown(&self, thought: &Reasoning) -> Option<Value> {
        match opened(thought) {
            Some(Opened::Signature(signature)) => {
                Some(json!({"type": "thinking", "thinking": thought.text, "signature": signature}))
            }
            Some(Opened::Redacted(data)) => Some(json!({"type": "redacted_thinking", "data": data})),
            None if self.thoughts && !thought.text.is_empty() => {
                Some(json!({"type": "thinking", "thinking": thought.text, "signature": ""}))
            }
            None => None,
        }
    }
}

impl AnswerWriter for Writer {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let message = self.message(Vec::new(), None, &Usage::default());
        put(
            out,
            "message_start",
            &json!({"type": "message_start", "message": message}),
        );
    }

    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>) {
        match event {
            CallEvent::Text(text) if text.is_empty() => {}
            CallEvent::Text(text) => {
                let index = self.within(Open::Text, out);
                grow(index, &json!({"type": "text_delta", "text": text}), out);
            }
            CallEvent::Thinking(text) => self.thought(text, out),
            CallEvent::ToolCall(call) => self.call(call, out),
            CallEvent::End(answer) => self.end(answer, out),
        }
    }

    fn fail(&mut self, error: &EdgeError, out: &mut Vec<u8>) {
        put(out, "error", &errors::body(error));
    }

    fn whole(&mut self, answer: &ModelAnswer) -> Vec<u8> {
        let text = (!answer.content.is_empty()).then(|| json!({"type": "text", "text": answer.content}));
        let call = |call: &ToolCall| json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input(&call.arguments)});
        let thoughts = answer.reasoning.iter().filter_map(|thought| self.shown(thought));
        let content = thoughts
            .chain(text)
            .chain(answer.tool_calls.iter().map(call))
            .collect();
        let message = self.message(content, Some(answer.finish), &answer.usage);
        message.to_string().into_bytes()
    }
}

fn grow(index: u32, delta: &Value, out: &mut Vec<u8>) {
    let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
    put(out, "content_block_delta", &event);
}

/// One event. JSON of one line needs no escaping in one.
fn put(out: &mut Vec<u8>, name: &str, data: &Value) {
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}

const fn reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "refusal",
    }
}

/// Thinking is a part of the output here; input comes in three classes, as in the kernel.
fn figures(usage: &Usage) -> Value {
    let mut figures = json!({
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens.saturating_add(usage.reasoning_tokens),
    });
    if usage.reasoning_tokens > 0 {
        figures["output_tokens_details"] = json!({"thinking_tokens": usage.reasoning_tokens});
    }
    figures
}
