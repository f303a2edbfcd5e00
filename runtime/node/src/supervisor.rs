//! `greenroom supervisor`: owns sessions and runs tasks, in a process of its own, beside others on the same store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Holder, MemberRole, Models, NodeId, Nodes, Principal, Store, StoreError, Writer};
use greenroom_orchestrator::{HistoryParts, MembershipConfig, MembershipParts, Orchestrator, Parts};
use greenroom_supervision::Root;
use greenroom_wire::{GrpcPeers, GrpcServer, ServingState, peer_service, supervisor_service_of};
use tokio_util::sync::CancellationToken;

use crate::cli::RoleArgs;
use crate::config::{Config, Flags, RunAs};
use crate::control::Desk;
use crate::failed::Failed;
use crate::operator::{InFleet, Operator, StoreAnswers};
use crate::output;
use crate::parts::{
    self, Books, Choice, Entry, Hosts, Leave, Life, Opened, Ready, ReadyFile, Role, World, bind,
    build_models, choose_given, configured, control_socket, dev_principal, enter, links, model_lines, notice,
    open_accounts, open_store, process_name, start_providers,
};

/// How much of the time to leave is for what comes behind the sessions: the word
/// that it has left, connections, providers, the ledger.
const BEHIND: Duration = Duration::from_secs(8);
/// How much of it at most, where there is little.
const BEHIND_OF: u32 = 3;

/// Runs until it is told to stop.
pub(crate) fn run(file: Option<PathBuf>, args: &RoleArgs) -> Result<(), Failed> {
    let flags = Flags {
        listen: args.listen.clone(),
        ..Flags::default()
    };
    let config = configured(RunAs::Supervisor, file, flags)?;
    let choice = choose_given(&config, &|name| std::env::var(name).ok()).map_err(Failed::because)?;
    parts::run(config, choice.local, async |config| {
        Supervising::start(config, &choice, args).await
    })
}

/// A supervisor, as it runs.
struct Supervising {
    life: Life,
    orchestrator: Arc<Orchestrator>,
    store: Arc<dyn Store>,
    providers: Root,
    books: Books,
    serving: ServingState,
    /// Fires when nobody is redirected any more.
    serving_closing: CancellationToken,
    leave: Leave,
}

/// Which start of a process this is: greater than any before, whatever the clock says.
async fn incarnation(nodes: &dyn Nodes, node: &NodeId, world: &World) -> Result<u64, StoreError> {
    let rows = nodes.nodes().await?;
    let before = rows.iter().find(|row| row.node == *node);
    let next = before.map_or(0, |row| row.incarnation.saturating_add(1));
    Ok(next.max(world.incarnation()))
}

impl Supervising {
    async fn start(config: Config, choice: &Choice, args: &RoleArgs) -> Result<Self, Failed> {
        let (world, mut life) = (World::of(&config)?, Life::new());
        let links = links(&config, MemberRole::Supervisor, false, &world, &life).await?;
        links.may_serve(config.fleet.supervisor_listen)?;
        let Opened {
            store,
            ledger,
            nodes,
            history,
            shown,
        } = open_store(&config, &world).await?;
        let accounts = open_accounts(&config, ledger, &world).await?;

        // Bound: where it listens says what it is called.
        let port = bind("supervisor.listen", config.fleet.supervisor_listen).await?;
        let operator_port = bind("operator.listen", config.operator_listen).await?;
        let (bound, operator_at) = (port.local_addr()?, operator_port.local_addr()?);
        let mut entry = Entry {
            role: MemberRole::Supervisor,
            section: "supervisor",
            berth: &config.fleet.supervisor,
            bound,
            incarnation: 0,
            agents: Vec::new(),
        };
        let address = entry.advertised().await?;
        let node = NodeId::parse(&process_name(MemberRole::Supervisor, &address))?;
        entry.incarnation = incarnation(&*nodes, &node, &world).await?;
        let entered = enter(&config, &entry).await?;
        let writer = Writer {
            node: node.clone(),
            incarnation: entry.incarnation,
        };

        // Built, then started, from the inside out.
        let models = build_models(&config, choice, &world, &accounts, node.as_str())?;
        let called = Arc::clone(&models.router) as Arc<dyn Models>;
        let peers = Arc::new(GrpcPeers::new(links.identity().cloned()));
        let hosts = Hosts::of(&config, &links)?;
        let found = hosts.place();
        let books = Books::new();
        books.keep(&accounts);
        let providers = start_providers(&world.environment, models.supervisor)?;
        let orchestrator = Orchestrator::start(Parts {
            config: config.tasks.clone(),
            store: Arc::clone(&store),
            models: models.router,
            clock: Arc::clone(&world.clock),
            random: Arc::clone(&world.random),
            metrics: Arc::new(world.metrics.clone()),
            writer,
            environment: world.environment.clone(),
            membership: Some(MembershipParts {
                nodes,
                peers: Arc::clone(&peers) as _,
                address: address.clone(),
                config: MembershipConfig {
                    beat_ms: config.fleet.beat_ms,
                    patience: config.fleet.patience,
                },
            }),
            history: config
                .keep_history
                .map(|keep| HistoryParts { store: history, keep }),
        })
        .await?;
        hosts.join(&orchestrator, None, &world, &life).await?;
        let server = GrpcServer::new()
            .service(supervisor_service_of(&node, Arc::clone(&orchestrator) as _))
            .service(peer_service(Arc::clone(&orchestrator) as Arc<dyn Holder>));
        let server = links.serve(server, MemberRole::Supervisor, bound)?;
        let (serving, serving_closing) = (server.serving_state(), CancellationToken::new());
        life.serve(server.serve(port, serving_closing.clone()));

        let mut operator = Operator {
            models: Some(called),
            agents: Some(Arc::clone(&orchestrator) as _),
            store: Some(Arc::clone(&store)),
            accounts: Some(Arc::clone(&accounts)),
            checks: vec![
                Box::new(StoreAnswers(Arc::clone(&store), Arc::clone(&world.clock))),
                Box::new(InFleet(Arc::clone(&orchestrator))),
            ],
            ..Operator::of(&world, &life, &links)
        };
        if let Some((registration, registered)) = entered {
            operator.checks.push(Box::new(registered));
            life.background.spawn(registration.keep(life.closing.clone()));
        }
        life.serve(operator.serve(operator_port, serving_closing.clone()));
        let control = control_socket(&config.store);
        let control_at = control.as_ref().map(|socket| socket.path().to_owned());
        if let Some(socket) = control {
            let desk = Desk {
                orchestrator: Arc::clone(&orchestrator),
                others: Some(peers),
                costs: accounts,
                who: dev_principal(vec![Principal::SESSIONS_ALL.to_owned()])?,
            };
            life.background.spawn(socket.serve(desk, life.closing.clone()));
        }

        // Told.
        let mut lines = vec![("reached at", address.to_string()), ("store", shown.clone())];
        lines.extend(model_lines(&models.names, &choice.why, &choice.unused));
        let named = config.agent_hosts.iter().map(|host| format!("{host} (joining)"));
        let found = found.map(|place| format!("those found in {place}"));
        lines.extend(named.chain(found).map(|hosts| ("agents", hosts)));
        lines.push(("operator", format!("http://{operator_at}/metrics")));
        output::text(&notice(&format!("supervisor at {bound}"), &lines))?;
        if let Some(path) = &args.ready_file {
            let ready = Ready {
                pid: std::process::id(),
                supervisor: Some(bound),
                operator: Some(operator_at),
                advertised: Some(address.to_string()),
                store: Some(Path::new(&shown)),
                control: control_at.as_deref(),
                ..Ready::default()
            };
            life.ready = Some(ReadyFile::write(path, &ready)?);
        }
        Ok(Self {
            life,
            orchestrator,
            store,
            providers,
            books,
            serving,
            serving_closing,
            leave: Leave::within(config.fleet.supervisor.stop),
        })
    }
}

impl Role for Supervising {
    fn life(&mut self) -> &mut Life {
        &mut self.life
    }

    fn leave(&self) -> Leave {
        self.leave
    }

    fn books(&self) -> Books {
        self.books.clone()
    }

    async fn stop(mut self) {
        tracing::info!("stopping: sessions are handed over at their next step");
        self.life.close();
        self.serving.set_serving(false).await;
        // Struck out of the directory at once; who comes all the same is redirected until the end.
        self.life.closing.cancel();
        self.life.background.close();
        let order = self.leave.order;
        let behind = BEHIND.min(order / BEHIND_OF);
        self.orchestrator.drain(order.saturating_sub(behind)).await;
        self.orchestrator.stop().await;
        self.serving_closing.cancel();
        self.providers.stop().await;
        self.life.served().await;
        self.books.close().await;
        self.life.background.wait().await;
        drop(self.orchestrator);
        // The last reference waits for what is queued to be written.
        let store = self.store;
        let _ = tokio::task::spawn_blocking(move || drop(store)).await;
    }
}
