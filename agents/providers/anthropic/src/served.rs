//! The Messages API as callers speak it to us, for targets of other families.

mod content;
mod errors;
mod fields;
mod read;
mod talk;
#[cfg(test)]
mod tests;
mod tools;
mod wishes;
mod write;

use greenroom_kernel::{Shown, Unreadable, WireFamily, Wish};
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect, EdgeError, ErrorKind};
use serde_json::{Map, Value, json};

/// Requests of the Messages API read into the kernel's words, answers and errors written in the API's.
///
/// What has no word in the kernel and is left out, since an answer without it is still the one that was asked for:
/// `top_k`, which narrows sampling as no other family can; `service_tier`, `speed` and `diagnostics`, which are about
/// Anthropic's machines; marks for the prompt cache on calls of tools, and the one for a whole request, which only
/// save money; a tool's `strict`, `input_examples`, `eager_input_streaming`, `allowed_callers` and `defer_loading`;
/// citations in texts that are handed back; `context_management`, without which a model is told more; whatever this
/// page doesn't name.
///
/// What is refused, since nobody else can do it: documents, search results, files, tools that run at Anthropic or whose
/// schema only Anthropic has, MCP servers, containers, a region for the computation.
///
/// A model's thoughts are shown to a caller who asked for thinking, in blocks with an empty signature, as nobody signed
/// them. Handed back they are read as thoughts that go to no one, and the relay to Anthropic leaves them out.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessagesDialect;

impl Dialect for MessagesDialect {
    fn family(&self) -> WireFamily {
        WireFamily::AnthropicMessages
    }

    fn read(&self, body: &[u8]) -> Result<Wish, Unreadable> {
        read::request(body).map(|request| Wish::Answer(request.into()))
    }

    fn writer(&self, body: &[u8], head: AnswerHead) -> Box<dyn AnswerWriter> {
        Box::new(write::Writer::new(body, head))
    }

    fn resumed(&self, body: &[u8], shown: &Shown) -> Option<Box<dyn AnswerWriter>> {
        Some(Box::new(write::Writer::resumed(body, &shown.place)?))
    }

    /// This family has a status of its own for being overloaded.
    fn status(&self, error: &EdgeError) -> u16 {
        match error.kind {
            ErrorKind::Overloaded => 529,
            kind => kind.status(),
        }
    }

    fn error(&self, error: &EdgeError) -> Vec<u8> {
        errors::body(error).to_string().into_bytes()
    }

    /// A text alone becomes two blocks; blocks get one before them. Models that bind thoughts to what stood before them
    /// (Claude 5.1 and later) may refuse thoughts that are handed back under other data than they were thought under:
    /// the caller then keeps the data the same for a conversation, or leaves those thoughts out.
    fn inject(&self, request: &mut Map<String, Value>, text: &str) {
        let block = |text: &str| json!({"type": "text", "text": text});
        let system = match request.remove("system") {
            Some(Value::Array(mut blocks)) => {
                blocks.insert(0, block(text));
                Value::Array(blocks)
            }
            Some(Value::String(own)) if !own.is_empty() => json!([block(text), block(&own)]),
            _ => text.into(),
        };
        request.insert("system".to_owned(), system);
    }
}
