//! Why an actor ended. Restarts, events and the tree all carry it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What an actor's hook returns when the actor's state can't be trusted any more. Expected failures go through
/// the reply instead.
pub type ActorError = Box<dyn Error + Send + Sync + 'static>;

/// Why an actor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// As it was meant to, with the reason given.
    Stopped(Option<String>),
    /// A hook panicked, with the panic's message.
    Panic(String),
    /// A hook returned an error, with the chain of its sources.
    Error(String),
    /// It was killed from outside.
    Killed,
    /// `pre_start` and `post_start` took longer than this.
    StartTimeout(Duration),
    /// It made no progress for this long and was killed.
    Hung(Duration),
    /// A supervisor gave up on one of its children.
    Escalated {
        /// The path of the child.
        child: String,
        /// Why the child ended the last time.
        cause: Box<Cause>,
    },
}

impl Cause {
    /// Whether it is anything but a stop that was asked for.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Stopped(_))
    }

    pub(crate) fn from_error(error: &ActorError) -> Self {
        match error.downcast_ref::<Escalation>() {
            Some(escalation) => Self::Escalated {
                child: escalation.child.clone(),
                cause: Box::new(escalation.cause.clone()),
            },
            None => Self::Error(chain(error.as_ref())),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(None) => f.write_str("stopped"),
            Self::Stopped(Some(reason)) => write!(f, "stopped: {reason}"),
            Self::Panic(message) => write!(f, "panic: {message}"),
            Self::Error(chain) => write!(f, "error: {chain}"),
            Self::Killed => f.write_str("killed"),
            Self::StartTimeout(limit) => write!(f, "not started within {} ms", limit.as_millis()),
            Self::Hung(limit) => write!(f, "no progress for {} ms", limit.as_millis()),
            Self::Escalated { child, cause } => write!(f, "gave up on {child}: {cause}"),
        }
    }
}

/// What a supervisor fails with when it gives up on a child.
#[derive(Debug, thiserror::Error)]
#[error("gave up on {child}: {cause}")]
pub(crate) struct Escalation {
    pub(crate) child: String,
    pub(crate) cause: Cause,
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// The message of a caught panic.
pub(crate) fn panic_message(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a panic without a message".to_owned(),
        },
    }
}
