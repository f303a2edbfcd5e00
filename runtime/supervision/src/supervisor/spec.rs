//! What a supervisor does when a child ends.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::Backoff;

use super::{Message, Supervisor, SupervisorHandle};
use crate::child::{Child, ChildSpec, Restart};
use crate::handle::Handle;

/// Which children are restarted when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The one that failed.
    OneForOne,
    /// The one that failed and all that were started after it: they are stopped in reverse, then started in
    /// order, each when the one before runs.
    RestForOne,
}

/// How many restarts are too many: one more than `restarts` within `within`, and the supervisor fails itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts that are borne.
    pub restarts: u32,
    /// In what time.
    pub within: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            restarts: 10,
            within: Duration::from_secs(60),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) backoff: Backoff,
    pub(super) calm: Duration,
}

/// How to make a supervisor.
pub struct SupervisorSpec {
    name: Arc<str>,
    restart: Restart,
    stop_within: Duration,
    capacity: usize,
    policy: Policy,
    fixed: Vec<Child>,
}

impl SupervisorSpec {
    /// A supervisor without children: one-for-one, permanent, 10 restarts a minute, waits of 100 ms doubled up to
    /// 30 s.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let policy = Policy {
            strategy: Strategy::OneForOne,
            intensity: Intensity::default(),
            backoff: Backoff {
                base: Duration::from_millis(100),
                at_most: Duration::from_secs(30),
            },
            calm: Duration::from_secs(60),
        };
        Self {
            name: name.into(),
            restart: Restart::Permanent,
            stop_within: Duration::from_secs(20),
            capacity: 4096,
            policy,
            fixed: Vec::new(),
        }
    }

    /// Which children are restarted when one fails.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.policy.strategy = strategy;
        self
    }

    /// How many restarts are too many.
    #[must_use]
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.policy.intensity = intensity;
        self
    }

    /// How long a child waits for its restart: between half the backoff's ceiling and all of it, by chance. The
    /// count of failures starts anew when the child has run for `calm`.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff, calm: Duration) -> Self {
        self.policy.backoff = backoff;
        self.policy.calm = calm;
        self
    }

    /// When this supervisor itself is started again by the one above it.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How long stopping it with all its children may take. 20 s unless said otherwise.
    #[must_use]
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// How many additions and removals may be on their way. 4096 unless said otherwise.
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    /// A child that starts and restarts with the supervisor, after those named before it. A name given twice
    /// counts once.
    #[must_use]
    pub fn child(mut self, child: Child) -> Self {
        if !self.fixed.iter().any(|other| other.name == child.name) {
            self.fixed.push(child);
        }
        self
    }

    /// The child to give to a supervisor above, and the handle to add and remove children with.
    pub fn build(self) -> (Child, SupervisorHandle) {
        let (policy, fixed): (_, Arc<[Child]>) = (self.policy, self.fixed.into());
        let (child, handle): (_, Handle<Message>) = ChildSpec::new(self.name, "supervisor", move || {
            Supervisor::new(policy, Arc::clone(&fixed))
        })
        .restart(self.restart)
        .stop_within(self.stop_within)
        .capacity(self.capacity)
        .build();
        (child, SupervisorHandle::new(handle))
    }
}
