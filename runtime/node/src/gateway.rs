//! `greenroom gateway`: takes clients' connections, in a process of its own that keeps nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use greenroom_discovery::{Watch, WatchConfig};
use greenroom_gateway::{Gateway, GatewayConfig, GatewayParts};
use greenroom_kernel::{Discovery, MemberRole, Models, Supervisor};
use greenroom_models::Accounts;
use greenroom_supervision::Root;
use greenroom_wire::{PoolParts, SupervisorPool};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::ServeGatewayArgs;
use crate::config::{Config, Flags, RunAs, StoreSettings};
use crate::discovery::{OfRole, directory};
use crate::failed::Failed;
use crate::operator::{Operator, SupervisorServes};
use crate::output;
use crate::parts::{
    self, Books, Choice, Entry, Leave, Life, Ready, ReadyFile, Role, World, authenticator, bind,
    build_models, choose_given, configured, dialects, enter, links, model_lines, nobodys_accounts, notice,
    open_accounts, open_store, process_name, start_providers, url,
};

/// How much of the time to leave is for what comes behind the requests: providers, the ledger.
const BEHIND: Duration = Duration::from_secs(3);
/// How long what was asked for may take to be asked of a supervisor, once nobody waits for the answer.
const ASKED: Duration = Duration::from_secs(1);
/// How much of it at most, where there is little.
const BEHIND_OF: u32 = 3;

/// Runs until it is told to stop.
pub(crate) fn run(file: Option<PathBuf>, args: &ServeGatewayArgs) -> Result<(), Failed> {
    let flags = Flags {
        listen: args.role.listen.clone(),
        supervisors: args.supervisors.clone(),
        ..Flags::default()
    };
    let config = configured(RunAs::Gateway, file, flags)?;
    admit(config.gateway_listen, args.insecure)?;
    let choice = choose_given(&config, &|name| std::env::var(name).ok()).map_err(Failed::because)?;
    parts::run(config, choice.local, async |config| {
        Serving::start(config, &choice, args).await
    })
}

/// Without identity only this machine is let in.
fn admit(listen: SocketAddr, insecure: bool) -> Result<(), Failed> {
    if insecure || listen.ip().is_loopback() {
        return Ok(());
    }
    Err(Failed::misused(format!(
        "gateway.listen is {listen}, which other machines can reach, and there are no identities yet: listen on 127.0.0.1, \
         or pass --insecure and let everybody who can connect do everything"
    )))
}

/// Where supervisors are found.
fn supervisors(config: &Config) -> Result<Arc<dyn Discovery>, Failed> {
    let Some(place) = &config.fleet.supervisors else {
        return Err(Failed::misused(
            "nobody says where supervisors are: name them by --supervisor HOST:PORT or gateway.supervisors, or set \
             discovery.kind to cloud-map, which they enter themselves into",
        ));
    };
    let found = directory(place, MemberRole::Supervisor, &|name| std::env::var(name).ok())?;
    Ok(Arc::new(OfRole(found, MemberRole::Supervisor)))
}

/// The accounts of its own model calls: on the table that all processes share, else nobody's.
async fn accounts(config: &Config, world: &World) -> Result<Arc<Accounts>, Failed> {
    if let (StoreSettings::DynamoDb(_), true) = (&config.store, config.bills) {
        let opened = open_store(config, world).await?;
        return open_accounts(config, opened.ledger, world).await;
    }
    if !config.budgets.is_empty() {
        return Err(Failed::misused(
            "[[budgets]] are held against a ledger, which a gateway has only on a table: set store.kind to dynamodb as for \
             the supervisors, or take them out",
        ));
    }
    if config.bills {
        tracing::warn!(
            "this gateway has no table (store.kind is not dynamodb): its model calls under /v1 are neither billed nor logged, \
             and no budget holds for them"
        );
    }
    Ok(nobodys_accounts(world))
}

/// A gateway, as it runs.
struct Serving {
    life: Life,
    mutations: TaskTracker,
    providers: Root,
    books: Books,
    /// Fires when every connection has ended.
    answered: CancellationToken,
    /// Fires when no request needs a supervisor any more.
    supervisors_closing: CancellationToken,
    leave: Leave,
}

impl Serving {
    async fn start(config: Config, choice: &Choice, args: &ServeGatewayArgs) -> Result<Self, Failed> {
        let (world, mut life) = (World::of(&config)?, Life::new());
        let links = links(&config, MemberRole::Gateway, false, &world, &life).await?;
        let directory = supervisors(&config)?;
        let place = directory.place();
        let accounts = accounts(&config, &world).await?;

        let port = bind("gateway.listen", config.gateway_listen).await?;
        let operator_port = bind("operator.listen", config.operator_listen).await?;
        let (bound, operator_at) = (port.local_addr()?, operator_port.local_addr()?);
        let entry = Entry {
            role: MemberRole::Gateway,
            section: "gateway",
            berth: &config.fleet.gateway,
            bound,
            incarnation: world.incarnation(),
            agents: Vec::new(),
        };
        let entered = enter(&config, &entry).await?;
        let node = process_name(MemberRole::Gateway, &bound.into());

        let models = build_models(&config, choice, &world, &accounts, &node)?;
        let called = Arc::clone(&models.router) as Arc<dyn Models>;
        let books = Books::new();
        books.keep(&accounts);
        let providers = start_providers(&world.environment, models.supervisor)?;
        let supervisors_closing = CancellationToken::new();
        let looks = WatchConfig::default();
        let looks = WatchConfig {
            poll: config.discovery.as_ref().map_or(looks.poll, |set| set.poll),
            refresh: config.discovery.as_ref().map_or(looks.refresh, |set| set.refresh),
            ..looks
        };
        // Nobody is asked here how he is: the pool finds out.
        let (watch, members) = Watch::new(directory, None, Arc::clone(&world.clock), looks);
        life.background.spawn(watch.run(supervisors_closing.clone()));
        let pool = Arc::new(SupervisorPool::start(PoolParts {
            members,
            tls: links.identity().cloned(),
            clock: Arc::clone(&world.clock),
            random: Arc::clone(&world.random),
            config: config.fleet.pool.clone(),
        })?);

        let operator = Operator {
            models: Some(Arc::clone(&called)),
            accounts: Some(Arc::clone(&accounts)),
            checks: vec![Box::new(SupervisorServes(Arc::clone(&pool)))],
            ..Operator::of(&world, &life, &links)
        };
        life.serve(operator.serve(operator_port, supervisors_closing.clone()));
        let leave = Leave::within(config.fleet.gateway.stop);
        let mutations = TaskTracker::new();
        let graphiql = config.gateway.graphiql;
        let gateway = Gateway::new(GatewayParts {
            config: GatewayConfig {
                shutdown_timeout: leave.order.saturating_sub(BEHIND.min(leave.order / BEHIND_OF)),
                ..config.gateway
            },
            supervisor: pool as Arc<dyn Supervisor>,
            costs: accounts,
            models: called,
            dialects: dialects(),
            authenticator: authenticator(args.insecure)?,
            clock: Arc::clone(&world.clock),
            random: Arc::clone(&world.random),
            metrics: world.metrics.clone(),
            tasks: mutations.clone(),
        });
        let (closing, answered) = (life.closing.clone(), CancellationToken::new());
        let ended = answered.clone().drop_guard();
        life.serve(async move {
            let _ended = ended;
            gateway.serve(port, closing).await
        });
        if let Some((registration, _)) = entered {
            life.background.spawn(registration.keep(life.closing.clone()));
        }

        let (url, mut lines) = (url(bound), Vec::new());
        let browsers = if graphiql { " (GraphiQL in a browser)" } else { "" };
        lines.push(("GraphQL", format!("{url}/graphql{browsers}")));
        lines.push(("finds", format!("supervisors in {place}")));
        lines.extend(model_lines(&models.names, &choice.why, &choice.unused));
        lines.push(("operator", format!("http://{operator_at}/metrics")));
        if args.insecure {
            let warning = "--insecure: whoever can reach this address may do everything";
            lines.push(("WARNING", warning.to_owned()));
        }
        output::text(&notice(&format!("gateway at {url}"), &lines))?;
        if let Some(path) = &args.role.ready_file {
            let ready = Ready {
                pid: std::process::id(),
                gateway: Some(bound),
                graphql: Some(format!("{url}/graphql")),
                operator: Some(operator_at),
                ..Ready::default()
            };
            life.ready = Some(ReadyFile::write(path, &ready)?);
        }
        Ok(Self {
            life,
            mutations,
            providers,
            books,
            answered,
            supervisors_closing,
            leave,
        })
    }
}

impl Role for Serving {
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
        tracing::info!("stopping: no new connections, requests that run may end");
        self.life.close();
        self.life.closing.cancel();
        self.answered.cancelled().await;
        // Nobody waits for their answers any more: what they ask for is asked for by now, and goes on without them.
        self.mutations.close();
        let _ = tokio::time::timeout(ASKED, self.mutations.wait()).await;
        self.supervisors_closing.cancel();
        self.providers.stop().await;
        self.life.served().await;
        self.life.background.close();
        self.books.close().await;
        self.life.background.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_let_in_only_when_somebody_says_so() {
        for (listen, insecure, admitted) in [
            ("127.0.0.1:8080", false, true),
            ("[::1]:0", false, true),
            ("0.0.0.0:8080", false, false),
            ("10.0.0.1:8080", false, false),
            ("0.0.0.0:8080", true, true),
        ] {
            let said = admit(listen.parse().unwrap(), insecure);
            assert_eq!(said.is_ok(), admitted, "{listen}");
        }
    }
}
