//! The wire as callers speak it to us, for those whose target speaks another.

mod content;
mod conversation;
mod echo;
mod error;
mod field;
mod item;
mod read;
#[cfg(test)]
mod tests;
mod tools;
mod writer;

use greenroom_kernel::{Shown, Unreadable, WireFamily, Wish};
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect, EdgeError};
use serde_json::{Map, Value, json};

use crate::served::{error_bytes, reference};

/// OpenAI Responses, translated.
///
/// Nothing is kept here: what refers to something kept at OpenAI (`previous_response_id`, `conversation`, `prompt`,
/// item references, files by id, `background`) is refused, and so are tools that OpenAI itself runs. Left out are fields
/// without which the answer is the same or only dressed otherwise: `store` (answers say `false`), `metadata`,
/// `service_tier`, `truncation`, `max_tool_calls`, `context_management`, `stream_options`, `text.verbosity`,
/// `reasoning.summary`, `strict` of tools, and how OpenAI caches prompts.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResponsesDialect;

impl Dialect for ResponsesDialect {
    fn family(&self) -> WireFamily {
        WireFamily::OpenAiResponses
    }

    fn read(&self, body: &[u8]) -> Result<Wish, Unreadable> {
        read::request(body).map(|request| Wish::Answer(request.into()))
    }

    fn writer(&self, body: &[u8], head: AnswerHead) -> Box<dyn AnswerWriter> {
        Box::new(writer::Writer::new(body, head))
    }

    fn resumed(&self, body: &[u8], shown: &Shown) -> Option<Box<dyn AnswerWriter>> {
        Some(Box::new(writer::Writer::resumed(body, &shown.place)?))
    }

    fn error(&self, error: &EdgeError) -> Vec<u8> {
        error_bytes(error)
    }

    /// A developer's message behind the caller's own instructions. Input that can't be read stays: reading it says what
    /// is wrong.
    fn inject(&self, request: &mut Map<String, Value>, text: &str) {
        let content = json!([{"type": "input_text", "text": reference(text)}]);
        let data = json!({"type": "message", "role": "developer", "content": content});
        match request.get_mut("input") {
            Some(Value::Array(items)) => {
                let instructs = |item: &Value| matches!(item["role"].as_str(), Some("system" | "developer"));
                let at = items.iter().take_while(|item| instructs(item)).count();
                items.insert(at, data);
            }
            Some(input @ Value::String(_)) => {
                let said = json!({"type": "message", "role": "user", "content": input.take()});
                *input = Value::Array(vec![data, said]);
            }
            None | Some(Value::Null) => {
                request.insert("input".to_owned(), Value::Array(vec![data]));
            }
            Some(_) => {}
        }
    }
}
