//! Serves agents to supervisors.

mod service;
pub(crate) mod stream;
mod tls;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenroom_kernel::{AgentCard, AgentName, Clock, InvalidId, MemberRole};
use greenroom_proto::v1::agent_service_server::AgentServiceServer;
use greenroom_wire::{
    GrpcServer, InProcessListener, LinkError, Links, MAX_MESSAGE_BYTES, ServeError, TlsError, TlsIdentity,
};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::run::Tools;
use crate::{Agent, Card, SystemClock, Tool};
use service::HostService;

const DRAIN: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(2);

/// A host can't serve.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// An agent's card has a bad name.
    #[error("an agent is named {name:?}")]
    Name {
        /// The name.
        name: String,
        /// What a name must look like.
        source: InvalidId,
    },
    /// Two agents have one name.
    #[error("two agents are named {0}")]
    DuplicateAgent(AgentName),
    /// Two tools of one agent, or of the host, have one name.
    #[error("agent {agent} has two tools named {tool:?}")]
    DuplicateTool {
        /// The agent.
        agent: AgentName,
        /// The tools.
        tool: String,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// One of the variables that name certificates is missing.
    #[error(
        "{missing} is not set: GREENROOM__TLS__AUTHORITY, GREENROOM__TLS__CERTIFICATE and GREENROOM__TLS__KEY go together"
    )]
    Unset {
        /// Which.
        missing: &'static str,
    },
    /// The certificates can't be used.
    #[error("the agent host's certificates can't be used: {0}")]
    Tls(#[from] TlsError),
    /// The certificate isn't an agent host's, so that supervisors would refuse it.
    #[error("{certificate} is not an agent host's certificate: `greenroom certs init agent` makes one")]
    Role {
        /// Which.
        certificate: String,
    },
    /// Other machines could speak to it in plaintext.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The server failed.
    #[error("the agent host's server failed")]
    Serve(#[from] ServeError),
}

/// One process's agents, served by gRPC: `AgentService`, health and reflection.
pub struct AgentHost {
    agents: Vec<Arc<dyn Agent>>,
    tools: Vec<Arc<dyn Tool>>,
    clock: Arc<dyn Clock>,
    drain: Duration,
    grace: Duration,
    in_process: Option<InProcessListener>,
    tls: Option<Arc<TlsIdentity>>,
    plaintext: bool,
}

impl Default for AgentHost {
    fn default() -> Self {
        Self::new()
    }
}

impl AgentHost {
    /// A host without agents, on the machine's clock.
    pub fn new() -> Self {
        Self {
            agents: Vec::new(),
            tools: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            drain: DRAIN,
            grace: GRACE,
            in_process: None,
            tls: None,
            plaintext: false,
        }
    }

    /// Adds an agent.
    #[must_use]
    pub fn agent(mut self, agent: Arc<dyn Agent>) -> Self {
        self.agents.push(agent);
        self
    }

    /// Adds a tool that every agent of the host has. An agent's own tool of the same name goes first.
    #[must_use]
    pub fn tool(mut self, tool: Arc<dyn Tool>) -> Self {
        self.tools.push(tool);
        self
    }

    /// Reads time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long runs may go on once the host shuts down; 10 s unless said otherwise.
    #[must_use]
    pub fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// How long a cancelled agent may clean up before its future is dropped; 2 s unless said otherwise.
    #[must_use]
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Serves a supervisor of this process too, at the other end of `listener`.
    #[must_use]
    pub fn in_process(mut self, listener: InProcessListener) -> Self {
        self.in_process = Some(listener);
        self
    }

    /// Serves by TLS only, at the port: supervisors show a certificate of the identity's authority, and are shown its own.
    /// Whoever hands it over keeps it up to date ([`TlsIdentity::watch`]).
    #[must_use]
    pub fn tls(mut self, identity: Arc<TlsIdentity>) -> Self {
        self.tls = Some(identity);
        self
    }

    /// Lets [`serve_at`](Self::serve_at) listen where other machines reach it without certificates: whoever does may run
    /// every agent in anybody's name.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.plaintext = true;
        self
    }

    /// Serves on `listener` until `shutdown` fires. Then health says NOT_SERVING, new runs are refused as
    /// UNAVAILABLE, those that run get the drain time, the rest is cancelled and gets the grace time.
    ///
    /// To be called on a tokio runtime. Dropping the future closes the listener and abandons the runs.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), HostError> {
        let (drain, grace) = (self.drain, self.grace);
        let (in_process, tls) = (self.in_process.take(), self.tls.take());
        let hosting = Arc::new(self.hosting()?);
        let service = AgentServiceServer::new(HostService::new(Arc::clone(&hosting)))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut server = GrpcServer::new().service(service);
        if let Some(listener) = in_process {
            server = server.in_process(listener);
        }
        if let Some(identity) = tls {
            server = server.tls(identity, MemberRole::Agent);
        }
        let state = server.serving_state();
        let stop = CancellationToken::new();
        let draining = async {
            shutdown.cancelled().await;
            hosting.draining.store(true, Ordering::Release);
            state.set_serving(false).await;
            hosting.runs.close();
            if tokio::time::timeout(drain, hosting.runs.wait()).await.is_err() {
                tracing::warn!(
                    runs = hosting.runs.len(),
                    "runs that did not end in time are cancelled"
                );
                hosting.stop.cancel();
                if tokio::time::timeout(grace, hosting.runs.wait()).await.is_err() {
                    tracing::warn!(
                        runs = hosting.runs.len(),
                        "agents that ignore cancellation are left behind"
                    );
                }
            }
            stop.cancel();
        };
        let (served, ()) = tokio::join!(server.serve(listener, stop.clone()), draining);
        Ok(served?)
    }

    /// Serves on `address` until Ctrl-C or SIGTERM: by TLS where an identity was given, or where the environment names one's
    /// files by `GREENROOM__TLS__AUTHORITY`, `GREENROOM__TLS__CERTIFICATE` and `GREENROOM__TLS__KEY`, which are read
    /// again every minute.
    ///
    /// # Errors
    /// What is wrong with the certificates, and an address in plaintext that other machines can reach.
    pub async fn serve_at(mut self, address: &str) -> Result<(), HostError> {
        let failed = |source| HostError::Listen {
            address: address.to_owned(),
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let named = match &self.tls {
            Some(_) => None,
            None => tls::identity(&|name| std::env::var_os(name).map(PathBuf::from))?,
        };
        self.tls = self.tls.or_else(|| named.clone());
        let links = Links::new(self.tls.clone());
        if !self.plaintext {
            links.may_serve(bound)?;
        }
        tracing::info!(address = %bound, agents = self.agents.len(), tls = self.tls.is_some(), "the agent host listens");
        let shutdown = CancellationToken::new();
        let watched = async {
            if let Some(identity) = named {
                identity.watch(tls::RELOAD, shutdown.clone()).await;
            }
            std::future::pending::<()>().await;
        };
        let signalled = async {
            stop_signal().await;
            shutdown.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = self.serve(listener, shutdown.clone()) => served,
            () = signalled => Ok(()),
            () = watched => Ok(()),
        }
    }

    fn hosting(self) -> Result<Hosting, HostError> {
        let mut agents = HashMap::new();
        for agent in self.agents {
            let card = checked(agent.card())?;
            let own = by_name(&agent.tools(), &card.name)?;
            let mut tools = by_name(&self.tools, &card.name)?;
            tools.extend(own);
            match agents.entry(card.name.clone()) {
                Entry::Occupied(taken) => return Err(HostError::DuplicateAgent(taken.key().clone())),
                Entry::Vacant(free) => free.insert(Hosted {
                    agent,
                    card,
                    tools: Arc::new(tools),
                }),
            };
        }
        Ok(Hosting {
            agents,
            clock: self.clock,
            grace: self.grace,
            runs: TaskTracker::new(),
            stop: CancellationToken::new(),
            draining: AtomicBool::new(false),
            runtime: Handle::current(),
        })
    }
}

/// A host that serves.
struct Hosting {
    agents: HashMap<AgentName, Hosted>,
    clock: Arc<dyn Clock>,
    grace: Duration,
    /// One token a run, held until its future is gone.
    runs: TaskTracker,
    /// Fires when runs have had their time.
    stop: CancellationToken,
    draining: AtomicBool,
    runtime: Handle,
}

struct Hosted {
    agent: Arc<dyn Agent>,
    card: AgentCard,
    tools: Tools,
}

pub(crate) fn checked(card: Card) -> Result<AgentCard, HostError> {
    let name = AgentName::parse(&card.name).map_err(|source| HostError::Name {
        name: card.name.clone(),
        source,
    })?;
    Ok(AgentCard {
        name,
        version: card.version,
        description: card.description,
        skills: card.skills,
        input_schema: card.input_schema,
        output_schema: card.output_schema,
    })
}

pub(crate) fn by_name(
    tools: &[Arc<dyn Tool>],
    agent: &AgentName,
) -> Result<HashMap<String, Arc<dyn Tool>>, HostError> {
    let mut named = HashMap::with_capacity(tools.len());
    for tool in tools {
        let name = tool.spec().name;
        if named.insert(name.clone(), Arc::clone(tool)).is_some() {
            return Err(HostError::DuplicateTool {
                agent: agent.clone(),
                tool: name,
            });
        }
    }
    Ok(named)
}

#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

#[cfg(not(unix))]
async fn stop_signal() {
    // Without a way to hear of Ctrl-C the process is ended from outside.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
