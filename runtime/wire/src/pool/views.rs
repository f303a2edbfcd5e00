//! What every supervisor has a view of its own of, as all of them together tell it.

use std::time::Duration;

use greenroom_kernel::{ActorNode, AgentName, AgentStatus, Failure, ProviderStatus, Supervisor as _};

use super::{Shared, merge};
use crate::GrpcSupervisor;

/// How long each of them may take.
const VIEW_WITHIN: Duration = Duration::from_secs(5);

impl Shared {
    pub(super) async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        let look = |handle: GrpcSupervisor| async move { handle.agent(name).await };
        let views = self.views(look).await?.into_iter().flatten();
        Ok(merge::agents(views).pop())
    }

    pub(super) async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        let look = |handle: GrpcSupervisor| async move { handle.agents().await };
        let views = self.views(look).await?.into_iter().flatten();
        Ok(merge::agents(views))
    }

    /// Told apart by their nodes.
    pub(super) async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        let look = |handle: GrpcSupervisor| async move { handle.providers().await };
        Ok(self.views(look).await?.into_iter().flatten().collect())
    }

    pub(super) async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        let look = |handle: GrpcSupervisor| async move { handle.supervision_tree().await };
        let told = self.all(VIEW_WITHIN, look).await?;
        let nodes = told.into_iter().map(|(node, peer, tree)| {
            let status = peer.status(node, &*self.clock);
            merge::node(status, tree)
        });
        Ok(nodes.collect())
    }

    /// The views of those who tell theirs.
    async fn views<T, F>(&self, look: impl Fn(GrpcSupervisor) -> F) -> Result<Vec<T>, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let told = self.all(VIEW_WITHIN, look).await?;
        Ok(told.into_iter().filter_map(|(_, _, view)| view.ok()).collect())
    }
}
