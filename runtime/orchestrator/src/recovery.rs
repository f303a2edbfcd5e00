//! The scan: finds work in the store that nobody here runs, and gives it an owner. Repeated for ever, since an
//! index is a hint; also what wakes tasks whose time has come, and sweeps away what has expired.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{JournalKey, StoreError, Timestamp};
use greenroom_supervision::{ActorError, Admission, Context, Supervised};

use crate::journal_actor::Operation;
use crate::shared::Shared;

const PAGE: u32 = 200;
/// How many journals are woken at once.
const AT_ONCE: usize = 32;
/// How long a deleted session's keys stay.
const DELETED_STAYS: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How long a task's own journal stays after its end.
const TASK_STAYS: Duration = Duration::from_secs(7 * 24 * 3_600);
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Scans again and again.
pub(crate) struct ScanActor {
    shared: Arc<Shared>,
}

impl ScanActor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    async fn watch(shared: Arc<Shared>) {
        let pause = Duration::from_millis(shared.config.scan_ms);
        let mut swept: Option<Duration> = None;
        loop {
            if let Err(error) = scan(&shared).await {
                tracing::warn!(%error, "the scan for open work failed");
            }
            let now = shared.clock.monotonic();
            if swept.is_none_or(|at| now.saturating_sub(at) > SWEEP_EVERY) {
                swept = Some(now);
                sweep(&shared).await;
            }
            tokio::time::sleep(pause + shared.jitter(pause / 4)).await;
        }
    }
}

impl Supervised for ScanActor {
    type Msg = ();

    async fn post_start(&mut self, ctx: &Context<()>) -> Result<(), ActorError> {
        ctx.spawn(Self::watch(Arc::clone(&self.shared)));
        Ok(())
    }

    async fn handle(&mut self, _: &Context<()>, (): (), _: Admission) -> Result<(), ActorError> {
        Ok(())
    }
}

async fn scan(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let now = shared.now();
    let mut after: Option<JournalKey> = None;
    loop {
        let keys = shared.store.open_journals(now, after.as_ref(), PAGE).await?;
        let full = keys.len() == PAGE as usize;
        after = keys.last().cloned();
        for batch in keys.chunks(AT_ONCE) {
            futures::future::join_all(batch.iter().map(|key| wake(shared, key))).await;
        }
        if !full {
            return Ok(());
        }
    }
}

async fn wake(shared: &Arc<Shared>, key: &JournalKey) {
    if shared.journals.is_live(key) {
        return shared.journals.nudge(key);
    }
    if let Err(failure) = shared.journals.ask(shared, key, Operation::Recover, None).await {
        tracing::debug!(journal = %key.journal, %failure, "an open journal was not taken, it is tried again");
    }
}

async fn sweep(shared: &Arc<Shared>) {
    let now = shared.now();
    let before = |stays: Duration| {
        let stays = i64::try_from(stays.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(now.as_millis().saturating_sub(stays))
    };
    match shared
        .store
        .sweep(before(DELETED_STAYS), before(TASK_STAYS), 1_000)
        .await
    {
        Ok(0) => {}
        Ok(swept) => tracing::info!(swept, "expired journals were removed"),
        Err(error) => tracing::warn!(%error, "expired journals were not removed"),
    }
}
