//! What a relayed answer means, read while its bytes pass untouched.
//!
//! Nearly all events of an answer are its deltas. Those are known by how they begin, as every known server writes them,
//! and not parsed; what is written otherwise is. The figures that estimates are made of are bytes on the wire.

mod standing;
#[cfg(test)]
mod tests;

use greenroom_kernel::{FinishReason, ProviderFault, RelaySign, Reported};
use greenroom_provider_http::{Faults, Reader, Seen, Watcher};

use crate::response::{At, Block, Delta, Event, Figures, Piece, Whole, finish_reason};

/// Reads one relayed answer.
#[derive(Debug)]
pub(crate) struct MessagesWatcher {
    faults: Faults,
    model: String,
    figures: Figures,
    finish: Option<FinishReason>,
    /// It asked for a tool: some servers then still say that the turn is over.
    called: bool,
    seen: Seen,
}

impl MessagesWatcher {
    pub(crate) fn new(faults: Faults, model: &str) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            figures: Figures::default(),
            finish: None,
            called: false,
            seen: Seen::Nothing,
        }
    }

    fn parsed(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault> {
        let event: Event = serde_json::from_slice(data).map_err(|e| self.faults.malformed(&e))?;
        self.seen = seen(&event);
        Ok(match event {
            Event::MessageStart { message } => {
                self.figures.update(message.usage, At::Beginning);
                RelaySign::Lifecycle
            }
            Event::ContentBlockStart { content_block, .. } => self.began(&content_block),
            Event::ContentBlockDelta { delta, .. } => grew(&delta),
            Event::MessageDelta { delta, usage } => {
                self.figures.update(usage, At::of(&delta));
                match delta.stop_reason {
                    Some(reason) => {
                        let finish = self.meant(finish_reason(&reason));
                        self.finish = Some(finish);
                        RelaySign::Finished(finish)
                    }
                    None => RelaySign::Lifecycle,
                }
            }
            Event::MessageStop => RelaySign::End {
                finish: self.finish.ok_or_else(|| self.faults.truncated())?,
                usage: self.figures.usage(),
            },
            Event::Error { error } => return Err(self.faults.error_object(&error, &self.model)),
            Event::ContentBlockStop { .. } | Event::Ping | Event::Unknown => RelaySign::Lifecycle,
        })
    }

    fn began(&mut self, block: &Block) -> RelaySign {
        match block {
            Block::Text { text } => unless_empty(text),
            Block::Thinking { thinking, .. } => unless_empty(thinking),
            Block::ToolUse { id, name, .. } => {
                self.called = true;
                content(id.len() + name.len())
            }
            // Nothing is said in them that could be counted, but the caller sees them.
            Block::RedactedThinking { .. } | Block::Unseen => content(0),
        }
    }

    fn meant(&self, finish: FinishReason) -> FinishReason {
        match finish {
            FinishReason::Stop if self.called => FinishReason::ToolCalls,
            finish => finish,
        }
    }
}

impl Watcher for MessagesWatcher {
    fn event(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault> {
        match delta(data) {
            Some((sign, seen)) => {
                self.seen = seen;
                Ok(sign)
            }
            None => self.parsed(data),
        }
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    fn figures(&mut self) -> Option<Reported> {
        self.figures.take()
    }

    fn reader(&self) -> Reader {
        standing::read
    }

    /// Nothing but `message_stop` makes an answer whole.
    fn end(&mut self) -> Result<RelaySign, ProviderFault> {
        Err(self.faults.truncated())
    }

    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault> {
        let whole: Whole = serde_json::from_slice(body).map_err(|e| self.faults.malformed(&e))?;
        match whole {
            Whole::Message {
                content,
                stop_reason,
                usage,
            } => {
                self.figures.update(usage, At::End);
                let reason = stop_reason.ok_or_else(|| self.faults.truncated())?;
                self.called |= content.is_some_and(|content| content.iter().any(Piece::is_call));
                Ok(RelaySign::End {
                    finish: self.meant(finish_reason(&reason)),
                    usage: self.figures.usage(),
                })
            }
            Whole::Error { error } => Err(self.faults.error_object(&error, &self.model)),
        }
    }
}

fn content(bytes: usize) -> RelaySign {
    RelaySign::Content {
        said: u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}

fn unless_empty(text: &str) -> RelaySign {
    if text.is_empty() {
        RelaySign::Lifecycle
    } else {
        content(text.len())
    }
}

fn grew(delta: &Delta) -> RelaySign {
    match delta {
        Delta::Text { text } => unless_empty(text),
        Delta::InputJson { partial_json } => unless_empty(partial_json),
        Delta::Thinking { thinking } => unless_empty(thinking),
        Delta::Signature { .. } | Delta::Unseen => content(0),
    }
}

/// What an event shows, where it isn't one that is known by its beginning.
fn seen(event: &Event) -> Seen {
    match event {
        Event::ContentBlockStart { content_block, .. } => match content_block {
            Block::Text { .. } | Block::Thinking { .. } | Block::RedactedThinking { .. } => Seen::Place,
            Block::ToolUse { .. } | Block::Unseen => Seen::Beyond,
        },
        Event::ContentBlockStop { .. } => Seen::Place,
        Event::ContentBlockDelta { delta, .. } => match delta {
            Delta::Text { text } => Seen::Words(text.clone()),
            Delta::Thinking { .. } | Delta::Signature { .. } => Seen::Thought,
            Delta::InputJson { .. } | Delta::Unseen => Seen::Beyond,
        },
        Event::MessageDelta { .. } | Event::MessageStop | Event::Error { .. } => Seen::Beyond,
        Event::MessageStart { .. } | Event::Ping | Event::Unknown => Seen::Nothing,
    }
}

/// The sign of a delta that is written as all known servers write it, and what it shows; none for everything else.
fn delta(data: &[u8]) -> Option<(RelaySign, Seen)> {
    let rest = data.strip_prefix(br#"{"type":"content_block_delta","index":"#)?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = rest.get(digits..)?.strip_prefix(br#","delta":{"type":""#)?;
    let ended = |said: &[u8]| Some(said.strip_suffix(br#""}}"#)?.len()).filter(|length| *length > 0);
    if let Some(said) = rest.strip_prefix(br#"text_delta","text":""#) {
        let (begin, length) = (data.len() - said.len(), ended(said)?);
        return Some((content(length), Seen::Text(begin..begin + length)));
    }
    if let Some(said) = rest.strip_prefix(br#"input_json_delta","partial_json":""#) {
        return Some((content(ended(said)?), Seen::Beyond));
    }
    if let Some(said) = rest.strip_prefix(br#"thinking_delta","thinking":""#) {
        return Some((content(ended(said)?), Seen::Thought));
    }
    let signature = rest.strip_prefix(br#"signature_delta","signature":""#)?;
    signature
        .ends_with(br#""}}"#)
        .then_some((content(0), Seen::Thought))
}
