//! What a request needs of a model, and whether a model is known to lack it. Pure.

#[cfg(test)]
mod tests;

use std::fmt;

use greenroom_kernel::{Capabilities, EmbeddingRequest, ModelRequest, ModelRole, OutputFormat};

use crate::estimate;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// It shows images.
    pub images: bool,
    /// It offers tools.
    pub tools: bool,
    /// Its answer must follow a JSON schema.
    pub json_schema: bool,
    /// It ends with what the assistant is to go on from.
    pub prefill: bool,
    /// Its answer is streamed.
    pub streaming: bool,
    /// It wants vectors, and no answer.
    pub embeddings: bool,
    /// Its tokens, by estimate.
    pub input_tokens: u64,
    /// Most tokens to answer with, where it says.
    pub max_tokens: Option<u32>,
}

impl Needs {
    /// Of a request for an answer, which adapters have streamed.
    pub fn of(request: &ModelRequest) -> Self {
        let last = request.messages.last();
        Self {
            images: request.messages.iter().any(|m| m.content.images() > 0),
            tools: !request.tools.is_empty(),
            json_schema: matches!(request.output, OutputFormat::JsonSchema { .. }),
            prefill: last.is_some_and(|m| m.role == ModelRole::Assistant),
            streaming: true,
            embeddings: false,
            input_tokens: estimate::input(request),
            max_tokens: request.max_tokens,
        }
    }

    /// Of a request for vectors.
    pub fn of_embeddings(request: &EmbeddingRequest) -> Self {
        Self {
            embeddings: true,
            input_tokens: estimate::embedded(request),
            ..Self::default()
        }
    }
}

/// What a model lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Eyes.
    Images,
    /// Tools.
    Tools,
    /// JSON schemas.
    JsonSchema,
    /// Going on from an assistant's message.
    Prefill,
    /// Streams.
    Streaming,
    /// Vectors.
    Embeddings,
    /// Answers: it has only vectors.
    Answers,
    /// Room.
    Window {
        /// Tokens of the request and its answer, by estimate.
        needs: u64,
        /// Tokens it has.
        has: u32,
    },
}

impl Lack {
    /// Whether there is room for the request, though not for the longest answer that it allows.
    pub(crate) fn is_of_the_answer(&self, needs: &Needs) -> bool {
        let at_least = needs.input_tokens / 5 * 4;
        matches!(self, Self::Window { has, .. } if at_least <= u64::from(*has))
    }
}

impl fmt::Display for Lack {
    /// What a model does not, and how to mend that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "sees no images: leave them out or ask a model with vision",
            Self::Tools => "can't call tools: leave them out or ask a model that can",
            Self::JsonSchema => "can't be held to a JSON schema: ask for plain text or another model",
            Self::Prefill => "doesn't go on from an assistant's message: end with a user's, or ask another model",
            Self::Streaming => "doesn't stream: ask for a whole answer or another model",
            Self::Embeddings => "makes no embeddings: ask a model that does",
            Self::Answers => "makes embeddings and answers nothing: ask a chat model",
            Self::Window { needs, has } => {
                return write!(
                    f,
                    "has a context window of {has} tokens and the request needs about {needs}: shorten it, lower max_tokens or ask a larger model"
                );
            }
        })
    }
}

/// What a model is known to lack. An estimate may be too high: a request is too large when four fifths of it are.
pub fn lacks(needs: &Needs, can: &Capabilities) -> Option<Lack> {
    let lacking = |needed: bool, can: Option<bool>| needed && can == Some(false);
    if needs.embeddings {
        return lacking(true, can.embeddings).then_some(Lack::Embeddings);
    }
    if can.embeddings == Some(true) {
        return Some(Lack::Answers);
    }
    let lack = [
        (needs.images, can.vision, Lack::Images),
        (needs.tools, can.tools, Lack::Tools),
        (needs.json_schema, can.json_schema, Lack::JsonSchema),
        (needs.prefill, can.prefill, Lack::Prefill),
        (needs.streaming, can.streaming, Lack::Streaming),
    ];
    let first = lack.into_iter().find(|(needed, can, _)| lacking(*needed, *can));
    first.map(|(_, _, lack)| lack).or_else(|| {
        let (has, answer) = (can.context_window?, u64::from(needs.max_tokens.unwrap_or(0)));
        let at_least = (needs.input_tokens / 5 * 4).saturating_add(answer);
        let needs = needs.input_tokens.saturating_add(answer);
        (at_least > u64::from(has)).then_some(Lack::Window { needs, has })
    })
}

/// Whether a model may lack anything that a request of about so many tokens could need. Reading a request is dear: where
/// nobody may lack anything it isn't read.
pub(crate) fn may_lack(can: &Capabilities, embeds: bool, tokens: u64) -> bool {
    if embeds {
        return can.embeddings == Some(false);
    }
    let some = [can.vision, can.tools, can.json_schema, can.prefill, can.streaming];
    // The answer takes room too.
    let tight = can
        .context_window
        .is_some_and(|window| tokens.saturating_mul(2) > u64::from(window));
    tight || some.contains(&Some(false)) || can.embeddings == Some(true)
}
