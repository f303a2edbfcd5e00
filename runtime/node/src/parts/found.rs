//! Agent hosts that are found: joined when discovery shows them, let go when it no longer does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use greenroom_discovery::{Watch, WatchConfig};
use greenroom_kernel::{Clock, Discovery, HostPort, MemberRole, Membership};
use greenroom_orchestrator::Orchestrator;
use greenroom_wire::Links;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::DiscoverySettings;

/// After which a host is joined or let go again that could not be.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Finds hosts until `until` fires. `others` are joined by other ways: they are left alone.
pub(super) async fn find(
    directory: Arc<dyn Discovery>,
    settings: DiscoverySettings,
    links: Links,
    clock: Arc<dyn Clock>,
    orchestrator: Arc<Orchestrator>,
    others: BTreeSet<HostPort>,
    until: CancellationToken,
) {
    let config = WatchConfig {
        poll: settings.poll,
        refresh: settings.refresh,
        ..WatchConfig::default()
    };
    // Nobody is asked here how he is: the orchestrator asks every host that it joined.
    let (watch, picture) = Watch::new(directory, None, clock, config);
    let joined = Joined {
        orchestrator,
        links,
        others,
        hosts: BTreeSet::new(),
        refused: BTreeSet::new(),
    };
    tokio::join!(watch.run(until.clone()), joined.follow(picture, until));
}

/// The hosts that discovery brought.
struct Joined {
    orchestrator: Arc<Orchestrator>,
    links: Links,
    others: BTreeSet<HostPort>,
    hosts: BTreeSet<HostPort>,
    /// Those that may not be dialled as things are: told once, as long as they are there.
    refused: BTreeSet<HostPort>,
}

impl Joined {
    async fn follow(mut self, mut picture: watch::Receiver<Membership>, until: CancellationToken) {
        loop {
            let now = picture.borrow_and_update().clone();
            let done = self.meet(&now).await;
            tokio::select! {
                () = until.cancelled() => return,
                changed = picture.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(AGAIN_AFTER), if !done => {}
            }
        }
    }

    /// Joins and lets go what the picture shows. Tells whether all of it was done.
    async fn meet(&mut self, picture: &Membership) -> bool {
        let hosts = |member: &&greenroom_kernel::Member| member.role == MemberRole::Agent;
        let there: BTreeSet<&HostPort> = picture
            .all()
            .filter(hosts)
            .map(|member| &member.address)
            .collect();
        self.refused.retain(|host| there.contains(host));
        let mut done = true;
        for gone in self
            .hosts
            .iter()
            .filter(|host| !there.contains(host))
            .cloned()
            .collect::<Vec<_>>()
        {
            match self.orchestrator.leave(&self.links.url(&gone)).await {
                Ok(()) => {
                    tracing::info!(host = %gone, "an agent host is gone: it gets no new work");
                    self.hosts.remove(&gone);
                }
                Err(failure) => {
                    tracing::warn!(host = %gone, %failure, "an agent host could not be let go");
                    done = false;
                }
            }
        }
        for member in picture.usable().filter(hosts) {
            let host = &member.address;
            if self.hosts.contains(host) || self.others.contains(host) {
                continue;
            }
            let agent = match self.links.agent(&self.links.url(host)) {
                Ok(agent) => agent,
                // It stays so until somebody mends the configuration.
                Err(error) => {
                    if self.refused.insert(host.clone()) {
                        tracing::error!(%host, member = %member.id, %error, "an agent host that was found is not joined");
                    }
                    continue;
                }
            };
            let joined = self.orchestrator.join(Arc::new(agent)).await;
            match joined {
                Ok(()) => {
                    tracing::info!(%host, member = %member.id, "an agent host was found");
                    self.hosts.insert(host.clone());
                }
                Err(failure) => {
                    tracing::warn!(%host, member = %member.id, %failure, "an agent host could not be joined");
                    done = false;
                }
            }
        }
        done
    }
}
