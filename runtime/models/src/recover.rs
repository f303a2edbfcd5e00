//! What may be tried once a reader has seen a part of an answer that then broke, as a route says it.

use std::time::Duration;

/// A way to go on behind what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// The target goes on from the text itself, where it is known to be able to.
    Prefill,
    /// A second run, joined where it has repeated what was shown. Only of requests that ask for the same answer each time:
    /// temperature 0, or a seed.
    Splice,
    /// The target is asked in words to go on. It may repeat itself or change its tone, so it must be asked for.
    Prompt,
}

/// How long an answer is kept from its reader, so that it can start over unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Until it is whole.
    All,
    /// Until so many tokens of it have come, by estimate.
    Tokens(u32),
    /// Until so long after its first content. It is shown when more comes behind that.
    Window(Duration),
}

/// What a route allows. What isn't allowed, or doesn't help, ends in an error event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recover {
    /// In the order in which they are tried.
    pub ways: Vec<Way>,
    /// Whether the answer is held back; not by default.
    pub hold: Option<Hold>,
}

impl Default for Recover {
    /// Prefill, then splice.
    fn default() -> Self {
        Self {
            ways: vec![Way::Prefill, Way::Splice],
            hold: None,
        }
    }
}

impl Way {
    /// As it is configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Splice => "splice",
            Self::Prompt => "prompt",
        }
    }
}
