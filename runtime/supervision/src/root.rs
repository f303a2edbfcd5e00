//! The top of a tree: the supervisor above which there is only the process.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{ActorState, SupervisionChange};
use ractor::ActorCell;

use crate::cause::Cause;
use crate::child::Launch;
use crate::environment::Environment;
use crate::life::{Life, Stage};
use crate::supervisor::{SupervisorHandle, SupervisorSpec};
use crate::tree::Node;

/// A running tree.
pub struct Root {
    supervisor: SupervisorHandle,
    actor: ActorCell,
    life: Life,
    stop_within: Duration,
}

impl Root {
    /// Starts a tree without waiting for it: see [`SupervisorHandle::ready`]. Needs a tokio runtime.
    ///
    /// # Errors
    /// The cause, when the supervisor itself can't be started.
    pub fn start(environment: &Environment, spec: SupervisorSpec) -> Result<Self, Cause> {
        let (child, supervisor) = spec.build();
        let node = Node::root(&child.name, Arc::clone(&child.kind), child.vitals());
        environment.tree().add_root(Arc::clone(&node));
        node.set_starting();
        let (actor, life) = child.launcher.launch(Launch {
            parent: None,
            notice: None,
            incarnation: 1,
            start_within: child.rules.start_within,
            node: Arc::clone(&node),
            environment: environment.clone(),
        })?;
        let (tree, ended) = (Arc::clone(environment.tree()), life.clone());
        environment.tasks().spawn(async move {
            ended.ended().cancelled().await;
            let cause = cause_of(&ended);
            let (state, change) = if cause.is_failure() {
                (ActorState::Failed, SupervisionChange::Failed)
            } else {
                (ActorState::Stopped, SupervisionChange::Stopped)
            };
            node.set_ended(state, &cause);
            tree.publish(&node, change, Some(&cause));
        });
        Ok(Self {
            supervisor,
            actor,
            life,
            stop_within: child.rules.stop_within,
        })
    }

    /// To add and remove children.
    pub fn supervisor(&self) -> &SupervisorHandle {
        &self.supervisor
    }

    /// Waits for the end of the tree: a stop, or a supervisor that gave up. Cancel-safe.
    pub async fn ended(&self) -> Cause {
        self.life.ended().cancelled().await;
        cause_of(&self.life)
    }

    /// Stops the tree and waits for its end; what takes longer than its limit is killed. Then wait for the
    /// environment's tasks.
    pub async fn stop(&self) -> Cause {
        self.actor.stop(None);
        if self.actor.wait(Some(self.stop_within)).await.is_err() {
            self.actor.kill();
        }
        self.ended().await
    }
}

fn cause_of(life: &Life) -> Cause {
    match (life.verdict(), life.stage()) {
        (Some(verdict), _) => verdict,
        (None, Stage::Finished) => Cause::Stopped(None),
        (None, Stage::Starting | Stage::Linked) => Cause::Killed,
    }
}
