//! How long each part of a try may take.

use std::time::Duration;

/// The deadlines of a call. A stall is a fault of the provider; the end of `total` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From asking the backend until it yields its stream. A provider that queues inside needs more of it.
    pub connect: Duration,
    /// From the stream's beginning to the first sign of the model.
    pub first_token: Duration,
    /// Between two signs of the model.
    pub between_tokens: Duration,
    /// The whole call with all its tries and waits.
    pub total: Duration,
    /// The slowest that an answer may flow, in tokens a second by estimate, over ten seconds of reading and more. None
    /// and 0 put up with any.
    pub tokens_per_second: Option<u32>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(60),
            first_token: Duration::from_secs(60),
            between_tokens: Duration::from_secs(30),
            total: Duration::from_secs(600),
            tokens_per_second: None,
        }
    }
}
