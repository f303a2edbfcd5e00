//! Several processes on one store, and a caller who follows where he is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    AcceptRequest, AcceptedTask, Failure, Holder, Holding, HostPort, JournalKey, NodeId, Peers, SessionId,
    Supervisor, TaskId, TaskRow, TaskStatus, TenantId, Writer,
};
use greenroom_store::MemoryStore;
use greenroom_store::testkit::{Fault, FaultyStore};
use parking_lot::Mutex;

use super::{Host, Scene, StageClock, StageModels, StageStore, ann, name};
use crate::{MembershipConfig, MembershipParts, Orchestrator, OrchestratorConfig};

/// The wires between the processes.
#[derive(Default)]
pub(crate) struct Switchboard {
    holders: Mutex<BTreeMap<HostPort, Arc<dyn Holder>>>,
    cut: Mutex<BTreeSet<HostPort>>,
    /// Who can't reach whom, though all others can.
    pub(crate) torn: Mutex<BTreeSet<(HostPort, HostPort)>>,
    /// Who was asked to let go of what.
    pub(crate) asked: Mutex<Vec<(HostPort, JournalKey)>>,
}

impl Switchboard {
    fn reach(&self, from: &HostPort, at: &HostPort) -> Result<Arc<dyn Holder>, Failure> {
        let cut = self.cut.lock();
        let holder = self.holders.lock().get(at).cloned();
        let torn = self.torn.lock().contains(&(from.clone(), at.clone()));
        match holder {
            Some(holder) if !torn && !cut.contains(at) && !cut.contains(from) => Ok(holder),
            _ => Err(Failure::unavailable("connection refused")),
        }
    }
}

/// One process's way to the others.
struct Line {
    from: HostPort,
    board: Arc<Switchboard>,
}

#[async_trait]
impl Peers for Line {
    async fn release(&self, at: &HostPort, key: &JournalKey) -> Result<Holding, Failure> {
        self.board.asked.lock().push((at.clone(), key.clone()));
        Ok(self.board.reach(&self.from, at)?.release(key).await)
    }

    async fn holds(&self, at: &HostPort, key: &JournalKey) -> Result<Holding, Failure> {
        Ok(self.board.reach(&self.from, at)?.holds(key).await)
    }
}

/// One process.
pub(crate) struct Process {
    pub(crate) node: NodeId,
    pub(crate) address: HostPort,
    pub(crate) store: Arc<StageStore>,
    pub(crate) orchestrator: Arc<Orchestrator>,
}

/// Several processes, and what outlives them.
pub(crate) struct Fleets {
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) models: Arc<StageModels>,
    pub(crate) board: Arc<Switchboard>,
    pub(crate) live: Vec<Process>,
    clock: Arc<StageClock>,
    hosts: Vec<Arc<Host>>,
    config: OrchestratorConfig,
    incarnations: u64,
}

impl Fleets {
    /// Of so many processes, named `n0` and so on.
    pub(crate) async fn of(count: usize, hosts: impl IntoIterator<Item = Arc<Host>>) -> Self {
        let config = OrchestratorConfig {
            default_agent: name("helper"),
            ..Default::default()
        };
        let mut fleet = Self {
            memory: Arc::new(MemoryStore::new()),
            models: Arc::default(),
            board: Arc::default(),
            live: Vec::new(),
            clock: Arc::new(StageClock::new()),
            hosts: hosts.into_iter().collect(),
            config,
            incarnations: 0,
        };
        for number in 0..count {
            fleet.start(&format!("n{number}")).await;
        }
        fleet.settle().await;
        fleet
    }

    /// Another process, which has its place when this returns.
    pub(crate) async fn start(&mut self, node: &str) {
        self.incarnations += 1;
        let node = NodeId::parse(node).unwrap();
        let port = 7000 + u16::try_from(self.incarnations).unwrap();
        let address = HostPort::new("127.0.0.1", port).unwrap();
        let store = Arc::new(FaultyStore::over(Arc::clone(&self.memory)));
        let membership = MembershipParts {
            nodes: Arc::clone(&store) as _,
            peers: Arc::new(Line {
                from: address.clone(),
                board: Arc::clone(&self.board),
            }),
            address: address.clone(),
            config: MembershipConfig::default(),
        };
        let orchestrator = Scene {
            config: &self.config,
            store: &store,
            models: &self.models,
            clock: &self.clock,
            hosts: &self.hosts,
            writer: Writer {
                node: node.clone(),
                incarnation: self.incarnations,
            },
            membership: Some(membership),
        }
        .raise()
        .await;
        let holder: Arc<dyn Holder> = Arc::clone(&orchestrator) as _;
        self.board.holders.lock().insert(address.clone(), holder);
        orchestrator.joined(Duration::from_secs(10)).await.unwrap();
        self.live.push(Process {
            node,
            address,
            store,
            orchestrator,
        });
    }

    /// Waits until each knows each.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }

    pub(crate) fn process(&self, node: &str) -> &Process {
        let mut all = self.live.iter();
        all.find(|process| process.node.as_str() == node).unwrap()
    }

    fn take(&mut self, node: &str) -> Process {
        let place = self.live.iter().position(|process| process.node.as_str() == node);
        self.live.remove(place.unwrap())
    }

    /// A process is gone at once; nothing it still sends arrives.
    pub(crate) fn kill(&mut self, node: &str) -> Process {
        let process = self.take(node);
        process.store.set_rule(|_| Some(Fault::RequestLost));
        process.orchestrator.tear_down();
        self.board.holders.lock().remove(&process.address);
        process
    }

    /// A process reaches neither the store nor the others any more, and goes on.
    pub(crate) fn cut_off(&mut self, node: &str) -> Process {
        let process = self.take(node);
        process.store.set_rule(|_| Some(Fault::RequestLost));
        self.board.cut.lock().insert(process.address.clone());
        process
    }

    /// A process leaves in good order.
    pub(crate) async fn drain(&mut self, node: &str, patience: Duration) -> Process {
        let process = self.take(node);
        process.orchestrator.drain(patience).await;
        self.board.holders.lock().remove(&process.address);
        process.orchestrator.stop().await;
        process
    }

    /// The process that a journal belongs to while it is free.
    pub(crate) fn owner(&self, session: &SessionId) -> &Process {
        let key = key_of(session);
        let nodes = self.live.iter().map(|process| &process.node);
        let owner = greenroom_kernel::rendezvous(nodes, &key).unwrap().clone();
        self.process(owner.as_str())
    }

    /// One that it doesn't belong to.
    pub(crate) fn stranger(&self, session: &SessionId) -> &Process {
        let owner = self.owner(session).node.clone();
        self.live.iter().find(|process| process.node != owner).unwrap()
    }

    /// The processes that have an actor for a journal.
    pub(crate) fn holders(&self, session: &SessionId) -> Vec<&str> {
        let key = key_of(session);
        let holds = |process: &&Process| process.orchestrator.shared().journals.is_live(&key);
        self.live
            .iter()
            .filter(holds)
            .map(|process| process.node.as_str())
            .collect()
    }

    /// Asks somebody, and whomever he names, and again while that may help.
    pub(crate) async fn ask<T, F>(&self, call: impl Fn(Arc<dyn Supervisor>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.ask_first(self.live[0].address.clone(), call).await
    }

    async fn ask_first<T, F>(
        &self,
        mut at: HostPort,
        call: impl Fn(Arc<dyn Supervisor>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut hops = 0;
        for tried in 0..200_usize {
            let there = self.live.iter().find(|process| process.address == at);
            let process = there.unwrap_or(&self.live[tried % self.live.len()]);
            match call(Arc::clone(&process.orchestrator) as _).await {
                Err(failure) if failure.retryable => match failure.elsewhere {
                    Some(elsewhere) => {
                        at = *elsewhere;
                        hops += 1;
                        if hops % 5 == 0 {
                            tokio::time::sleep(Duration::from_millis(200)).await;
                        }
                    }
                    None => tokio::time::sleep(Duration::from_millis(500)).await,
                },
                outcome => return outcome,
            }
        }
        panic!("sent from one to the other for ever")
    }

    pub(crate) async fn accept(&self, request: AcceptRequest) -> AcceptedTask {
        let owner = self.owner(&request.journal(&ann()).journal);
        let accepted = self.ask_first(owner.address.clone(), |show| {
            let request = request.clone();
            async move { show.accept(&ann(), request).await }
        });
        accepted.await.unwrap()
    }

    pub(crate) async fn session(&self) -> SessionId {
        let made = self.ask(|show| async move { show.create_session(&ann(), None, None).await });
        made.await.unwrap().id
    }

    pub(crate) async fn row(&self, id: &TaskId) -> TaskRow {
        use greenroom_kernel::Store;
        self.memory.task(&ann().tenant, id).await.unwrap().unwrap()
    }

    /// Waits until a task is as wanted.
    pub(crate) async fn until(&self, id: &TaskId, wanted: impl Fn(&TaskRow) -> bool) -> TaskRow {
        for _ in 0..6_000 {
            let row = self.row(id).await;
            if wanted(&row) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it stayed {:?}", self.row(id).await)
    }

    pub(crate) async fn ended(&self, id: &TaskId) -> TaskRow {
        self.until(id, |row| {
            row.status.is_terminal() || row.status == TaskStatus::OutcomeUnknown
        })
        .await
    }
}

pub(crate) fn key_of(session: &SessionId) -> JournalKey {
    JournalKey {
        tenant: TenantId::parse("acme").unwrap(),
        journal: session.clone(),
    }
}
