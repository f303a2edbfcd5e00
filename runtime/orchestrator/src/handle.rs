//! The local handle: what a gateway calls, in this process.

mod accept;
mod access;
mod calls;
mod canonical;
mod changes;
mod members;

use std::sync::{Arc, Weak};
use std::time::Duration;

use greenroom_kernel::{
    AgentEndpoint, AgentName, Clock, ErrorCode, Failure, Models, Principal, Randomness, Store, TaskExport,
    TaskId, TaskRow, Writer,
};
use greenroom_supervision::{
    Cause, ChildSpec, Environment, RemoveError, Root, SupervisorHandle, SupervisorSpec,
};
use greenroom_telemetry::Metrics;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

pub(crate) use accept::not_refused;

use crate::agents::AgentDirectory;
use crate::config::OrchestratorConfig;
use crate::history::{HistoryActor, HistoryParts};
use crate::instance::HostActor;
use crate::journal_actor::Operation;
use crate::journals::Journals;
use crate::membership::{Fleet, MembershipActor, MembershipParts};
use crate::meter::Meters;
use crate::recovery::ScanActor;
use crate::room::Room;
use crate::shared::Shared;

/// What an orchestrator is made of.
pub struct Parts {
    /// Bounds and defaults.
    pub config: OrchestratorConfig,
    /// Where everything durable is.
    pub store: Arc<dyn Store>,
    /// Model calls, whole.
    pub models: Arc<dyn Models>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids, nonces and jitter.
    pub random: Arc<dyn Randomness>,
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// This start of this process.
    pub writer: Writer,
    /// The supervision tree everything runs in.
    pub environment: Environment,
    /// What makes this process one of several on the store; none when it has that to itself.
    pub membership: Option<MembershipParts>,
    /// Where what is seen of agents is kept; none keeps nothing of it.
    pub history: Option<HistoryParts>,
}

/// The supervision tree could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the orchestrator's supervision tree did not start: {0}")]
pub struct StartError(pub(crate) String);

/// The supervisor role in this process: owns sessions, runs tasks. Cheap to share; stopped by [`Orchestrator::stop`].
pub struct Orchestrator {
    /// Itself, for changes that outlive the call that began them.
    this: Weak<Self>,
    shared: Arc<Shared>,
    environment: Environment,
    agents: SupervisorHandle,
    root: Root,
}

impl Orchestrator {
    /// Starts the actor tree: the scan finds what is open in the store and carries on with it.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StartError> {
        let Parts {
            config,
            store,
            models,
            clock,
            random,
            metrics,
            writer,
            environment,
            membership,
            history,
        } = parts;
        let fleet = membership.map(|parts| Arc::new(Fleet::new(writer.clone(), parts)));
        let agents = AgentDirectory::new(Arc::clone(&clock), Arc::clone(&random));
        let shared = Arc::new(Shared {
            room: Room::new(config.in_flight, Arc::clone(&metrics)),
            config,
            store,
            models,
            agents,
            journals: Journals::new(),
            meters: Meters::default(),
            fleet,
            history,
            clock,
            random,
            metrics,
            writer,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let (sessions, session_handle) = SupervisorSpec::new("sessions").build();
        let (agents, agent_handle) = SupervisorSpec::new("agents").build();
        let scanned = Arc::clone(&shared);
        let (scan, _) =
            ChildSpec::new("recovery", "scan", move || ScanActor::new(Arc::clone(&scanned))).build();
        shared.journals.run_under(session_handle);
        let mut spec = SupervisorSpec::new("orchestrator").child(sessions).child(agents);
        if let Some(fleet) = &shared.fleet {
            let (placed, fleet) = (Arc::clone(&shared), Arc::clone(fleet));
            let made = move || MembershipActor::new(Arc::clone(&placed), Arc::clone(&fleet));
            spec = spec.child(ChildSpec::new("membership", "membership", made).build().0);
        }
        if let Some(history) = &shared.history {
            let (seeing, history) = (Arc::clone(&shared), history.clone());
            let made = move || HistoryActor::new(Arc::clone(&seeing), history.clone());
            spec = spec.child(ChildSpec::new("agent-history", "history", made).build().0);
        }
        let spec = spec.child(scan);
        let root = Root::start(&environment, spec).map_err(|cause: Cause| StartError(cause.to_string()))?;
        root.supervisor()
            .ready()
            .await
            .map_err(|error| StartError(error.to_string()))?;
        Ok(Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            shared,
            environment,
            agents: agent_handle,
            root,
        }))
    }

    /// Joins an agent host: its agents are found out, watched, and found again after it was away.
    pub async fn join(&self, endpoint: Arc<dyn AgentEndpoint>) -> Result<(), Failure> {
        let name = host_actor(&endpoint.address());
        let (directory, agents) = (Arc::clone(&self.shared.agents), self.agents.clone());
        let spec = ChildSpec::new(name, "agent-host", move || HostActor {
            endpoint: Arc::clone(&endpoint),
            directory: Arc::clone(&directory),
            agents: agents.clone(),
        });
        self.agents
            .add(spec)
            .await
            .map(|_| ())
            .map_err(|error| Failure::internal(error.to_string()))
    }

    /// Lets go of the agent host at `address`, as its endpoint says it: it gets no new work, what runs there may end.
    /// One that was never joined is no error, and one that is joined again meanwhile goes on.
    pub async fn leave(&self, address: &str) -> Result<(), Failure> {
        match self.agents.remove(host_actor(address)).await {
            Ok(()) | Err(RemoveError::Unknown { .. }) => {}
            Err(error) => return Err(Failure::internal(error.to_string())),
        }
        let directory = &self.shared.agents;
        directory.offers(address, &[]);
        for (name, instance) in directory.leave(address) {
            let (directory, agents) = (Arc::clone(directory), self.agents.clone());
            let drain = directory.drain(name, instance, agents, self.shared.stopping.clone());
            self.shared.tasks.spawn(drain);
        }
        Ok(())
    }

    /// Waits until an agent is known, at most `patience`.
    pub async fn knows(&self, name: &AgentName, patience: Duration) -> Result<(), Failure> {
        let mut changes = self.shared.agents.changes();
        let known = async {
            while self.shared.agents.known(name).is_err() {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(patience, known).await;
        self.shared.agents.known(name)
    }

    /// Stops taking part: running attempts end where they are, and the next start carries on with them.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        self.root.stop().await;
        self.shared.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.shared.tasks.wait()).await;
    }

    /// A task's journal, whole, with its content: for replays elsewhere.
    ///
    /// # Errors
    /// NOT_FOUND, and what the store says.
    pub async fn export(&self, who: &Principal, id: &TaskId) -> Result<TaskExport, Failure> {
        let row = self.own_task(who, id).await?;
        crate::export::export(&*self.shared.store, &who.tenant, &row).await
    }

    /// Ends a task as failed, by an operator's hand.
    pub async fn kill(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        let why = Failure::new(ErrorCode::Cancelled, format!("killed by {}", who.subject));
        let reply = self
            .ask(
                who,
                &row.id.journal,
                Operation::Kill {
                    task: id.ordinal,
                    why,
                },
            )
            .await?;
        self.task_of(who, reply).await
    }

    /// Runs a change to its end, whether or not its caller waits: one that left must not leave half of it done.
    async fn to_the_end<T, F>(&self, change: impl FnOnce(Arc<Self>) -> F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let Some(this) = self.this.upgrade() else {
            return Err(Failure::unavailable("the supervisor is stopping"));
        };
        let change = self.shared.tasks.spawn(change(this).in_current_span());
        change.await.unwrap_or_else(|broken| {
            tracing::error!(%broken, "a call broke off");
            Err(Failure::new(
                ErrorCode::Unavailable,
                "the call broke off: its outcome is not known",
            ))
        })
    }

    /// Ends every actor where it is, as a process's death would.
    #[cfg(test)]
    pub(crate) fn tear_down(&self) {
        self.root.supervisor().kill();
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// The name of the actor that looks after the host at `address`.
fn host_actor(address: &str) -> String {
    format!("host-{}", address.replace('/', "_"))
}
