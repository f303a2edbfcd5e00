//! How the rest of the program adds children to a supervisor and takes them away.

use std::sync::Arc;

use super::Message;
use crate::actor::Supervised;
use crate::cause::Cause;
use crate::child::{Child, ChildSpec};
use crate::handle::{CallError, Handle};

/// A child was not added; it doesn't run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// A sibling has that name.
    #[error("there is a child named {name} already")]
    NameTaken {
        /// The name.
        name: Arc<str>,
    },
    /// It did not start; it was not tried again.
    #[error("{name} did not start: {cause}")]
    NotStarted {
        /// The child's name.
        name: Arc<str>,
        /// Why.
        cause: Cause,
    },
    /// The supervisor could not be asked.
    #[error("the supervisor could not be asked to add {name}")]
    Supervisor {
        /// The child's name.
        name: Arc<str>,
        /// Why.
        #[source]
        source: CallError,
    },
}

impl AddError {
    /// Whether adding the same child may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NameTaken { .. } | Self::NotStarted { .. } => false,
            Self::Supervisor { source, .. } => source.is_retryable(),
        }
    }
}

/// A child was not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// There is none of that name.
    #[error("there is no child named {name}")]
    Unknown {
        /// The name.
        name: Arc<str>,
    },
    /// The supervisor could not be asked.
    #[error("the supervisor could not be asked to remove {name}")]
    Supervisor {
        /// The child's name.
        name: Arc<str>,
        /// Why.
        #[source]
        source: CallError,
    },
}

/// A handle to a supervisor, good over its restarts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    handle: Handle<Message>,
}

impl SupervisorHandle {
    pub(super) fn new(handle: Handle<Message>) -> Self {
        Self { handle }
    }

    /// Adds a child and waits until it runs. It is not part of what a restarted supervisor starts again.
    ///
    /// # Errors
    /// [`AddError`]; then it doesn't run. Not cancel-safe: the child may run though nobody waited.
    pub async fn add<A: Supervised>(&self, spec: ChildSpec<A>) -> Result<Handle<A::Msg>, AddError> {
        let (child, handle) = spec.build();
        self.add_child(child).await?;
        Ok(handle)
    }

    /// As [`SupervisorHandle::add`], for a child that was built before: a supervisor, say.
    ///
    /// # Errors
    /// [`AddError`]; then it doesn't run.
    pub async fn add_child(&self, child: Child) -> Result<(), AddError> {
        let name = Arc::clone(&child.name);
        match self.handle.call(|reply| Message::Add { child, reply }).await {
            Ok(added) => added,
            Err(source) => Err(AddError::Supervisor { name, source }),
        }
    }

    /// Stops a child and waits until it is gone; killed when it takes too long. Its handles are of no use after.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn remove(&self, name: impl Into<Arc<str>>) -> Result<(), RemoveError> {
        let name = name.into();
        let asked = Arc::clone(&name);
        match self
            .handle
            .call(|reply| Message::Remove { name: asked, reply })
            .await
        {
            Ok(removed) => removed,
            Err(source) => Err(RemoveError::Supervisor { name, source }),
        }
    }

    /// Waits until all children that start with the supervisor run.
    ///
    /// # Errors
    /// [`CallError`] when the supervisor ends first.
    pub async fn ready(&self) -> Result<(), CallError> {
        self.handle.call(|reply| Message::Ready { reply }).await
    }

    /// Kills the supervisor and with it all its children, without their `post_stop`.
    pub fn kill(&self) {
        self.handle.kill();
    }
}
