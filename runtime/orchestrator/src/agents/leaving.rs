//! How a host leaves: its instances take nothing new, what runs on them may end, then they are forgotten.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::AgentName;
use greenroom_supervision::SupervisorHandle;
use tokio_util::sync::CancellationToken;

use super::AgentDirectory;
use crate::instance::Instance;

/// How often it is looked whether anything runs still.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How many agents are remembered of which no instance is left: a task for one waits, as for a host that is replaced.
const MOST_GONE: usize = 256;

impl AgentDirectory {
    /// The instances of the host at `address` take no work any more. Gives those that did until now.
    pub(crate) fn leave(&self, address: &str) -> Vec<(AgentName, Arc<Instance>)> {
        let agents = self.agents.write();
        let all = agents
            .iter()
            .flat_map(|(name, instances)| instances.iter().map(move |one| (name, one)));
        let of_host = all.filter(|(_, one)| one.endpoint().address() == address);
        let left: Vec<_> = of_host
            .filter(|(_, one)| one.leave())
            .map(|(name, one)| (name.clone(), Arc::clone(one)))
            .collect();
        drop(agents);
        self.change();
        left
    }

    /// The instance with that id, which takes work again if it was leaving.
    pub(crate) fn stays(&self, name: &AgentName, id: &str) -> Option<Arc<Instance>> {
        // With the lock that `forget` takes: what is found here isn't forgotten a moment later.
        let agents = self.agents.write();
        let found = agents
            .get(name)?
            .iter()
            .find(|instance| instance.id() == id)
            .cloned()?;
        drop(agents);
        if found.stay() {
            self.change();
        }
        Some(found)
    }

    /// Forgets an instance that leaves, once nothing runs on it.
    fn forget(&self, name: &AgentName, instance: &Arc<Instance>) -> bool {
        let mut agents = self.agents.write();
        if !instance.is_leaving() || instance.in_flight() > 0 {
            return false;
        }
        let Some(instances) = agents.get_mut(name) else {
            return true;
        };
        instances.retain(|other| !Arc::ptr_eq(other, instance));
        if instances.is_empty() && agents.values().filter(|all| all.is_empty()).count() > MOST_GONE {
            agents.remove(name);
        }
        drop(agents);
        self.change();
        true
    }

    /// Waits until nothing runs on an instance that leaves, then ends it; or until it stays after all.
    pub(crate) async fn drain(
        self: Arc<Self>,
        name: AgentName,
        instance: Arc<Instance>,
        agents: SupervisorHandle,
        stopping: CancellationToken,
    ) {
        while !self.forget(&name, &instance) {
            if !instance.is_leaving() {
                return;
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        tracing::info!(agent = %name, host = %instance.endpoint().address(), "an agent instance has left");
        // One that isn't there any more is what is wanted.
        let _ = agents.remove(instance.actor()).await;
    }
}
