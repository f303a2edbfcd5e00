//! What being ready takes, one thing each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{AgentName, Clock, Store, Supervisor};
use greenroom_orchestrator::Orchestrator;
use greenroom_wire::SupervisorPool;

/// How long readiness waits for a supervisor to say that it serves.
const SUPERVISOR_PATIENCE: Duration = Duration::from_secs(2);
/// How long readiness waits for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// One thing that a ready process has.
#[async_trait]
pub(crate) trait Check: Send + Sync {
    /// Why it doesn't have it.
    async fn obstacle(&self) -> Option<String>;
}

/// Its store answers, and takes what is written.
pub(crate) struct StoreAnswers(pub(crate) Arc<dyn Store>, pub(crate) Arc<dyn Clock>);

#[async_trait]
impl Check for StoreAnswers {
    async fn obstacle(&self) -> Option<String> {
        let asking = async {
            self.0.open_journals(self.1.now(), None, 1).await?;
            self.0.writable().await
        };
        match tokio::time::timeout(STORE_PATIENCE, asking).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("store: no answer in time".to_owned()),
        }
    }
}

/// An agent is known.
pub(crate) struct AgentKnown(pub(crate) Arc<dyn Supervisor>, pub(crate) AgentName);

#[async_trait]
impl Check for AgentKnown {
    async fn obstacle(&self) -> Option<String> {
        match self.0.agent(&self.1).await {
            Ok(Some(_)) => None,
            Ok(None) => Some(format!("agent {} is not known", self.1)),
            Err(failure) => Some(failure.message),
        }
    }
}

/// It has its place among the processes that share its store.
pub(crate) struct InFleet(pub(crate) Arc<Orchestrator>);

#[async_trait]
impl Check for InFleet {
    async fn obstacle(&self) -> Option<String> {
        let joined = self.0.joined(Duration::ZERO).await;
        joined.err().map(|failure| failure.message)
    }
}

/// It knows a supervisor that serves.
pub(crate) struct SupervisorServes(pub(crate) Arc<SupervisorPool>);

#[async_trait]
impl Check for SupervisorServes {
    async fn obstacle(&self) -> Option<String> {
        let serves = self.0.check(SUPERVISOR_PATIENCE).await;
        serves.err().map(|failure| failure.message)
    }
}
