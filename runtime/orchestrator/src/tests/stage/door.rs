//! By which handle the tests call.

use std::sync::Arc;

use greenroom_kernel::Supervisor;
use greenroom_wire::testkit::InMemory;

use crate::Orchestrator;

/// Which handle the tests call by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The orchestrator itself.
    Local,
    /// The wire's client of a server around it.
    Remote,
}

impl Door {
    pub(super) fn open(self, orchestrator: &Arc<Orchestrator>) -> (Arc<dyn Supervisor>, Option<InMemory>) {
        let local: Arc<dyn Supervisor> = Arc::clone(orchestrator) as _;
        match self {
            Self::Local => (local, None),
            Self::Remote => {
                let (remote, line) = InMemory::serve(local);
                (Arc::new(remote), Some(line))
            }
        }
    }
}

/// Makes two tests of each function named: one through the local handle, one through the remote. A function that is
/// not named is dead code, which the compiler tells.
macro_rules! through_both_doors {
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
    };
}
pub(crate) use through_both_doors;
