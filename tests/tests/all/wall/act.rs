//! What a scripted upstream does with a call.

use super::words::Trouble;

/// When a refused caller is told to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Unsaid,
    Seconds(u64),
    /// An HTTP date so many seconds ahead.
    Date(u64),
}

/// What is done with one call. Numbers are pieces that are said before it; an answer in one piece breaks at its half, or
/// with 0 before its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// A whole answer.
    Answer,
    /// An error with its status.
    Refuse(Trouble, After),
    /// The request is read, and the connection reset.
    Reset,
    /// The request is read, and nothing follows.
    Hush,
    /// A head, then nothing until the model would have begun: so many milliseconds. Then the whole answer.
    Late(u64),
    /// Silence, with the connection open.
    Stall(usize),
    /// The connection is reset.
    Cut(usize),
    /// The connection is closed as if all were said.
    Close(usize),
    /// An event, or a body, that can't be read.
    Garbled(usize),
    /// A chunk of the body, as HTTP cuts it, without a size.
    BadChunk(usize),
    /// All but the wire's last word.
    NoDone,
    /// An error inside the stream.
    ErrorEvent(Trouble, usize),
    /// An error's body with the status of an answer.
    ErrorBody,
    /// A whole answer that ends by the model's content filter.
    Filtered,
    /// A body that says it is gzip, and is not.
    Gzip,
    /// Headers without an end.
    Headers,
    /// One line of 10 MiB.
    LongLine,
    /// The whole answer, a few bytes at a time.
    Trickle,
    /// Bytes that never make an event.
    Drip,
}

/// What is done with one call after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Always(Act),
    /// So many calls, then whole answers.
    First(u32, Act),
    /// Every other call, the first among them.
    Alternate(Act),
    /// A quarter of all calls fail, in one of several ways each.
    Mixed,
    /// Every so manieth call, the first among them.
    Each(u32, Act),
}

impl Script {
    /// What is done with a call, counted from 0.
    pub(super) fn act(self, call: u32) -> Act {
        match self {
            Self::Always(act) => act,
            Self::First(calls, act) if call < calls => act,
            Self::Alternate(act) if call.is_multiple_of(2) => act,
            Self::Each(nth, act) if call.is_multiple_of(nth) => act,
            Self::Mixed => match call % 20 {
                3 | 13 => Act::Refuse(Trouble::Broken, After::Unsaid),
                7 => Act::Reset,
                11 => Act::Cut(3),
                17 => Act::Close(0),
                _ => Act::Answer,
            },
            Self::First(..) | Self::Alternate(_) | Self::Each(..) => Act::Answer,
        }
    }
}
