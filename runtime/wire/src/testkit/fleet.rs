//! Several supervisors, each its own server in memory, and pools of them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use greenroom_kernel::{
    BreakerConfigError, Clock, Failure, HealthHint, HostPort, Member, MemberId, MemberRole, MemberView,
    Membership, NodeId, Randomness, Supervisor,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{InMemory, line_channel};
use crate::{GrpcSupervisor, PoolConfig, PoolParts, SupervisorPool};

/// Supervisors that are served in memory, and the directory that names them. An address that nobody is served at refuses
/// connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fleet {
    served: Arc<Mutex<HashMap<HostPort, InMemory>>>,
    members: Arc<watch::Sender<Membership>>,
}

impl Default for Fleet {
    fn default() -> Self {
        let members = watch::Sender::new(Membership {
            known: true,
            ..Membership::default()
        });
        Self {
            served: Arc::default(),
            members: Arc::new(members),
        }
    }
}

impl Fleet {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `supervisor` at `address`, where it calls itself `node`; who was served there before is gone. No directory
    /// names it yet. Must be called within a tokio runtime.
    pub fn serve(&self, address: &HostPort, node: &NodeId, supervisor: Arc<dyn Supervisor>) {
        let served = InMemory::serve_as(Some(node), supervisor);
        self.served.lock().insert(address.clone(), served);
    }

    /// The directory names these and nobody else, each by an id and an address.
    pub fn list<'a>(&self, members: impl IntoIterator<Item = (&'a MemberId, &'a HostPort)>) {
        let view = |(id, address): (&MemberId, &HostPort)| MemberView {
            member: Member::at(id.clone(), MemberRole::Supervisor, address.clone()),
            hint: HealthHint::None,
            unusable: None,
        };
        let members = members.into_iter().map(view).collect();
        self.members
            .send_modify(|membership| membership.members = members);
    }

    /// Whoever is served at `address` is gone, as a process that is killed.
    pub fn kill(&self, address: &HostPort) {
        self.served.lock().remove(address);
    }

    /// Cuts every connection to `address` in the middle of whatever it carries. The next call dials again.
    pub fn cut(&self, address: &HostPort) {
        if let Some(served) = self.served.lock().get(address) {
            served.cut();
        }
    }

    /// A pool of those that are listed. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As [`SupervisorPool::start`].
    pub fn pool(
        &self,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Randomness>,
        config: PoolConfig,
    ) -> Result<SupervisorPool, BreakerConfigError> {
        let served = Arc::clone(&self.served);
        let dial = move |address: &HostPort| -> Result<GrpcSupervisor, Failure> {
            let (served, at) = (Arc::clone(&served), address.clone());
            let find = move || match served.lock().get(&at) {
                Some(served) => Ok(served.line.clone()),
                None => Err(io::Error::new(
                    io::ErrorKind::ConnectionRefused,
                    "nobody is there",
                )),
            };
            Ok(GrpcSupervisor::over(&address.to_string(), line_channel(find)))
        };
        let parts = PoolParts {
            members: self.members.subscribe(),
            tls: None,
            clock,
            random,
            config,
        };
        SupervisorPool::dialling(parts, Box::new(dial))
    }
}
