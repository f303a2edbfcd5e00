//! Chat Completions as callers speak it to us.

mod inject;
mod message;
mod parts;
mod read;
#[cfg(test)]
mod tests;
mod tools;
mod write;

use std::collections::BTreeMap;

use greenroom_kernel::{Shown, Unreadable, WireFamily, Wish};
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect, EdgeError};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::error::error_bytes;
use write::ChatWriter;

/// OpenAI Chat Completions, for targets of other families.
///
/// A request is refused where its answer would be another one than it asks for: several choices (`n`), `logprobs`,
/// sound, files, web search, moderation, tools that are no functions.
///
/// These are left out:
/// - `store`, `metadata`, `prompt_cache_key`, `prompt_cache_options`, `prompt_cache_retention`, `service_tier`,
///   `prediction`: they change what OpenAI keeps, what a call costs or how fast it is, not the answer.
/// - `frequency_penalty`, `presence_penalty`, `logit_bias`, `verbosity`: they lean the answer a little, no other family
///   has a word for them, and many clients send them always. The token numbers of `logit_bias` mean nothing elsewhere.
/// - `strict` of tools and schemas: each provider holds a model to its schemas as well as it can.
/// - `name` of messages, and every field that is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChatDialect;

impl Dialect for ChatDialect {
    fn family(&self) -> WireFamily {
        WireFamily::OpenAiChat
    }

    fn read(&self, body: &[u8]) -> Result<Wish, Unreadable> {
        read::read(body)
    }

    fn writer(&self, body: &[u8], head: AnswerHead) -> Box<dyn AnswerWriter> {
        Box::new(ChatWriter::new(body, &head))
    }

    fn resumed(&self, body: &[u8], shown: &Shown) -> Option<Box<dyn AnswerWriter>> {
        if is_bound_otherwise(body) {
            return None;
        }
        Some(Box::new(ChatWriter::resumed(body, &shown.place)?))
    }

    fn error(&self, error: &EdgeError) -> Vec<u8> {
        error_bytes(error)
    }

    fn inject(&self, request: &mut Map<String, Value>, text: &str) {
        inject::inject(request, text);
    }
}

/// What servers bind answers with beyond the contract. A relayed request has it, and a translated one doesn't.
const BOUNDS: [&str; 10] = [
    "chat_template_kwargs",
    "grammar",
    "guided_choice",
    "guided_decoding_backend",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "json_schema",
    "logit_bias",
    "structured_outputs",
];

/// Whether an answer is bound by what would be lost if another request went on with it.
fn is_bound_otherwise(body: &[u8]) -> bool {
    let fields = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(body);
    fields.is_ok_and(|fields| BOUNDS.iter().any(|bound| fields.contains_key(*bound)))
}
