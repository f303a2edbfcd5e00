//! Calls in a wire family's own words: relayed as they are to providers of the same family, translated for others.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use http::HeaderMap;
use serde_json::Value;

use super::answer::{FinishReason, ModelAnswer, Quota};
use super::fault::{CallFailure, ProviderFault};
use super::request::{EmbeddingRequest, ModelRequest};
use super::{Embeddings, ToolCall};
use crate::{Reported, Usage};

/// Words that requests and answers are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFamily {
    /// OpenAI Chat Completions.
    OpenAiChat,
    /// OpenAI Responses.
    OpenAiResponses,
    /// OpenAI Embeddings.
    OpenAiEmbeddings,
    /// Anthropic Messages.
    AnthropicMessages,
}

/// A request as its caller wrote it: JSON, in two pieces around the model's name.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Its words.
    pub family: WireFamily,
    /// Everything before the model's name.
    pub before: Bytes,
    /// The name as it was written, a JSON string with its quotes; empty where the request names none.
    pub model: Bytes,
    /// Everything behind it.
    pub after: Bytes,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Headers of the family that the provider should see, such as `anthropic-beta`. None carries credentials.
    pub headers: HeaderMap,
    /// How much may be answered.
    pub allows: Allows,
}

/// How much a request lets be answered, as far as that shows without reading the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allows {
    /// Most tokens of an answer; none where it doesn't say.
    pub tokens: Option<u32>,
    /// How many answers are asked for; none where it doesn't say.
    pub answers: Option<u32>,
}

/// What a request wishes, in the kernel's words.
#[derive(Debug, Clone)]
pub enum Wish {
    /// An answer.
    Answer(Arc<ModelRequest>),
    /// Vectors.
    Embeddings(Arc<EmbeddingRequest>),
}

/// A request that can't be put into the kernel's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreadable {
    /// What is wrong and how to mend it.
    pub message: String,
    /// The field at fault, such as `messages[2].content`.
    pub param: Option<String>,
}

impl Unreadable {
    /// A request that is wrong as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            param: None,
        }
    }

    /// A request with one wrong field.
    pub fn at(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            param: Some(param.into()),
        }
    }
}

/// Reads a request when somebody must know what it wishes: a target of another family, a model that can't do all.
pub trait Readable: Send + Sync + 'static {
    /// The wish; the same every time.
    ///
    /// # Errors
    /// The caller's mistake.
    fn wish(&self) -> Result<Wish, Unreadable>;

    /// Who goes on with a relayed answer's stream from where it stands; none where nobody can, and the stream then ends
    /// with an error.
    fn resumed(&self, shown: &Shown) -> Option<Box<dyn Resumed>> {
        let _ = shown;
        None
    }
}

/// What the reader of a relayed answer has been shown, all of which can be gone on from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// The text.
    pub text: String,
    /// Thoughts were shown too.
    pub thoughts: bool,
    /// Where the stream stands, in words that only its family reads.
    pub place: Value,
}

/// Keeps what the reader of a relayed answer has been shown.
pub trait Transcript: Send + Sync + 'static {
    /// What was shown in the pieces passed on until now; none where that can't be gone on from: a tool call has begun, or
    /// something else than text was said, or there is too much of it.
    fn shown(&self) -> Option<Shown>;
}

/// Goes on with a stream that a target of the caller's own family began.
pub trait Resumed: Send {
    /// Writes the next event; [`CallEvent::End`] writes the stream's end.
    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>);
}

/// A call in a wire family's words.
#[derive(Clone)]
pub struct WireCall {
    /// Logical model name; none asks for the default.
    pub model: Option<String>,
    /// As it came.
    pub raw: RawRequest,
    /// What it wishes.
    pub readable: Arc<dyn Readable>,
}

/// What a piece of a relayed answer means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RelaySign {
    /// Nothing yet: roles, lifecycle, comments. Held back until content comes.
    Lifecycle,
    /// Text, thoughts or tool calls that the caller sees; about so many bytes of them.
    Content {
        /// Bytes of what the model said, for estimates.
        said: u32,
    },
    /// What it has used until now, without bytes: counts only for a try that ends early.
    Used(Reported),
    /// The model has ended; figures may still come.
    Finished(FinishReason),
    /// Whole: nothing comes after it.
    End {
        /// Why it ended.
        finish: FinishReason,
        /// What it used; none when the upstream gave no figures.
        usage: Option<Usage>,
    },
}

/// A piece of a relayed answer: whole events of a stream, or a whole body.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayFrame {
    /// To be passed on untouched.
    pub bytes: Bytes,
    /// What it means.
    pub sign: RelaySign,
}

/// The pieces of a relayed answer. One that ends without [`RelaySign::End`] was truncated: that is a fault.
pub type RelayFrames = BoxStream<'static, Result<RelayFrame, ProviderFault>>;

/// A relayed answer, opened.
pub struct RelayAnswer {
    /// Headers for the caller: the content type, and the family's own, such as `openai-processing-ms`.
    pub headers: HeaderMap,
    /// What the headers say is left of the allowance.
    pub quota: Option<Quota>,
    /// Its pieces. Dropping them closes the upstream call.
    pub frames: RelayFrames,
    /// What its reader was shown of it; none where nobody keeps that.
    pub transcript: Option<Arc<dyn Transcript>>,
}

/// What happens in a call that was translated, in order. Before the first of these a failover is invisible.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// More text.
    Text(String),
    /// More of what the model thinks.
    Thinking(String),
    /// A whole tool call.
    ToolCall(ToolCall),
    /// The answer is complete.
    End(Box<ModelAnswer>),
}

/// Who serves a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedBy {
    /// The provider.
    pub provider: Arc<str>,
    /// Its model.
    pub model: Arc<str>,
    /// How many tries were made, this one included.
    pub tries: u32,
}

/// How many tokens a request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenCount {
    /// As the target itself answered.
    Told {
        /// Who did.
        by: ServedBy,
        /// The answer, in the caller's words.
        body: Bytes,
    },
    /// By our own estimate: the target has no such question, or didn't answer it.
    Estimated {
        /// Tokens of the input.
        tokens: u64,
    },
}

/// An answer on its way to the caller.
pub struct Served {
    /// From whom.
    pub by: ServedBy,
    /// The answer.
    pub answer: ServedAnswer,
}

/// The forms an answer comes in. Dropping a stream cancels its call.
pub enum ServedAnswer {
    /// Of the caller's family, whole.
    Whole {
        /// Headers for the caller.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// Of the caller's family, as it comes.
    Relayed {
        /// Headers for the caller.
        headers: HeaderMap,
        /// Whole events. After an error nothing comes.
        pieces: BoxStream<'static, Result<Bytes, CallFailure>>,
    },
    /// Of another family: to be put into the caller's words.
    Spoken(BoxStream<'static, Result<CallEvent, CallFailure>>),
    /// Vectors of another family.
    Embedded {
        /// One an input.
        vectors: Embeddings,
    },
}
