//! Mirrors behind a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenroom_kernel::{
    AcceptCall, AcceptRequest, Clock, HostPort, JournalKey, MemberId, NodeId, Randomness, SessionId,
    Supervisor, Timestamp, rendezvous_order,
};
use greenroom_wire::testkit::Fleet;
use greenroom_wire::{PoolConfig, SupervisorPool};
use tokio::time::Instant;

use crate::mirror::Mirror;
use crate::samples::{agent_name, key, principal};

/// Several mirrors, named n0, n1, …, behind one pool.
pub(crate) struct Stand {
    pub(crate) fleet: Fleet,
    pub(crate) pool: SupervisorPool,
    pub(crate) mirrors: Vec<Arc<Mirror>>,
}

impl Stand {
    pub(crate) fn of(count: usize, mirror: impl Fn(usize) -> Mirror) -> Self {
        Self::patient(count, mirror, PoolConfig::default())
    }

    pub(crate) fn patient(count: usize, mirror: impl Fn(usize) -> Mirror, config: PoolConfig) -> Self {
        let fleet = Fleet::new();
        let mirrors: Vec<_> = (0..count).map(|number| Arc::new(mirror(number))).collect();
        for (number, mirror) in mirrors.iter().enumerate() {
            fleet.serve(
                &address(number),
                &node(number),
                Arc::clone(mirror) as Arc<dyn Supervisor>,
            );
        }
        list(&fleet, 0..count);
        let pool = pool(&fleet, config);
        Self { fleet, pool, mirrors }
    }

    /// The directory names these from now on.
    pub(crate) fn list(&self, numbers: impl IntoIterator<Item = usize>) {
        list(&self.fleet, numbers);
    }

    pub(crate) fn kill(&self, number: usize) {
        self.fleet.kill(&address(number));
    }

    pub(crate) fn serve_again(&self, number: usize) {
        let mirror = Arc::clone(&self.mirrors[number]) as Arc<dyn Supervisor>;
        self.fleet.serve(&address(number), &node(number), mirror);
    }

    /// How many calls each has heard since this was asked last.
    pub(crate) fn counts(&self) -> Vec<usize> {
        self.mirrors.iter().map(|mirror| mirror.heard().len()).collect()
    }
}

fn list(fleet: &Fleet, numbers: impl IntoIterator<Item = usize>) {
    let members: Vec<_> = numbers.into_iter().map(|n| (id(n), address(n))).collect();
    fleet.list(members.iter().map(|(id, address)| (id, address)));
}

pub(crate) fn pool(fleet: &Fleet, config: PoolConfig) -> SupervisorPool {
    let clock = Arc::new(StandClock(Instant::now()));
    fleet
        .pool(clock, Arc::new(StandRandom(AtomicU64::new(7))), config)
        .unwrap()
}

pub(crate) fn node(number: usize) -> NodeId {
    NodeId::parse(&format!("n{number}")).unwrap()
}

pub(crate) fn id(number: usize) -> MemberId {
    MemberId::parse(&format!("n{number}")).unwrap()
}

pub(crate) fn address(number: usize) -> HostPort {
    format!("127.0.0.1:{}", 7000 + number).parse().unwrap()
}

/// The numbers of `count` nodes, the one first that a session belongs to.
pub(crate) fn order(session: &SessionId, count: usize) -> Vec<usize> {
    let nodes: Vec<_> = (0..count).map(node).collect();
    let key = JournalKey {
        tenant: principal().tenant,
        journal: session.clone(),
    };
    let order = rendezvous_order(&nodes, &key);
    order
        .into_iter()
        .map(|of| nodes.iter().position(|node| node == of).unwrap())
        .collect()
}

pub(crate) fn session(number: usize) -> SessionId {
    SessionId::parse(&format!("s{number}")).unwrap()
}

/// A session that belongs to a node, of `count`.
pub(crate) fn session_of(owner: usize, count: usize) -> SessionId {
    (0..).map(session).find(|s| order(s, count)[0] == owner).unwrap()
}

pub(crate) fn accept(session: SessionId, wait: Duration) -> AcceptRequest {
    AcceptRequest {
        call: AcceptCall::Task {
            agent: agent_name(),
            input: "1".into(),
        },
        session: Some(session),
        key: key(),
        timeout: None,
        wait,
        trace: None,
    }
}

struct StandClock(Instant);

impl Clock for StandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Repeatable (splitmix64).
struct StandRandom(AtomicU64);

impl Randomness for StandRandom {
    fn next_u64(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
