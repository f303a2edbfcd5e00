//! A subscription that outlives the supervisor it is made at: broken or sent elsewhere, it goes on from its last cursor,
//! at whoever has the journal now.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use greenroom_kernel::{
    ChatEvent, ChatEventBody, Cursor, ErrorCode, EventScope, EventStream, Failure, JournalKey, Principal,
    RetryDecision, StepStatus, Supervisor as _,
};

use super::Shared;
use super::call::Try;
use super::roster::Home;

/// A subscription that lasted this long was a good one: what breaks it then is the first trouble again.
const CALM: Duration = Duration::from_secs(10);

struct Subscription {
    shared: Arc<Shared>,
    who: Principal,
    scope: EventScope,
    key: JournalKey,
    /// Where it goes on.
    at: Cursor,
    /// The last journaled event that was delivered.
    told: Option<Cursor>,
    stream: Option<EventStream>,
    opened: Duration,
    /// Breaks in a row, and when the first of them was.
    breaks: u32,
    first_break: Duration,
}

/// The events behind `from`.
///
/// # Errors
/// Those of opening it; a break later is an item only when healing it failed too.
pub(super) async fn subscribe(
    shared: Arc<Shared>,
    who: Principal,
    scope: EventScope,
    from: Cursor,
) -> Result<EventStream, Failure> {
    let journal = match &scope {
        EventScope::Session(id) => id.clone(),
        EventScope::Task(id) => id.journal.clone(),
    };
    let key = JournalKey {
        tenant: who.tenant.clone(),
        journal,
    };
    let mut subscription = Subscription {
        shared,
        who,
        scope,
        key,
        at: from,
        told: None,
        stream: None,
        opened: Duration::ZERO,
        breaks: 0,
        first_break: Duration::ZERO,
    };
    subscription.open().await?;
    let events = futures::stream::unfold(Some(subscription), |subscription| async {
        let mut subscription = subscription?;
        match subscription.next().await? {
            Ok(event) => Some((Ok(event), Some(subscription))),
            Err(failure) => Some((Err(failure), None)),
        }
    });
    Ok(events.boxed())
}

impl Subscription {
    async fn open(&mut self) -> Result<(), Failure> {
        let (who, scope, at) = (&self.who, &self.scope, self.at);
        let open = move |t: Try| async move { t.handle.events(who, scope.clone(), Some(at)).await };
        let asked = self.shared.reads(Home::Journal(&self.key));
        self.stream = Some(self.shared.ask(asked, open).await.answer?);
        self.opened = self.shared.clock.monotonic();
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<ChatEvent, Failure>> {
        loop {
            let Some(stream) = &mut self.stream else {
                // Nobody to open it at is no worse than a stream that broke.
                if let Err(failure) = self.open().await
                    && let Err(failure) = self.heal(failure).await
                {
                    return Some(Err(failure));
                }
                continue;
            };
            match stream.next().await? {
                Ok(event) if self.is_old(&event) => {}
                Ok(event) => {
                    self.at = event.cursor;
                    if !is_live(&event) {
                        self.told = Some(event.cursor);
                    }
                    self.breaks = 0;
                    return Some(Ok(event));
                }
                Err(failure) => {
                    self.stream = None;
                    if self.shared.clock.monotonic().saturating_sub(self.opened) >= CALM {
                        self.breaks = 0;
                    }
                    if let Err(failure) = self.heal(failure).await {
                        return Some(Err(failure));
                    }
                }
            }
        }
    }

    /// Waits before it is opened again; or gives the failure back, where opening again doesn't help.
    async fn heal(&mut self, mut failure: Failure) -> Result<(), Failure> {
        let elsewhere = failure.elsewhere.take();
        if failure.code != ErrorCode::Unavailable || !failure.retryable {
            return Err(failure);
        }
        match &elsewhere {
            Some(at) => self.shared.placed.put(&self.key, at),
            None => self.shared.placed.forget(&self.key),
        }
        let now = self.shared.clock.monotonic();
        if self.breaks == 0 {
            self.first_break = now;
        }
        self.breaks += 1;
        // Handed over in good order: there is somebody to go on with.
        if self.breaks == 1 && elsewhere.is_some() {
            return Ok(());
        }
        let lasted = now.saturating_sub(self.first_break);
        let random = self.shared.random.next_u64();
        let asked_for = failure.retry_after_ms.map(Duration::from_millis);
        match self
            .shared
            .config
            .retry
            .decide(self.breaks, lasted, asked_for, random)
        {
            RetryDecision::Again { after } => {
                tracing::debug!(%failure, ?after, "a subscription broke and is taken up again");
                tokio::time::sleep(after).await;
                Ok(())
            }
            RetryDecision::Stop(_) => Err(failure),
        }
    }

    /// Whether it was delivered before.
    fn is_old(&self, event: &ChatEvent) -> bool {
        self.told.is_some_and(|told| match is_live(event) {
            true => event.cursor < told,
            false => event.cursor <= told,
        })
    }
}

/// What no journal tells, or what may be told twice: it has no cursor of its own.
fn is_live(event: &ChatEvent) -> bool {
    match &event.body {
        ChatEventBody::Delta { .. } => true,
        ChatEventBody::Step { step, .. } => step.status == StepStatus::Started,
        ChatEventBody::Message(_)
        | ChatEventBody::Attempt { .. }
        | ChatEventBody::Waiting { .. }
        | ChatEventBody::Ended(_) => false,
    }
}
