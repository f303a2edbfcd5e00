//! The agent hosts of a process that runs tasks: those that are named, and those that are found.

use std::sync::Arc;

use greenroom_kernel::{Discovery, HostPort, MemberRole};
use greenroom_orchestrator::Orchestrator;
use greenroom_wire::{GrpcAgent, Links};

use super::found::find;
use super::life::Life;
use super::world::World;
use crate::config::{Config, DiscoverySettings};
use crate::discovery::directory;
use crate::failed::{Failed, chain};

/// Not joined yet.
pub(crate) struct Hosts {
    named: Vec<(String, GrpcAgent)>,
    found: Option<(Arc<dyn Discovery>, DiscoverySettings)>,
    links: Links,
}

impl Hosts {
    /// Those of the configuration, reached through `links`. To be called within a tokio runtime.
    ///
    /// # Errors
    /// An address that can't be dialled, and a directory that can't be asked.
    pub(crate) fn of(config: &Config, links: &Links) -> Result<Self, Failed> {
        let named = config.agent_hosts.iter().map(|host| {
            let agent = links.agent(host);
            let agent = agent.map_err(|error| Failed::misused(format!("agent.join: {}", chain(&error))))?;
            Ok((host.clone(), agent))
        });
        let found = config.discovery.as_ref().map(|settings| {
            let set = |name: &str| std::env::var(name).ok();
            directory(&settings.place, MemberRole::Agent, &set).map(|found| (found, settings.clone()))
        });
        Ok(Self {
            named: named.collect::<Result<_, Failed>>()?,
            found: found.transpose()?,
            links: links.clone(),
        })
    }

    /// Where those are found that aren't named, for people.
    pub(crate) fn place(&self) -> Option<String> {
        self.found.as_ref().map(|(directory, _)| directory.place())
    }

    /// Joins them, now and as they are found. `own` is joined already.
    ///
    /// # Errors
    /// As the orchestrator says.
    pub(crate) async fn join(
        self,
        orchestrator: &Arc<Orchestrator>,
        own: Option<HostPort>,
        world: &World,
        life: &Life,
    ) -> Result<(), Failed> {
        let known = self.named.iter().filter_map(|(host, _)| host.parse().ok());
        let others = known.chain(own).collect();
        for (_, agent) in self.named {
            orchestrator
                .join(Arc::new(agent))
                .await
                .map_err(|failure| Failed::because(failure.message))?;
        }
        if let Some((directory, settings)) = self.found {
            life.background.spawn(find(
                directory,
                settings,
                self.links,
                Arc::clone(&world.clock),
                Arc::clone(orchestrator),
                others,
                life.closing.clone(),
            ));
        }
        Ok(())
    }
}
