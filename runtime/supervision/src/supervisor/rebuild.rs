//! Rest-for-one: stop what was started after the one that failed, in reverse, then start all of them in order.

use std::time::Duration;

use super::slots::Phase;
use super::{Ctx, Message, Supervisor};

/// What is being rebuilt: everything from `first` on.
pub(super) struct Rebuild {
    first: u64,
    /// Tells its timer from those of rebuilds it replaced.
    number: u64,
    stopped: bool,
    due: bool,
}

impl Supervisor {
    /// The first start of all.
    pub(super) fn rebuild_all(&mut self, ctx: &Ctx) {
        self.rebuild = Some(Rebuild {
            first: 0,
            number: self.rebuilds,
            stopped: true,
            due: true,
        });
        self.advance(ctx);
    }

    /// `failed` has failed: rebuilds it and those after it, beginning to start after `delay`.
    pub(super) fn rebuild_from(&mut self, ctx: &Ctx, failed: u64, delay: Duration) {
        self.rebuilds += 1;
        let number = self.rebuilds;
        let first = match &self.rebuild {
            // Nothing is started yet: what was to be started still is.
            Some(current) if !(current.stopped && current.due) => current.first.min(failed),
            // Started in order: those before the failed one run.
            Some(_) | None => failed,
        };
        self.rebuild = Some(Rebuild {
            first,
            number,
            stopped: false,
            due: false,
        });
        let to = ctx.loopback();
        ctx.spawn_apart(async move {
            tokio::time::sleep(delay).await;
            to.send(Message::RebuildDue { number });
        });
        self.advance(ctx);
    }

    pub(super) fn on_rebuild_due(&mut self, ctx: &Ctx, number: u64) {
        if let Some(rebuild) = self.rebuild.as_mut().filter(|rebuild| rebuild.number == number) {
            rebuild.due = true;
            self.advance(ctx);
        }
    }

    /// Takes the next step of a rebuild, if there is one to take.
    pub(super) fn advance(&mut self, ctx: &Ctx) {
        let Some(rebuild) = self.rebuild.as_mut() else {
            return;
        };
        let first = rebuild.first;
        if !rebuild.stopped {
            let last_alive = self.slots.from(first).rev().find(|(_, slot)| slot.is_alive());
            match last_alive.map(|(id, slot)| (id, slot.phase)) {
                Some((_, Phase::Stopping)) => return,
                Some((id, _)) => return self.stop(ctx, id, "restarted with an earlier sibling"),
                None => rebuild.stopped = true,
            }
        }
        if !rebuild.due {
            return;
        }
        let next = self
            .slots
            .from(first)
            .find(|(_, slot)| slot.phase != Phase::Running);
        match next.map(|(id, slot)| (id, slot.phase)) {
            Some((id, Phase::Waiting | Phase::Backoff)) => self.start(ctx, id),
            Some((_, Phase::Starting | Phase::Stopping | Phase::Running)) => {}
            None => {
                self.rebuild = None;
                self.tell_ready();
            }
        }
    }
}
