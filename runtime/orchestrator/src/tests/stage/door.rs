//! By which handle the tests call.

use std::sync::Arc;

use greenroom_kernel::{HostPort, MemberId, NodeId, Supervisor};
use greenroom_wire::PoolConfig;
use greenroom_wire::testkit::{Fleet, InMemory};

use super::{StageClock, stage_random};
use crate::Orchestrator;

/// Which handle the tests call by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The orchestrator itself.
    Local,
    /// The wire's client of a server around it.
    Remote,
    /// A gateway's pool of supervisors, of which it is the only one.
    Pool,
}

/// What is between a handle and the orchestrator behind it.
pub(super) enum Line {
    One(InMemory),
    Pool(Fleet, HostPort),
}

impl Line {
    /// Cuts every connection in the middle of whatever it carries.
    pub(super) fn cut(&self) {
        match self {
            Self::One(served) => served.cut(),
            Self::Pool(fleet, at) => fleet.cut(at),
        }
    }
}

impl Door {
    pub(super) fn open(self, orchestrator: &Arc<Orchestrator>) -> (Arc<dyn Supervisor>, Option<Line>) {
        let local: Arc<dyn Supervisor> = Arc::clone(orchestrator) as _;
        match self {
            Self::Local => (local, None),
            Self::Remote => {
                let (remote, line) = InMemory::serve(local);
                (Arc::new(remote), Some(Line::One(line)))
            }
            Self::Pool => {
                let (fleet, at) = (Fleet::new(), "127.0.0.1:7070".parse().unwrap());
                fleet.serve(&at, &NodeId::parse("n").unwrap(), local);
                fleet.list([(&MemberId::parse("n").unwrap(), &at)]);
                let clock = Arc::new(StageClock::new());
                let pool = fleet.pool(clock, Arc::new(stage_random()), PoolConfig::default());
                (Arc::new(pool.unwrap()), Some(Line::Pool(fleet, at)))
            }
        }
    }
}

/// Makes three tests of each function named: one through the local handle, one through the remote, one through a pool. A
/// function that is not named is dead code, which the compiler tells.
macro_rules! through_every_door {
    ($($name:ident,)*) => {
        mod local {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name($crate::tests::Door::Local).await;
            })*
        }
        mod remote {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name($crate::tests::Door::Remote).await;
            })*
        }
        mod pool {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name($crate::tests::Door::Pool).await;
            })*
        }
    };
}
pub(crate) use through_every_door;
