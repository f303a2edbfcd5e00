//! A supervisor that stops takes its children with it, in their own time but not for ever.

use std::sync::Arc;

use greenroom_kernel::{ActorState, SupervisionChange};

use super::end::KILL_GRACE;
use super::{Ctx, Strategy, Supervisor};
use crate::cause::Cause;

impl Supervisor {
    /// Stops the children in the order the strategy asks for: all at once, or each before the one it was started
    /// after. Bounded by their own limits.
    pub(super) async fn stop_all(&mut self, ctx: &Ctx) {
        let ids: Vec<u64> = self.slots.from(0).map(|(id, _)| id).rev().collect();
        let mut together = Vec::new();
        for id in ids {
            let Some((actor, _)) = self.slots.ended(id) else {
                continue;
            };
            let Some(slot) = self.slots.take(id) else { continue };
            actor.stop(Some("supervisor stops".to_owned()));
            let (tree, dynamic) = (Arc::clone(ctx.environment.tree()), slot.dynamic);
            let stopping = async move {
                if actor.wait(Some(slot.child.rules.stop_within)).await.is_err() {
                    actor.kill();
                    // Whether it heeds the kill or not: there is nobody left to restart it.
                    let _ = actor.wait(Some(KILL_GRACE)).await;
                }
                let cause = Cause::Stopped(Some("supervisor stops".to_owned()));
                slot.node.set_ended(ActorState::Stopped, &cause);
                tree.publish(&slot.node, SupervisionChange::Stopped, Some(&cause));
                if dynamic {
                    slot.child.launcher.close();
                }
            };
            match self.policy.strategy {
                Strategy::OneForOne => together.push(stopping),
                Strategy::RestForOne => stopping.await,
            }
        }
        futures::future::join_all(together).await;
    }
}
