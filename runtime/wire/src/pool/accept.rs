//! Accepting, and waiting for what was accepted: the wait is the caller's, whichever supervisor it is spent at.

use std::time::Duration;

use greenroom_kernel::{AcceptRequest, AcceptedTask, Backoff, Failure, Principal, Supervisor as _};

use super::Shared;
use super::asked::Asked;
use super::call::Try;
use super::roster::Home;

/// How long is waited before a supervisor is asked that goes on with a task.
const PAUSE: Backoff = Backoff {
    base: Duration::from_millis(200),
    at_most: Duration::from_secs(2),
};

impl Shared {
    pub(super) async fn accept(
        &self,
        who: &Principal,
        request: &AcceptRequest,
    ) -> Result<AcceptedTask, Failure> {
        let began = self.clock.monotonic();
        let elapsed = || self.clock.monotonic().saturating_sub(began);
        let mut accepted = self.accept_since(who, request, Duration::ZERO).await?;
        let mut asked_again = 0;
        // A supervisor that leaves lets go of those who wait at it. Their key finds the task where it goes on.
        while accepted.task.status.needs_owner() && elapsed() < request.wait {
            let pause = PAUSE.half_jitter(asked_again, self.random.next_u64());
            tokio::time::sleep(pause.min(request.wait.saturating_sub(elapsed()))).await;
            asked_again += 1;
            match self.accept_since(who, request, elapsed()).await {
                Ok(later) => accepted = later,
                // It was accepted all the same.
                Err(failure) => {
                    tracing::debug!(%failure, "an accepted task is returned as it stood");
                    break;
                }
            }
        }
        Ok(accepted)
    }

    /// Accepts what was asked for `earlier`: what the caller waits, and gives the task, began then.
    async fn accept_since(
        &self,
        who: &Principal,
        request: &AcceptRequest,
        earlier: Duration,
    ) -> Result<AcceptedTask, Failure> {
        let key = request.journal(who);
        let left = |of: Duration| of.saturating_sub(earlier);
        let asked = Asked {
            within: Some(left(request.wait).saturating_add(self.config.answer_within)),
            begun_within: request.timeout.map(left),
            ..self.changes(Home::Journal(&key))
        };
        let accept = move |t: Try| async move {
            let since = earlier.saturating_add(t.elapsed);
            let again = AcceptRequest {
                wait: request.wait.saturating_sub(since),
                timeout: request.timeout.map(|timeout| timeout.saturating_sub(since)),
                ..request.clone()
            };
            t.handle.accept(who, again).await
        };
        self.ask(asked, accept).await.answer
    }
}
