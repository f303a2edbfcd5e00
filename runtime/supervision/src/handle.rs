//! How the rest of the program talks to a supervised actor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::line::Line;

/// A message was not taken. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// All permits are out.
    #[error("{actor} is busy, retry in {} ms", retry_after.as_millis())]
    Busy {
        /// The actor's name.
        actor: Arc<str>,
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// It is not running now, and will be restarted.
    #[error("{actor} is down, retry in {} ms", retry_after.as_millis())]
    Down {
        /// The actor's name.
        actor: Arc<str>,
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// It has ended for good.
    #[error("{actor} is gone")]
    Gone {
        /// The actor's name.
        actor: Arc<str>,
    },
}

impl SendError {
    /// Whether the same message may be taken later.
    pub fn is_retryable(&self) -> bool {
        self.retry_after().is_some()
    }

    /// When asking again makes sense, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } | Self::Down { retry_after, .. } => Some(*retry_after),
            Self::Gone { .. } => None,
        }
    }
}

/// A call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The message was not taken. Nothing happened.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The actor ended with the call unanswered; how far it came is not known.
    #[error("{actor} ended before it answered")]
    Unanswered {
        /// The actor's name.
        actor: Arc<str>,
    },
    /// No answer in time; the actor may still be at it.
    #[error("{actor} did not answer within {} ms", within.as_millis())]
    Timeout {
        /// The actor's name.
        actor: Arc<str>,
        /// The time given.
        within: Duration,
    },
}

impl CallError {
    /// Whether the same call may be answered later. An unanswered call may have had effects: what is called must
    /// be able to take it twice.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotSent(error) => error.is_retryable(),
            Self::Unanswered { .. } | Self::Timeout { .. } => true,
        }
    }
}

/// Where the answer to a call goes. Dropped, the caller learns that there is none.
#[derive(Debug)]
#[must_use = "dropping it leaves the call unanswered"]
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// Answers. A caller that left is no error.
    pub fn send(self, answer: T) {
        let _ = self.0.send(answer);
    }

    /// Whether the caller has left.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// A handle to a supervised actor, good over its restarts. Cheap to clone.
pub struct Handle<M> {
    line: Arc<Line<M>>,
}

impl<M: Send + 'static> Handle<M> {
    pub(crate) fn new(line: Arc<Line<M>>) -> Self {
        Self { line }
    }

    /// The actor's name.
    pub fn name(&self) -> &str {
        self.line.name()
    }

    /// Messages admitted and not done.
    pub fn depth(&self) -> u32 {
        self.line.depth()
    }

    /// Hands the actor a message, at once or not at all.
    ///
    /// # Errors
    /// [`SendError`]: nothing happened.
    pub fn send(&self, message: M) -> Result<(), SendError> {
        self.line.send(message).map(drop)
    }

    /// Asks the actor and waits for its answer, for as long as it lives. Cancel-safe: the message, once sent, is
    /// handled all the same.
    ///
    /// # Errors
    /// [`CallError::NotSent`] at once; [`CallError::Unanswered`] when the actor ends or drops the reply.
    pub async fn call<T>(&self, message: impl FnOnce(Reply<T>) -> M) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        let life = self.line.send(message(Reply(reply)))?;
        let answered = tokio::select! {
            biased;
            answered = answer => answered.ok(),
            () = life.ended().cancelled() => None,
        };
        answered.ok_or_else(|| CallError::Unanswered {
            actor: Arc::clone(self.line.name()),
        })
    }

    /// As [`Handle::call`], but no longer than `within`.
    ///
    /// # Errors
    /// Those of [`Handle::call`], and [`CallError::Timeout`].
    pub async fn call_within<T>(
        &self,
        within: Duration,
        message: impl FnOnce(Reply<T>) -> M,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(within, self.call(message)).await {
            Ok(answered) => answered,
            Err(_) => Err(CallError::Timeout {
                actor: Arc::clone(self.line.name()),
                within,
            }),
        }
    }

    /// Kills the incarnation that runs now. Its supervisor does what it does about failures.
    pub fn kill(&self) {
        if let Some(target) = self.line.target() {
            target.actor.kill();
        }
    }
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            line: Arc::clone(&self.line),
        }
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(self.line.name()).finish()
    }
}
