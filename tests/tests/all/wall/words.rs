//! What a model server says, event by event, in each wire family: so that a fault can be put between any two of them.

mod bedrock;
mod chat;
mod messages;
mod responses;

use serde_json::Value;

/// A wire family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Family {
    Chat,
    Responses,
    Messages,
    Bedrock,
}

/// What an event is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The answer begins; nothing is said yet.
    Begin,
    /// A piece of what is said.
    Said,
    /// Something is closed, and nothing is said.
    Close,
    /// Why the answer ends, and its figures.
    End,
    /// The last word of the wire.
    Done,
}

/// One event, as it goes over the wire.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
}

impl Event {
    fn new(kind: Kind, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            bytes: bytes.into(),
        }
    }
}

/// Tokens that an upstream says it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Figures {
    pub(super) input: u64,
    pub(super) output: u64,
}

/// What an answer is made of.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Its text, or the arguments of its one tool call, in pieces.
    pub(super) pieces: Vec<String>,
    pub(super) is_call: bool,
    pub(super) is_filtered: bool,
    pub(super) figures: Figures,
}

impl Answer {
    pub(super) fn text(text: &str, figures: Figures) -> Self {
        Self {
            pieces: text.split_inclusive(' ').map(str::to_owned).collect(),
            is_call: false,
            is_filtered: false,
            figures,
        }
    }

    fn said(&self) -> String {
        self.pieces.concat()
    }
}

/// The tool that is called where one is.
pub(super) const TOOL: &str = "look_up";

/// The classes of errors that upstreams tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Throttled,
    Broken,
    Unavailable,
    TooLong,
    Filtered,
    BadRequest,
}

impl Trouble {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Throttled => 429,
            Self::Broken => 500,
            Self::Unavailable => 503,
            Self::TooLong | Self::Filtered | Self::BadRequest => 400,
        }
    }
}

impl Family {
    pub(super) const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Bedrock];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Bedrock => "bedrock",
        }
    }

    /// The events of an answer. A Chat caller gets figures where `figures` were asked for.
    pub(super) fn events(self, answer: &Answer, figures: bool) -> Vec<Event> {
        match self {
            Self::Chat => chat::events(answer, figures),
            Self::Responses => responses::events(answer),
            Self::Messages => messages::events(answer),
            Self::Bedrock => bedrock::events(answer),
        }
    }

    /// The answer in one piece.
    pub(super) fn whole(self, answer: &Answer) -> Value {
        match self {
            Self::Chat => chat::whole(answer),
            Self::Responses => responses::whole(answer),
            Self::Messages => messages::whole(answer),
            Self::Bedrock => bedrock::whole(answer),
        }
    }

    /// An error's body, and what names it in a header.
    pub(super) fn error(self, trouble: Trouble) -> (Value, Option<&'static str>) {
        match self {
            Self::Chat | Self::Responses => (chat::error(trouble), None),
            Self::Messages => (messages::error(trouble), None),
            Self::Bedrock => {
                let (name, message) = bedrock::error(trouble);
                (serde_json::json!({ "message": message }), Some(name))
            }
        }
    }

    /// An error inside a stream, behind `told` events.
    pub(super) fn error_event(self, trouble: Trouble, told: usize) -> Vec<u8> {
        match self {
            Self::Chat => chat::data(&chat::error(trouble)),
            Self::Responses => responses::error_event(trouble, told),
            Self::Messages => messages::named("error", &messages::error(trouble)),
            Self::Bedrock => bedrock::exception(trouble),
        }
    }

    /// An event that can't be read.
    pub(super) fn garbled(self) -> Vec<u8> {
        match self {
            Self::Bedrock => bedrock::garbled(),
            Self::Chat | Self::Responses | Self::Messages => {
                b"data: {\"id\": \"chatcmpl-1\", \"choi\n\n".to_vec()
            }
        }
    }

    pub(super) fn stream_type(self) -> &'static str {
        match self {
            Self::Bedrock => "application/vnd.amazon.eventstream",
            _ => "text/event-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_begins_says_and_ends_in_this_order() {
        for family in Family::ALL {
            let answer = Answer::text("one two three", Figures { input: 1, output: 3 });
            let kinds: Vec<Kind> = family.events(&answer, true).iter().map(|e| e.kind).collect();
            assert_eq!(kinds[0], Kind::Begin, "{family:?}");
            assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Said).count(), 3);
            let first = |kind| kinds.iter().position(|k| *k == kind).unwrap();
            assert!(first(Kind::Begin) < first(Kind::Said) && first(Kind::Said) < first(Kind::End));
        }
    }
}
