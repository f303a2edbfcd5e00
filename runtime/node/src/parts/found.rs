//! Agent hosts that are found: joined when discovery shows them, let go when it no longer does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use greenroom_discovery::{Watch, WatchConfig};
use greenroom_kernel::{Clock, Discovery, HostPort, MemberRole, Membership};
use greenroom_orchestrator::Orchestrator;
use greenroom_wire::GrpcAgent;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::DiscoverySettings;

/// After which a host is joined or let go again that could not be.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Finds hosts until `until` fires. `others` are joined by other ways: they are left alone.
pub(crate) async fn find(
    directory: Arc<dyn Discovery>,
    settings: DiscoverySettings,
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
        others,
        hosts: BTreeSet::new(),
        warned: false,
    };
    tokio::join!(watch.run(until.clone()), joined.follow(picture, until));
}

/// The hosts that discovery brought.
struct Joined {
    orchestrator: Arc<Orchestrator>,
    others: BTreeSet<HostPort>,
    hosts: BTreeSet<HostPort>,
    /// Whether it was said that a host is dialled in plaintext: once is enough.
    warned: bool,
}

/// Whether what is sent there may leave this machine.
fn is_elsewhere(host: &HostPort) -> bool {
    match host.ip() {
        Some(ip) => !ip.is_loopback(),
        None => host.host() != "localhost",
    }
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
        let mut done = true;
        for gone in self
            .hosts
            .iter()
            .filter(|host| !there.contains(host))
            .cloned()
            .collect::<Vec<_>>()
        {
            match self.orchestrator.leave(&gone.url()).await {
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
            if is_elsewhere(host) && !self.warned {
                self.warned = true;
                tracing::warn!(
                    %host,
                    "agent hosts on other machines are dialled in plaintext: keep them in a network that only Greenroom \
                     reads and writes"
                );
            }
            let joined = match GrpcAgent::new(&host.url()) {
                Ok(agent) => self
                    .orchestrator
                    .join(Arc::new(agent))
                    .await
                    .map_err(|failure| failure.message),
                Err(error) => Err(error.to_string()),
            };
            match joined {
                Ok(()) => {
                    tracing::info!(%host, member = %member.id, "an agent host was found");
                    self.hosts.insert(host.clone());
                }
                Err(why) => {
                    tracing::warn!(%host, member = %member.id, why, "an agent host could not be joined");
                    done = false;
                }
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machine() {
        for (host, elsewhere) in [
            ("127.0.0.1", false),
            ("127.8.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("localhost", false),
            ("10.0.0.7", true),
            ("fd00::7", true),
            ("agents.internal", true),
            ("localhost.example", true),
        ] {
            let host = HostPort::new(host, 7071).unwrap();
            assert_eq!(is_elsewhere(&host), elsewhere, "{host}");
        }
    }
}
