//! Letting go of a journal: to another process at a step boundary, or because another writes it already.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Holding, Slot};
use greenroom_supervision::Context;
use tokio::sync::oneshot;

use super::{JournalActor, Message, Phase};

/// Over what time the looks of many actors are spread that are all told to look.
const SPREAD: Duration = Duration::from_secs(3);

impl JournalActor {
    /// Another process asks for the journal. What works lets go at its next step boundary.
    pub(super) fn release(&mut self, ctx: &Context<Message>, answer: oneshot::Sender<Holding>) {
        self.releasing = true;
        let idle = match &self.phase {
            Phase::New => true,
            Phase::Loading(_) => false,
            Phase::Owned { owner, waiting } => {
                owner.is_idle() && owner.is_owning() && waiting.is_empty() && self.replies.is_empty()
            }
        };
        if idle {
            self.leave(ctx, "another process asked for it");
        }
        let left = idle || self.lets_go(ctx);
        // Who asked may have left.
        let _ = answer.send(match left {
            true => Holding::Free,
            false => Holding::Held,
        });
    }

    /// Lets go, if that was asked for and nothing is lost or in doubt by it. Tells whether it did.
    pub(super) fn lets_go(&mut self, ctx: &Context<Message>) -> bool {
        if !self.releasing {
            return false;
        }
        let now = self.shared.now();
        let Phase::Owned { owner, waiting } = &mut self.phase else {
            return false;
        };
        if !owner.is_owning() || !owner.is_at_boundary() || !waiting.is_empty() {
            return false;
        }
        owner.release(now);
        if !owner.is_settled() {
            // It leaves when that is durable.
            self.pump(ctx);
            return false;
        }
        self.leave(ctx, "another process asked for it");
        true
    }

    /// Whether no step is let go any more.
    pub(super) fn holds_calls_back(&self) -> bool {
        let awaited = matches!(&self.phase, Phase::Owned { owner, .. } if owner.has_doubtful_live());
        self.releasing && !awaited
    }

    /// Reads whether anybody else has written: a fence tells only those who write.
    pub(super) fn look(&mut self, ctx: &Context<Message>) {
        let Phase::Owned { owner, .. } = &self.phase else {
            return;
        };
        // Who writes learns it by that.
        if self.shared.fleet.is_none() || self.looking || !owner.is_owning() || !owner.is_settled() {
            return;
        }
        self.looking = true;
        let (shared, key, next) = (Arc::clone(&self.shared), self.key.clone(), owner.journal().next);
        let loopback = ctx.loopback();
        ctx.spawn(async move {
            tokio::time::sleep(shared.jitter(SPREAD)).await;
            let read = shared.store.read(&key, next, 1).await;
            let slot = read.inspect_err(|error| tracing::debug!(journal = %key.journal, %error, "whether another process writes is not known"));
            let slot = slot.ok().and_then(|slots| slots.into_iter().next());
            loopback.send(Message::Looked(slot.map(Box::new)));
        });
    }

    /// The scan names work that this owner may not know of.
    pub(super) fn look_if_idle(&mut self, ctx: &Context<Message>) {
        let idle = matches!(&self.phase, Phase::Owned { owner, .. } if owner.is_idle());
        if idle {
            self.look(ctx);
        }
    }

    pub(super) fn looked(&mut self, slot: Option<Box<Slot>>) {
        self.looking = false;
        if let Some(slot) = slot {
            self.with_owner(|owner| owner.observed(&slot));
        }
    }

    /// Somebody else came first while the journal was being claimed.
    pub(super) fn load_again(&mut self, ctx: &Context<Message>) {
        if let Phase::Owned { waiting, .. } = &mut self.phase {
            self.phase = Phase::Loading(std::mem::take(waiting));
            self.load(ctx);
        }
    }
}
