//! What a supervision tree needs from outside: the ports, the place where it is visible, the tracker of its tasks.

use std::sync::Arc;

use greenroom_kernel::{Clock, Randomness};
use tokio_util::task::TaskTracker;

use crate::tree::{RestartHook, Tree};

/// What a supervision tree needs from outside. Cheap to clone.
#[derive(Clone)]
pub struct Environment {
    inner: Arc<Inner>,
}

struct Inner {
    tree: Arc<Tree>,
    random: Arc<dyn Randomness>,
    tasks: TaskTracker,
}

impl Environment {
    /// Puts one together with a tree of its own.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Randomness>) -> Self {
        Self::with(clock, random, None)
    }

    /// Puts one together that tells of restarts. A subscriber of the tree hears of every actor's start and end; this
    /// costs nothing until an actor is restarted. `on_restart` is called by the supervisor, which it must not block.
    pub fn counting(clock: Arc<dyn Clock>, random: Arc<dyn Randomness>, on_restart: RestartHook) -> Self {
        Self::with(clock, random, Some(on_restart))
    }

    fn with(clock: Arc<dyn Clock>, random: Arc<dyn Randomness>, on_restart: Option<RestartHook>) -> Self {
        let inner = Inner {
            tree: Arc::new(Tree::new(clock, on_restart)),
            random,
            tasks: TaskTracker::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Where the actors are visible.
    pub fn tree(&self) -> &Arc<Tree> {
        &self.inner.tree
    }

    /// Every task the actors run beside their mailboxes; wait for it at shutdown, after the root has ended.
    pub fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    pub(crate) fn random(&self) -> u64 {
        self.inner.random.next_u64()
    }
}
