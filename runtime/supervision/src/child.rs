//! What a supervisor is told about a child: how to make it, and what to do when it ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::BreakerState;
use parking_lot::Mutex;
use ractor::{ActorCell, ActorRuntime};

use crate::actor::Supervised;
use crate::cause::Cause;
use crate::environment::Environment;
use crate::gate::Gate;
use crate::handle::Handle;
use crate::life::{Guard, Life, StartNotice};
use crate::line::Line;
use crate::shell::{Boot, Shell, Source};
use crate::tree::{Node, Vitals};

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// When it failed.
    Transient,
    /// Never.
    Temporary,
}

/// How a hang is found: an actor that finishes no message, not even a ping, is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    /// How often it is looked at.
    pub interval: Duration,
    /// How long it may finish nothing.
    pub patience: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            patience: Duration::from_secs(30),
        }
    }
}

/// How to make an actor and what to do when it ends.
pub struct ChildSpec<A: Supervised> {
    name: Arc<str>,
    kind: Arc<str>,
    source: Source<A>,
    rules: Rules,
    capacity: usize,
    busy_retry_after: Duration,
    gate: Option<Arc<Gate>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) restart: Restart,
    pub(crate) start_within: Duration,
    pub(crate) stop_within: Duration,
    pub(crate) watchdog: Option<Watchdog>,
}

impl<A: Supervised> ChildSpec<A> {
    /// A permanent, watched actor, made anew by `factory` at every start. `name` is unique among its siblings,
    /// without `/`; it is not ractor's process-wide name.
    pub fn new(
        name: impl Into<Arc<str>>,
        kind: impl Into<Arc<str>>,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        Self::from_source(name.into(), kind.into(), Source::Factory(Box::new(factory)))
    }

    /// A temporary actor that is started once, with no watchdog: cheap.
    pub fn once(name: impl Into<Arc<str>>, kind: impl Into<Arc<str>>, actor: A) -> Self {
        Self::from_source(name.into(), kind.into(), Source::Once(Mutex::new(Some(actor))))
            .restart(Restart::Temporary)
    }

    fn from_source(name: Arc<str>, kind: Arc<str>, source: Source<A>) -> Self {
        let rules = Rules {
            restart: Restart::Permanent,
            start_within: Duration::from_secs(10),
            stop_within: Duration::from_secs(5),
            watchdog: Some(Watchdog::default()),
        };
        let busy_retry_after = Duration::from_millis(100);
        Self {
            name,
            kind,
            source,
            rules,
            capacity: 1024,
            busy_retry_after,
            gate: None,
        }
    }

    /// When it is started again. `Temporary` also takes the watchdog away; what was made by [`ChildSpec::once`]
    /// stays temporary.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.rules.restart = match self.source {
            Source::Once(_) => Restart::Temporary,
            Source::Factory(_) => restart,
        };
        if self.rules.restart == Restart::Temporary {
            self.rules.watchdog = None;
        }
        self
    }

    /// How many messages may be admitted and not done, at least 1. 1024 unless said otherwise.
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages.max(1);
        self
    }

    /// What callers are told who find no permit left. 100 ms unless said otherwise.
    #[must_use]
    pub fn busy_retry_after(mut self, wait: Duration) -> Self {
        self.busy_retry_after = wait;
        self
    }

    /// How long `pre_start` and `post_start` may take together. 10 s unless said otherwise.
    #[must_use]
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.rules.start_within = limit;
        self
    }

    /// How long a stop may take before it becomes a kill. 5 s unless said otherwise.
    #[must_use]
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.rules.stop_within = limit;
        self
    }

    /// How a hang is found, if at all. Only a watched actor that blocks its thread is ever given up.
    #[must_use]
    pub fn watchdog(mut self, watchdog: Option<Watchdog>) -> Self {
        self.rules.watchdog = watchdog;
        self
    }

    /// Shows this gate's breaker in the tree. The factory hands the same gate to every incarnation.
    #[must_use]
    pub fn gate(mut self, gate: Arc<Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// The child to give to a supervisor, and the handle to talk to it with.
    pub fn build(self) -> (Child, Handle<A::Msg>) {
        let line = Arc::new(Line::new(
            Arc::clone(&self.name),
            self.capacity,
            self.busy_retry_after,
        ));
        let handle = Handle::new(Arc::clone(&line));
        let launcher = Arc::new(Made {
            line,
            source: Arc::new(self.source),
            gate: self.gate,
        });
        (
            Child {
                name: self.name,
                kind: self.kind,
                rules: self.rules,
                launcher,
            },
            handle,
        )
    }
}

/// A child of whatever type, ready to be given to one supervisor.
#[derive(Clone)]
pub struct Child {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) rules: Rules,
    pub(crate) launcher: Arc<dyn Launcher>,
}

impl Child {
    pub(crate) fn vitals(&self) -> Arc<dyn Vitals> {
        Arc::clone(&self.launcher) as Arc<dyn Vitals>
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// What one start needs.
pub(crate) struct Launch {
    pub(crate) parent: Option<ActorCell>,
    pub(crate) notice: Option<StartNotice>,
    pub(crate) incarnation: u32,
    pub(crate) start_within: Duration,
    pub(crate) node: Arc<Node>,
    pub(crate) environment: Environment,
}

/// A child with its type forgotten.
pub(crate) trait Launcher: Vitals {
    /// Starts an incarnation without waiting for it. A failure to start is told through the notice.
    fn launch(&self, launch: Launch) -> Result<(ActorCell, Life), Cause>;
    /// Asks for a sign of life; `false` when it was asked before and hasn't answered.
    fn ping(&self, life: &Life) -> bool;
    fn set_down_for(&self, wait: Duration);
    fn abandon(&self, life: &Life);
    fn close(&self);
}

struct Made<A: Supervised> {
    line: Arc<Line<A::Msg>>,
    source: Arc<Source<A>>,
    gate: Option<Arc<Gate>>,
}

impl<A: Supervised> Vitals for Made<A> {
    fn depth(&self) -> u32 {
        self.line.depth()
    }

    fn breaker(&self) -> Option<BreakerState> {
        self.gate.as_ref().map(|gate| gate.status().breaker)
    }
}

impl<A: Supervised> Launcher for Made<A> {
    fn launch(&self, launch: Launch) -> Result<(ActorCell, Life), Cause> {
        let Launch {
            parent,
            notice,
            incarnation,
            start_within,
            node,
            environment,
        } = launch;
        let life = Life::default();
        let guard = Guard {
            life: life.clone(),
            line: Arc::clone(&self.line),
            node,
            notice,
        };
        let boot = Boot {
            source: Arc::clone(&self.source),
            guard,
            environment,
            incarnation,
            start_within,
        };
        // The instant spawns give the id before `pre_start` runs, so that no event can come from a stranger.
        let spawned = match parent {
            Some(parent) => ActorRuntime::spawn_linked_instant(None, Shell::<A>::new(), boot, parent),
            None => ActorRuntime::spawn_instant(None, Shell::<A>::new(), boot),
        };
        let (actor, _) = spawned.map_err(|error| Cause::Error(error.to_string()))?;
        self.line.connect(&actor, &life);
        Ok((actor.get_cell(), life))
    }

    fn ping(&self, life: &Life) -> bool {
        self.line.ping(life)
    }

    fn set_down_for(&self, wait: Duration) {
        self.line.set_down_for(wait);
    }

    fn abandon(&self, life: &Life) {
        self.line.abandon(life);
    }

    fn close(&self) {
        self.line.close();
    }
}
