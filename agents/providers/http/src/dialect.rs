//! A wire family as callers speak it to us: requests read, answers and errors written.
//!
//! A caller whose target is of its own family gets the target's bytes. What is here serves the others: a request is read
//! into the kernel's words, and what comes back is put into the caller's.

use std::time::Duration;

use greenroom_kernel::{CallEvent, Embeddings, ModelAnswer, Shown, Unreadable, WireFamily, Wish};
use serde_json::{Map, Value};

use crate::edge_error::EdgeError;

/// What every answer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// Unique; each family puts its own prefix before it. Letters and digits.
    pub id: String,
    /// The model as the caller named it.
    pub model: String,
    /// Since 1970.
    pub created: Duration,
}

/// One wire family's words, as a server speaks them.
pub trait Dialect: Send + Sync + 'static {
    /// Which family.
    fn family(&self) -> WireFamily;

    /// Reads a request. Fields that have no word in the kernel are left out where the answer is the same without them,
    /// else refused.
    ///
    /// # Errors
    /// The caller's mistake, or what no other family can do; it names the field.
    fn read(&self, body: &[u8]) -> Result<Wish, Unreadable>;

    /// Writes the answer to a request that [`Dialect::read`] has read.
    fn writer(&self, body: &[u8], head: AnswerHead) -> Box<dyn AnswerWriter>;

    /// Goes on with the stream of an answer to such a request, which a server of this family began: it writes what comes
    /// next and the end, and begins nothing anew. None where that can't be.
    fn resumed(&self, body: &[u8], shown: &Shown) -> Option<Box<dyn AnswerWriter>> {
        let _ = (body, shown);
        None
    }

    /// Writes vectors; `input_tokens` is what they took. Families without embeddings are never asked.
    fn embeddings(&self, body: &[u8], head: &AnswerHead, vectors: &Embeddings) -> Vec<u8> {
        let _ = (body, head, vectors);
        Vec::new()
    }

    /// The HTTP status of an error. Most families answer with the one that HTTP has for its kind.
    fn status(&self, error: &EdgeError) -> u16 {
        error.kind.status()
    }

    /// Writes an error's body.
    fn error(&self, error: &EdgeError) -> Vec<u8>;

    /// Puts `text` into a request, as data that stands before the conversation. The rest of the request stays as it is.
    fn inject(&self, request: &mut Map<String, Value>, text: &str);
}

/// Writes one answer: either whole, or begun, told event by event, and ended.
pub trait AnswerWriter: Send {
    /// The beginning of a stream.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// The next event of a stream; [`CallEvent::End`] writes the stream's end.
    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>);

    /// The end of a stream that broke: an error event of the family, and nothing that looks like a good end.
    fn fail(&mut self, error: &EdgeError, out: &mut Vec<u8>);

    /// A whole body.
    fn whole(&mut self, answer: &ModelAnswer) -> Vec<u8>;
}
