//! `greenroom agent`: the agents that come with the binary, hosted in a process of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{AgentName, MemberRole};
use tokio_util::sync::CancellationToken;

use crate::cli::AgentArgs;
use crate::config::{Config, Flags, RunAs};
use crate::failed::Failed;
use crate::operator::Operator;
use crate::output;
use crate::parts::{
    self, Books, Entry, Leave, Life, NAMES, Ready, ReadyFile, Role, World, bind, configured, enter, host,
    links, notice,
};

/// How long a cancelled agent may clean up.
const GRACE: Duration = Duration::from_secs(1);
/// How much of the time to leave is for what comes behind the runs.
const BEHIND: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub(crate) fn run(file: Option<PathBuf>, args: &AgentArgs) -> Result<(), Failed> {
    let names = args.names.iter().map(|name| known(name));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let flags = Flags {
        listen: args.role.listen.clone(),
        ..Flags::default()
    };
    let config = configured(RunAs::Agent, file, flags)?;
    parts::run(config, false, async |config| {
        Host::start(config, &names, args).await
    })
}

fn known(name: &str) -> Result<&'static str, Failed> {
    NAMES
        .into_iter()
        .find(|known| *known == name)
        .ok_or_else(|| {
            Failed::misused(format!(
                "no agent called `{name}` comes with greenroom, only {}; one of your own is a program of its own: see \
                 `greenroom new agent --help`",
                NAMES.join(", ")
            ))
        })
}

/// A host of agents, as it runs.
struct Host {
    life: Life,
    leave: Leave,
    /// Fires when nothing is left to be told of.
    operator_closing: CancellationToken,
}

impl Host {
    async fn start(config: Config, names: &[&str], args: &AgentArgs) -> Result<Self, Failed> {
        let (world, mut life) = (World::of(&config)?, Life::new());
        let links = links(&config, MemberRole::Agent, false, &world, &life).await?;
        links.may_serve(config.agent_listen)?;
        let port = bind("agent.listen", config.agent_listen).await?;
        let operator_port = bind("operator.listen", config.operator_listen).await?;
        let (bound, operator_at) = (port.local_addr()?, operator_port.local_addr()?);
        let entry = Entry {
            role: MemberRole::Agent,
            section: "agent",
            berth: &config.fleet.agent,
            bound,
            incarnation: world.incarnation(),
            agents: names
                .iter()
                .map(|name| AgentName::parse(name))
                .collect::<Result<_, _>>()?,
        };
        let entered = enter(&config, &entry).await?;

        let leave = Leave::within(config.fleet.agent.stop);
        let mut host = host(&config.agents, names, Arc::clone(&world.clock))
            .drain(leave.order.saturating_sub(GRACE + BEHIND))
            .grace(GRACE);
        if let Some(identity) = links.identity() {
            host = host.tls(Arc::clone(identity));
        }
        let operator_closing = CancellationToken::new();
        life.serve(host.serve(port, life.closing.clone()));
        let mut operator = Operator::of(&world, &life, &links);
        let mut place = None;
        if let Some((registration, registered)) = entered {
            place = Some(registration.place());
            operator.checks.push(Box::new(registered));
            life.background.spawn(registration.keep(life.closing.clone()));
        }
        life.serve(operator.serve(operator_port, operator_closing.clone()));

        let mut lines = vec![("agents", names.join(", "))];
        lines.extend(place.map(|place| ("found in", place)));
        lines.push(("operator", format!("http://{operator_at}/metrics")));
        output::text(&notice(&format!("agent host at {bound}"), &lines))?;
        if let Some(path) = &args.role.ready_file {
            let ready = Ready {
                pid: std::process::id(),
                agent: Some(bound),
                operator: Some(operator_at),
                ..Ready::default()
            };
            life.ready = Some(ReadyFile::write(path, &ready)?);
        }
        Ok(Self {
            life,
            leave,
            operator_closing,
        })
    }
}

impl Role for Host {
    fn life(&mut self) -> &mut Life {
        &mut self.life
    }

    fn leave(&self) -> Leave {
        self.leave
    }

    fn books(&self) -> Books {
        // It makes no model calls.
        Books::new()
    }

    async fn stop(mut self) {
        tracing::info!("stopping: no new runs, those that run may end");
        self.life.close();
        // Struck out of the directory at once, beside the runs that end.
        self.life.closing.cancel();
        self.life.background.close();
        self.life.background.wait().await;
        self.operator_closing.cancel();
        self.life.served().await;
    }
}
