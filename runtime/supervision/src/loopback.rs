//! How an actor's own tasks tell it something.

use std::fmt;

use ractor::ActorRef;

use crate::line::{Admission, Envelope};

/// Sends to one incarnation of an actor without taking a permit: for results of work that was admitted already.
/// It dies with the incarnation; what is sent afterwards is dropped.
pub struct Loopback<M> {
    actor: ActorRef<Envelope<M>>,
}

impl<M: Send + 'static> Loopback<M> {
    pub(crate) fn new(actor: ActorRef<Envelope<M>>) -> Self {
        Self { actor }
    }

    /// Sends. `false` when the incarnation is gone.
    pub fn send(&self, message: M) -> bool {
        self.actor
            .send_message(Envelope::Work(message, Admission::free()))
            .is_ok()
    }
}

impl<M> Clone for Loopback<M> {
    fn clone(&self) -> Self {
        Self {
            actor: self.actor.clone(),
        }
    }
}

impl<M> fmt::Debug for Loopback<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loopback").field(&self.actor.get_id()).finish()
    }
}
