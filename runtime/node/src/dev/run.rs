//! The table of contents of a running `dev`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use greenroom_gateway::{Gateway, GatewayConfig, GatewayParts};
use greenroom_kernel::{
    AgentName, Costs, Failure, MemberRole, Models, NodeId, Principal, Store, Supervisor, Writer,
};
use greenroom_orchestrator::{HistoryParts, Orchestrator, Parts};
use greenroom_supervision::Root;
use greenroom_wire::{GrpcAgent, in_process};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::banner::Banner;
use super::stop::FINISH;
use crate::cli::DevArgs;
use crate::config::Config;
use crate::control::Desk;
use crate::failed::Failed;
use crate::operator::{AgentKnown, Operator, StoreAnswers};
use crate::output;
use crate::parts::{
    Books, Choice, Hosts, Life, NAMES, Opened, Ready, ReadyFile, World, authenticator, bind, build_models,
    control_socket, dev_principal, dialects, host, links, open_accounts, open_store, start_providers, url,
};

/// What the process is called: it has no others beside it.
const NODE: &str = "dev";
/// How long its agents may take to be found by the orchestrator; they are in this process.
const AGENTS_FOUND: Duration = Duration::from_secs(5);

/// What runs, and what ends it.
pub(super) struct Dev {
    pub(super) life: Life,
    pub(super) orchestrator: Arc<Orchestrator>,
    pub(super) store: Arc<dyn Store>,
    pub(super) providers: Root,
    pub(super) mutations: TaskTracker,
    /// Fires when the agents may go.
    pub(super) agents_closing: CancellationToken,
    pub(super) books: Books,
}

impl Dev {
    /// Starts everything.
    pub(super) async fn start(config: Config, choice: &Choice, args: &DevArgs) -> Result<Self, Failed> {
        // The outside world.
        let (world, mut life) = (World::of(&config)?, Life::new());
        let links = links(&config, MemberRole::Supervisor, args.insecure, &world, &life).await?;
        let Opened {
            store,
            ledger,
            history,
            shown,
            ..
        } = open_store(&config, &world).await?;
        let accounts = open_accounts(&config, ledger, &world).await?;
        let (clock, random, metrics) = (
            Arc::clone(&world.clock),
            Arc::clone(&world.random),
            world.metrics.clone(),
        );

        // Built, not started.
        let models = build_models(&config, choice, &world, &accounts, NODE)?;
        let called = Arc::clone(&models.router) as Arc<dyn Models>;
        let (to_own_agents, within) = in_process();
        let mut host = host(&config.agents, &NAMES, Arc::clone(&clock))
            .in_process(within)
            // By then the orchestrator has left them.
            .drain(Duration::from_millis(500))
            .grace(Duration::from_millis(500));
        if let Some(identity) = links.identity() {
            host = host.tls(Arc::clone(identity));
        }
        let hosts = Hosts::of(&config, &links)?;
        let discovery = hosts.place();
        let default_agent = config.tasks.default_agent.clone();

        // Bound.
        let gateway_port = bind("gateway.listen", config.gateway_listen).await?;
        let operator_port = bind("operator.listen", config.operator_listen).await?;
        let agent_port = bind("agent.listen", config.agent_listen).await?;
        let (gateway_at, operator_at) = (gateway_port.local_addr()?, operator_port.local_addr()?);
        let agent_at = agent_port.local_addr()?;

        // Started, from the inside out.
        let (mutations, agents_closing) = (TaskTracker::new(), CancellationToken::new());
        let books = Books::new();
        books.keep(&accounts);
        let providers = start_providers(&world.environment, models.supervisor)?;
        life.serve(host.serve(agent_port, agents_closing.clone()));
        let orchestrator = Orchestrator::start(Parts {
            config: config.tasks,
            store: Arc::clone(&store),
            models: models.router,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            metrics: Arc::new(metrics.clone()),
            writer: Writer {
                node: NodeId::parse(NODE)?,
                incarnation: random.next_u64() >> 1,
            },
            environment: world.environment.clone(),
            membership: None,
            history: config
                .keep_history
                .map(|keep| HistoryParts { store: history, keep }),
        })
        .await?;
        let own = GrpcAgent::in_process(to_own_agents, &url(agent_at));
        orchestrator.join(Arc::new(own)).await.map_err(refused)?;
        let first = AgentName::parse(NAMES[0])?;
        orchestrator.knows(&first, AGENTS_FOUND).await.map_err(refused)?;
        hosts
            .join(&orchestrator, Some(agent_at.into()), &world, &life)
            .await?;
        let operator = Operator {
            models: Some(Arc::clone(&called)),
            agents: Some(Arc::clone(&orchestrator) as Arc<dyn Supervisor>),
            store: Some(Arc::clone(&store)),
            accounts: Some(Arc::clone(&accounts)),
            checks: vec![
                Box::new(StoreAnswers(Arc::clone(&store), Arc::clone(&clock))),
                Box::new(AgentKnown(
                    Arc::clone(&orchestrator) as Arc<dyn Supervisor>,
                    default_agent,
                )),
            ],
            ..Operator::of(&world, &life, &links)
        };
        life.serve(operator.serve(operator_port, agents_closing.clone()));
        let graphiql = config.gateway.graphiql;
        let gateway = Gateway::new(GatewayParts {
            config: GatewayConfig {
                shutdown_timeout: FINISH,
                ..config.gateway
            },
            supervisor: Arc::clone(&orchestrator) as Arc<dyn Supervisor>,
            costs: Arc::clone(&accounts) as Arc<dyn Costs>,
            models: called,
            dialects: dialects(),
            authenticator: authenticator(args.insecure)?,
            clock,
            random,
            metrics,
            tasks: mutations.clone(),
        });
        life.serve(gateway.serve(gateway_port, life.closing.clone()));

        let control = control_socket(&config.store);
        let control_at = control.as_ref().map(|socket| socket.path().to_owned());
        if let Some(socket) = control {
            let who = dev_principal(vec![Principal::SESSIONS_ALL.to_owned()])?;
            let desk = Desk {
                orchestrator: Arc::clone(&orchestrator),
                others: None,
                costs: accounts,
                who,
            };
            life.background.spawn(socket.serve(desk, life.closing.clone()));
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
            agents: &NAMES,
            joined: &config.agent_hosts,
            discovery: discovery.as_deref(),
            insecure: args.insecure,
        };
        output::text(&banner.render())?;
        #[cfg(feature = "local-model")]
        if let Some(local) = models.local {
            let progress = crate::parts::show_progress(local.backend.state());
            life.background
                .spawn(life.closing.clone().run_until_cancelled_owned(progress));
        }
        let ready = Ready {
            pid: std::process::id(),
            gateway: Some(gateway_at),
            graphql: Some(format!("{}/graphql", url(gateway_at))),
            operator: Some(operator_at),
            agent: Some(agent_at),
            store: Some(Path::new(&shown)),
            control: control_at.as_deref(),
            ..Ready::default()
        };
        if let Some(path) = &args.ready_file {
            life.ready = Some(ReadyFile::write(path, &ready)?);
        }
        Ok(Self {
            life,
            orchestrator,
            store,
            providers,
            mutations,
            agents_closing,
            books,
        })
    }
}

fn refused(failure: Failure) -> Failed {
    Failed::because(failure.message)
}
