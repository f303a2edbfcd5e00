//! The table of contents of a running `dev`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use greenroom_gateway::{Gateway, GatewayConfig, GatewayParts};
use greenroom_kernel::{
    AgentName, Clock, Costs, Failure, MemberRole, Models, NodeId, Principal, Randomness, Store, Supervisor,
    Writer,
};
use greenroom_models::Ports;
use greenroom_orchestrator::{Orchestrator, Parts};
use greenroom_supervision::{Environment, Root};
use greenroom_telemetry::Metrics;
use greenroom_wire::{GrpcAgent, Links, in_process};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::agents;
use super::banner::{Banner, url};
use super::found::find;
use super::hooks::Hooks;
use super::models::{self, CountTries};
use super::open::{self, Opened};
use super::providers::Choice;
use super::ready::{Ready, ReadyFile};
use super::signals::Signals;
use super::stop::FINISH;
use super::who::{authenticator, dev_principal};
use super::{costs, telemetry};
use crate::cli::DevArgs;
use crate::config::{Config, StoreSettings};
use crate::control::{ControlSocket, Desk, socket_of};
use crate::discovery::directory;
use crate::failed::{Failed, chain};
use crate::links;
use crate::operator::Operator;
use crate::output;
use crate::ports::{MachineClock, MachineRandomness};

/// How long its agents may take to be found by the orchestrator; they are in this process.
const AGENTS_FOUND: Duration = Duration::from_secs(5);

/// Starts everything, serves until a signal or a server's failure, stops everything.
pub(super) async fn until_stopped(config: Config, choice: Choice, args: DevArgs) -> Result<(), Failed> {
    let telemetry = telemetry::start(&config)?;
    let done = serve(config, &choice, &args).await;
    telemetry.shutdown(Duration::from_secs(1)).await;
    done
}

async fn serve(config: Config, choice: &Choice, args: &DevArgs) -> Result<(), Failed> {
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        running = Running::start(config, choice, args) => running?,
        // Nothing was accepted yet.
        () = signals.next() => return Ok(()),
    };
    running.until_stopped(signals).await
}

/// What runs, and what ends it.
pub(super) struct Running {
    pub(super) orchestrator: Arc<Orchestrator>,
    pub(super) store: Arc<dyn Store>,
    pub(super) providers: Root,
    pub(super) mutations: TaskTracker,
    pub(super) background: TaskTracker,
    pub(super) draining: Arc<AtomicBool>,
    /// Fires when no new work is taken any more.
    pub(super) closing: CancellationToken,
    /// Fires when the agents may go.
    pub(super) agents_closing: CancellationToken,
    /// Fires when nothing is left that could cost something.
    pub(super) accounts_closing: CancellationToken,
    pub(super) servers: JoinSet<Result<(), Failed>>,
    pub(super) ready: Option<ReadyFile>,
}

impl Running {
    async fn start(config: Config, choice: &Choice, args: &DevArgs) -> Result<Self, Failed> {
        // The outside world.
        let hooks = Hooks::read(&|name| std::env::var(name).ok())?;
        let clock: Arc<dyn Clock> = Arc::new(MachineClock::ahead_by(hooks.clock_offset_ms));
        let random: Arc<dyn Randomness> = Arc::new(MachineRandomness);
        let metrics = match config.counts {
            true => Metrics::new(env!("CARGO_PKG_VERSION")),
            false => Metrics::off(),
        };
        let Opened { store, ledger, shown } = open::open(&config, hooks, metrics.clone()).await?;
        let accounts = costs::open(&config, ledger, Arc::clone(&clock), &*random).await?;

        // Built, not started.
        let counted = metrics.clone();
        let environment = Environment::counting(
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::new(move |kind| counted.actor_restarted(kind)),
        );
        let ports = Ports {
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            metrics: Arc::new(CountTries(metrics.clone())),
            accounts: Some(Arc::clone(&accounts)),
        };
        let models = models::build(&config, choice, ports)?;
        let called = Arc::clone(&models.router) as Arc<dyn Models>;
        let (to_own_agents, within) = in_process();
        let links = links::open(
            config.tls.as_ref(),
            MemberRole::Supervisor,
            args.insecure,
            Arc::clone(&clock),
        );
        let links = links.await?;
        let mut host = agents::host(&config.agents, Arc::clone(&clock)).in_process(within);
        if let Some(identity) = links.identity() {
            host = host.tls(Arc::clone(identity));
        }
        let joined = joined(&config.agent_hosts, &links)?;
        let found = config.discovery.as_ref().map(|settings| {
            directory(&settings.place, &|name| std::env::var(name).ok())
                .map(|found| (found, settings.clone()))
        });
        let found = found.transpose()?;
        let default_agent = config.tasks.default_agent.clone();

        // Bound.
        let gateway_port = bind("gateway.listen", config.gateway_listen).await?;
        let operator_port = bind("operator.listen", config.operator_listen).await?;
        let agent_port = bind("agent.listen", config.agent_listen).await?;
        let (gateway_at, operator_at) = (gateway_port.local_addr()?, operator_port.local_addr()?);
        let agent_at = agent_port.local_addr()?;

        // Started, from the inside out.
        let (closing, agents_closing) = (CancellationToken::new(), CancellationToken::new());
        let (mutations, background) = (TaskTracker::new(), TaskTracker::new());
        let mut servers = JoinSet::new();
        let accounts_closing = CancellationToken::new();
        background.spawn(Arc::clone(&accounts).run(accounts_closing.clone()));
        let providers = Root::start(&environment, models.supervisor)
            .map_err(|cause| Failed::because(format!("the providers' supervisor did not start: {cause}")))?;
        let until = agents_closing.clone();
        servers.spawn(async move { host.serve(agent_port, until).await.map_err(Failed::from) });
        let orchestrator = Orchestrator::start(Parts {
            config: config.tasks,
            store: Arc::clone(&store),
            models: models.router,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            metrics: Arc::new(metrics.clone()),
            writer: Writer {
                node: NodeId::parse("dev")?,
                incarnation: random.next_u64() >> 1,
            },
            environment: environment.clone(),
            membership: None,
        })
        .await?;
        let own = GrpcAgent::in_process(to_own_agents, &url(agent_at));
        orchestrator.join(Arc::new(own)).await.map_err(refused)?;
        let first = AgentName::parse(agents::NAMES[0])?;
        orchestrator.knows(&first, AGENTS_FOUND).await.map_err(refused)?;
        for host in joined {
            orchestrator.join(Arc::new(host)).await.map_err(refused)?;
        }
        let discovery = found.as_ref().map(|(directory, _)| directory.place());
        if let Some((directory, settings)) = found {
            let known = config.agent_hosts.iter().filter_map(|host| host.parse().ok());
            let others = known.chain([agent_at.into()]).collect();
            let (clock, orchestrator) = (Arc::clone(&clock), Arc::clone(&orchestrator));
            background.spawn(find(
                directory,
                settings,
                links.clone(),
                clock,
                orchestrator,
                others,
                closing.clone(),
            ));
        }
        background.spawn(links::keep(links, config.tls, closing.clone()));
        let draining = Arc::new(AtomicBool::new(false));
        let operator = Operator {
            metrics: metrics.clone(),
            supervisor: Arc::clone(&orchestrator) as Arc<dyn Supervisor>,
            store: Arc::clone(&store),
            accounts: Arc::clone(&accounts),
            clock: Arc::clone(&clock),
            default_agent,
            draining: Arc::clone(&draining),
        };
        let until = agents_closing.clone();
        servers.spawn(async move { operator.serve(operator_port, until).await.map_err(Failed::from) });
        let graphiql = config.gateway.graphiql;
        let gateway = Gateway::new(GatewayParts {
            config: GatewayConfig {
                shutdown_timeout: FINISH,
                ..config.gateway
            },
            supervisor: Arc::clone(&orchestrator) as Arc<dyn Supervisor>,
            costs: Arc::clone(&accounts) as Arc<dyn Costs>,
            models: called,
            dialects: models::dialects(),
            authenticator: authenticator(args.insecure)?,
            clock,
            random,
            metrics,
            tasks: mutations.clone(),
        });
        let until = closing.clone();
        servers.spawn(async move { gateway.serve(gateway_port, until).await.map_err(Failed::from) });

        let control = control_socket(&config.store);
        let control_at = control.as_ref().map(|socket| socket.path().to_owned());
        if let Some(socket) = control {
            let who = dev_principal(vec![Principal::SESSIONS_ALL.to_owned()])?;
            let desk = Desk {
                orchestrator: Arc::clone(&orchestrator),
                costs: accounts,
                who,
            };
            background.spawn(socket.serve(desk, closing.clone()));
        }

        // Told.
        let banner = Banner {
            gateway: gateway_at,
            graphiql,
            operator: operator_at,
            store: &shown,
            providers: &models.names,
            why: &choice.why,
            unused: &choice.unused,
            agents: &agents::NAMES,
            joined: &config.agent_hosts,
            discovery: discovery.as_deref(),
            insecure: args.insecure,
        };
        output::text(&banner.render())?;
        #[cfg(feature = "local-model")]
        if let Some(local) = models.local {
            let progress = super::local::show_progress(local.backend.state());
            background.spawn(closing.clone().run_until_cancelled_owned(progress));
        }
        let ready = Ready {
            pid: std::process::id(),
            gateway: gateway_at,
            graphql: format!("{}/graphql", url(gateway_at)),
            operator: operator_at,
            agent: agent_at,
            store: Path::new(&shown),
            control: control_at.as_deref(),
        };
        let ready = match &args.ready_file {
            Some(path) => Some(ReadyFile::write(path, &ready)?),
            None => None,
        };
        Ok(Self {
            orchestrator,
            store,
            providers,
            mutations,
            background,
            draining,
            closing,
            agents_closing,
            accounts_closing,
            servers,
            ready,
        })
    }
}

/// Without it the commands say that the store is in use; chats and tasks are none the worse.
fn control_socket(store: &StoreSettings) -> Option<ControlSocket> {
    let path = socket_of(store.seat());
    // A table is nobody's alone: another process of this machine may sit there already, or nobody may have yet.
    if let StoreSettings::DynamoDb(table) = store {
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            tracing::warn!(path = %path.display(), "another process on this table has the control socket");
            return None;
        }
        if let Some(folder) = table.seat.parent()
            && let Err(error) = std::fs::create_dir_all(folder)
        {
            tracing::warn!(%error, path = %folder.display(), "no folder for the control socket");
        }
    }
    match ControlSocket::bind(&path) {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "no control socket: `greenroom tasks` can't reach this process");
            None
        }
    }
}

fn joined(hosts: &[String], links: &Links) -> Result<Vec<GrpcAgent>, Failed> {
    hosts
        .iter()
        .map(|host| {
            links
                .agent(host)
                .map_err(|error| Failed::misused(format!("agent.join: {}", chain(&error))))
        })
        .collect()
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Failed> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; end what has it, or set another (port 0 takes a free one)",
            _ => "",
        };
        Failed::because(format!("{key}: can't listen on {address}: {error}{remedy}"))
    })
}

fn refused(failure: Failure) -> Failed {
    Failed::because(failure.message)
}
