//! What being ready takes, one thing each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{AgentName, Clock, Store, Supervisor};

/// How long readiness waits for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// One thing that a ready process has.
#[async_trait]
pub(crate) trait Check: Send + Sync {
    /// Why it doesn't have it.
    async fn obstacle(&self) -> Option<String>;
}

/// Its store answers.
pub(crate) struct StoreAnswers(pub(crate) Arc<dyn Store>, pub(crate) Arc<dyn Clock>);

#[async_trait]
impl Check for StoreAnswers {
    async fn obstacle(&self) -> Option<String> {
        let reading = self.0.open_journals(self.1.now(), None, 1);
        match tokio::time::timeout(STORE_PATIENCE, reading).await {
            Ok(Ok(_)) => None,
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
