//! The supervision tree as it lives, to read and to subscribe to. Nothing in it is asked of an actor: what others
//! read is kept beside the actors.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use greenroom_kernel::{ActorNode, ActorState, Clock, SupervisionChange, SupervisionEvent};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::cause::Cause;

/// Events kept for a slow subscriber before it misses some.
const EVENTS_KEPT: usize = 1024;

/// What the tree shows of an actor besides its life.
pub(crate) trait Vitals: Send + Sync {
    /// Messages admitted and not done.
    fn depth(&self) -> u32;
    /// The breaker in front of the actor.
    fn breaker(&self) -> Option<greenroom_kernel::BreakerState>;
}

/// Told the kind of every actor that runs again.
pub type RestartHook = Arc<dyn Fn(&str) + Send + Sync>;

/// A live registry of supervised actors.
pub struct Tree {
    roots: Mutex<Vec<Arc<Node>>>,
    events: broadcast::Sender<SupervisionEvent>,
    clock: Arc<dyn Clock>,
    on_restart: Option<RestartHook>,
}

impl Tree {
    pub(crate) fn new(clock: Arc<dyn Clock>, on_restart: Option<RestartHook>) -> Self {
        Self {
            roots: Mutex::default(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            clock,
            on_restart,
        }
    }

    /// Every root with everything below it, children by name. Not one moment's cut: actors live on meanwhile.
    pub fn snapshot(&self) -> Vec<ActorNode> {
        let roots = self.roots.lock().clone();
        roots.iter().map(|root| root.snapshot()).collect()
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> TreeWatch {
        TreeWatch {
            events: self.events.subscribe(),
        }
    }

    pub(crate) fn add_root(&self, root: Arc<Node>) {
        self.roots.lock().push(root);
    }

    pub(crate) fn publish(&self, node: &Node, what: SupervisionChange, cause: Option<&Cause>) {
        let path = &*node.path;
        let why = cause.map(tracing::field::display);
        match what {
            SupervisionChange::Failed => tracing::warn!(path, cause = why, "actor failed"),
            SupervisionChange::Escalated => tracing::error!(path, cause = why, "supervisor gives up"),
            SupervisionChange::Restarted => {
                tracing::info!(path, "actor restarted");
                if let Some(hook) = &self.on_restart {
                    hook(&node.kind);
                }
            }
            SupervisionChange::Started | SupervisionChange::Stopped => {
                tracing::debug!(path, cause = why, what = what.as_str(), "actor");
            }
        }
        if self.events.receiver_count() > 0 {
            let event = SupervisionEvent {
                path: path.to_owned(),
                kind: node.kind.to_string(),
                what,
                cause: cause.map(Cause::to_string),
                at: self.clock.now(),
            };
            // Everyone may have left since: then nobody misses it.
            let _ = self.events.send(event);
        }
    }
}

/// A subscription to a [`Tree`].
pub struct TreeWatch {
    events: broadcast::Receiver<SupervisionEvent>,
}

/// What a [`TreeWatch`] yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeNews {
    /// Something happened.
    Event(SupervisionEvent),
    /// The subscriber was too slow and missed this many: read the snapshot again.
    Missed(u64),
}

impl TreeWatch {
    /// The next piece of news; `None` when the tree is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<TreeNews> {
        match self.events.recv().await {
            Ok(event) => Some(TreeNews::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(TreeNews::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// One actor in the tree; it outlives the actor's incarnations.
pub(crate) struct Node {
    path: Box<str>,
    kind: Arc<str>,
    vitals: Arc<dyn Vitals>,
    starts: AtomicU32,
    life: Mutex<(ActorState, Option<Cause>)>,
    children: Mutex<BTreeMap<Arc<str>, Arc<Node>>>,
}

impl Node {
    pub(crate) fn root(name: &str, kind: Arc<str>, vitals: Arc<dyn Vitals>) -> Arc<Self> {
        Self::at(name.into(), kind, vitals)
    }

    fn at(path: Box<str>, kind: Arc<str>, vitals: Arc<dyn Vitals>) -> Arc<Self> {
        Arc::new(Self {
            path,
            kind,
            vitals,
            starts: AtomicU32::new(0),
            life: Mutex::new((ActorState::Waiting, None)),
            children: Mutex::default(),
        })
    }

    /// The child's node, as it was if the supervisor had this child before its own restart.
    pub(crate) fn child(&self, name: &Arc<str>, kind: &Arc<str>, vitals: Arc<dyn Vitals>) -> Arc<Self> {
        let mut children = self.children.lock();
        let node = children.entry(Arc::clone(name)).or_insert_with(|| {
            let path = format!("{}/{name}", self.path).into_boxed_str();
            Self::at(path, Arc::clone(kind), vitals)
        });
        Arc::clone(node)
    }

    pub(crate) fn forget(&self, name: &str) {
        self.children.lock().remove(name);
    }

    pub(crate) fn forget_all_but(&self, names: &HashSet<Arc<str>>) {
        self.children.lock().retain(|name, _| names.contains(name));
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn set_state(&self, state: ActorState) {
        self.life.lock().0 = state;
    }

    pub(crate) fn set_starting(&self) {
        self.starts.fetch_add(1, Ordering::Relaxed);
        self.set_state(ActorState::Starting);
    }

    /// An incarnation is gone. Its supervisor may know already, and more: then this changes nothing.
    pub(crate) fn set_gone(&self, ended: &CancellationToken) {
        let mut life = self.life.lock();
        if !ended.is_cancelled() {
            life.0 = ActorState::Stopped;
            ended.cancel();
        }
    }

    pub(crate) fn set_ended(&self, state: ActorState, cause: &Cause) {
        *self.life.lock() = (state, Some(cause.clone()));
    }

    /// Running now; says whether it was started before.
    pub(crate) fn set_running(&self) -> SupervisionChange {
        self.set_state(ActorState::Running);
        match self.starts.load(Ordering::Relaxed) {
            0 | 1 => SupervisionChange::Started,
            _ => SupervisionChange::Restarted,
        }
    }

    fn snapshot(&self) -> ActorNode {
        let children: Vec<_> = self.children.lock().values().cloned().collect();
        let (state, cause) = self.life.lock().clone();
        ActorNode {
            path: self.path.to_string(),
            kind: self.kind.to_string(),
            state,
            restarts: self.starts.load(Ordering::Relaxed).saturating_sub(1),
            last_cause: cause.map(|cause| cause.to_string()),
            mailbox: self.vitals.depth(),
            breaker: self.vitals.breaker(),
            children: children.iter().map(|child| child.snapshot()).collect(),
        }
    }
}
