//! The gateway's own client: many supervisors behind the port of one.
//!
//! A call about a journal goes to whom the rendezvous hash names, and from there to whoever really has it; a supervisor
//! that can't be reached is passed over. What may be sent twice is tried again, within a policy, the call's own time and
//! a budget of all calls together. Subscriptions are taken up again where they broke. What every supervisor has a view of
//! its own of (agents, providers, the supervision tree) is asked of all and put together.
//!
//! On the way of a call stand the locks of its supervisor's breaker and of the budget, each for a few instructions.

mod accept;
mod asked;
mod call;
mod config;
mod events;
mod merge;
mod news;
mod peer;
mod placed;
mod port;
mod roster;
mod views;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use greenroom_kernel::{
    BreakerConfigError, BreakerState, Clock, Failure, Health, HostPort, MemberRole, Membership, NodeId,
    Randomness, RetryBudget,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::channel::dial_process;
use crate::{GrpcSupervisor, TlsIdentity};
use peer::Peer;
use placed::Placed;
use roster::Roster;

pub use config::PoolConfig;

/// What a pool is made of.
pub struct PoolParts {
    /// Who is there, kept up to date by somebody else: members whose id is their node's name are placed rightly from
    /// the first call on.
    pub members: watch::Receiver<Membership>,
    /// By which this process is known to supervisors; without one only supervisors on loopback are called.
    pub tls: Option<Arc<TlsIdentity>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter, choices and the ids of new sessions.
    pub random: Arc<dyn Randomness>,
    /// How patient it is.
    pub config: PoolConfig,
}

/// One supervisor as the pool finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorStatus {
    /// What it calls itself; until it has answered, what the directory calls it.
    pub node: NodeId,
    /// Where it is.
    pub address: HostPort,
    /// Whether it can be given work.
    pub health: Health,
    /// Its breaker.
    pub breaker: BreakerState,
    /// Calls that it has and hasn't answered, subscriptions apart.
    pub in_flight: u32,
    /// How it last failed to answer.
    pub last_error: Option<String>,
}

/// Many supervisors as one. Cheap to clone; dropped, it no longer follows the directory.
#[derive(Clone)]
pub struct SupervisorPool {
    shared: Arc<Shared>,
    _following: Arc<JoinSet<()>>,
}

type Dial = dyn Fn(&HostPort) -> Result<GrpcSupervisor, Failure> + Send + Sync;

struct Shared {
    roster: ArcSwap<Roster>,
    /// Held while the roster is replaced, so that no change is lost to another.
    changing: Mutex<()>,
    /// Moves with the roster.
    changed: watch::Sender<u64>,
    placed: Placed,
    budget: Mutex<RetryBudget>,
    dial: Box<Dial>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    config: PoolConfig,
}

impl SupervisorPool {
    /// A pool of whoever `members` names, now and later. Connects to nobody yet; must be called within a tokio runtime.
    ///
    /// # Errors
    /// A breaker's numbers that contradict each other.
    pub fn start(parts: PoolParts) -> Result<Self, BreakerConfigError> {
        let tls = parts.tls.clone();
        let dial = move |address: &HostPort| {
            let channel = dial_process(address, MemberRole::Supervisor, tls.as_ref())?;
            Ok(GrpcSupervisor::over(&address.to_string(), channel))
        };
        Self::dialling(parts, Box::new(dial))
    }

    /// The same with another way to the members.
    pub(crate) fn dialling(parts: PoolParts, dial: Box<Dial>) -> Result<Self, BreakerConfigError> {
        let PoolParts {
            mut members,
            tls: _,
            clock,
            random,
            config,
        } = parts;
        config.breaker.validate()?;
        let shared = Arc::new(Shared {
            roster: ArcSwap::default(),
            changing: Mutex::new(()),
            changed: watch::Sender::new(0),
            placed: Placed::new(),
            budget: Mutex::new(RetryBudget::new(config.budget)),
            dial,
            clock,
            random,
            config,
        });
        shared.follow(&members.borrow_and_update());
        let (mut following, followed) = (JoinSet::new(), Arc::clone(&shared));
        following.spawn(async move {
            while members.changed().await.is_ok() {
                followed.follow(&members.borrow_and_update());
            }
        });
        Ok(Self {
            shared,
            _following: Arc::new(following),
        })
    }

    /// The supervisors that it knows, as it finds them.
    pub fn supervisors(&self) -> Vec<SupervisorStatus> {
        let roster = self.shared.roster.load();
        let seats = roster.seats.iter();
        seats
            .map(|seat| seat.peer.status(seat.node.clone(), &*self.shared.clock))
            .collect()
    }

    /// Whether any supervisor says within `patience` that it serves.
    ///
    /// # Errors
    /// UNAVAILABLE: why none does.
    pub async fn check(&self, patience: Duration) -> Result<(), Failure> {
        let check = |handle: GrpcSupervisor| async move { handle.check().await };
        let said = self.shared.all(patience, check).await;
        said.map(drop)
    }
}

impl Shared {
    fn follow(&self, membership: &Membership) {
        self.change(|roster| {
            let next = roster.follow(membership, |address| self.peer(address));
            for (address, why) in &next.barred {
                if !roster.barred.iter().any(|(known, _)| known == address) {
                    tracing::warn!(%address, why, "a supervisor can't be used");
                }
            }
            next
        });
    }

    fn change(&self, change: impl FnOnce(&Roster) -> Roster) {
        let changing = self.changing.lock();
        let next = change(&self.roster.load());
        self.roster.store(Arc::new(next));
        drop(changing);
        self.changed.send_modify(|version| *version += 1);
    }

    fn peer(&self, address: &HostPort) -> Result<Arc<Peer>, Failure> {
        let handle = (self.dial)(address)?;
        let peer = Peer::new(address.clone(), handle, &self.config.breaker);
        peer.map(Arc::new)
            .map_err(|error| Failure::internal(error.to_string()))
    }

    /// The supervisor at an address that one of its own has named.
    fn named(&self, address: &HostPort) -> Result<Arc<Peer>, Failure> {
        if let Some(peer) = self.roster.load().at(address) {
            return Ok(peer);
        }
        let mut found = self.peer(address)?;
        self.change(|roster| match roster.at(address) {
            Some(known) => {
                found = known;
                roster.clone()
            }
            None => roster.with_stray(Arc::clone(&found)),
        });
        Ok(found)
    }
}
