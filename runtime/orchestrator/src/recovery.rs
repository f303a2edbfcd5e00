//! The scan: finds work in the store that nobody here runs, and gives it an owner. Repeated for ever, since an
//! index is a hint; also what wakes tasks whose time has come, and sweeps away what has expired.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{JournalKey, StoreError};
use greenroom_supervision::{ActorError, Admission, Context, Supervised};

use crate::journal_actor::Operation;
use crate::membership::Way;
use crate::shared::Shared;

const PAGE: u32 = 200;
/// How many journals are woken at once.
const AT_ONCE: usize = 32;
/// How long the scan waits for a journal to be taken before it goes on without it.
const WAKE_WAIT: Duration = Duration::from_secs(10);
/// How long a deleted session's keys stay.
const DELETED_STAYS: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How long a task's own journal stays after its end.
const TASK_STAYS: Duration = Duration::from_secs(7 * 24 * 3_600);
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How many journals are removed at a time, and how long appends then have the store to themselves.
const SWEEP_AT_ONCE: u32 = 100;
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

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
        loop {
            let takes = shared.fleet.as_ref().is_none_or(|fleet| fleet.takes());
            if takes && let Err(error) = scan(&shared).await {
                tracing::warn!(%error, "the scan for open work failed");
            }
            shared.between_scans(pause + shared.jitter(pause / 4)).await;
        }
    }

    async fn clean(shared: Arc<Shared>) {
        loop {
            match sweep(&shared).await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "expired journals were removed"),
                Err(error) => tracing::warn!(%error, "expired journals were not removed"),
            }
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }
}

impl Supervised for ScanActor {
    type Msg = ();

    async fn post_start(&mut self, ctx: &Context<()>) -> Result<(), ActorError> {
        ctx.spawn(Self::watch(Arc::clone(&self.shared)));
        ctx.spawn(Self::clean(Arc::clone(&self.shared)));
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

/// Gives a journal an owner. One that can't be taken now is left to the next scan: the others don't wait for it.
async fn wake(shared: &Arc<Shared>, key: &JournalKey) {
    if shared.journals.is_live(key) {
        return shared.journals.nudge(key);
    }
    let held = shared.fleet.as_ref().is_some_and(|fleet| fleet.is_held(key));
    if held || shared.journals.admits(shared, key, Way::Scan).is_err() {
        // It belongs to another, who scans too; or another has it.
        return;
    }
    let (asking, of) = (Arc::clone(shared), key.clone());
    // Only the waiting is bounded: an actor that was being started is not to be forgotten half-way.
    let asked = shared.tasks.spawn(async move {
        let operation = Operation::Recover;
        asking
            .journals
            .ask(&asking, &of, Way::Scan, operation, None)
            .await
    });
    match tokio::time::timeout(WAKE_WAIT, asked).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(failure))) => {
            if let (Some(fleet), Some(_)) = (&shared.fleet, &failure.elsewhere) {
                fleet.found_held(key);
            }
            tracing::debug!(journal = %key.journal, %failure, "an open journal was not taken, it is tried again");
        }
        Ok(Err(error)) => {
            tracing::warn!(journal = %key.journal, %error, "taking an open journal broke, it is tried again");
        }
        Err(_) => {
            tracing::warn!(journal = %key.journal, "an open journal is not taken yet, the scan goes on without it");
        }
    }
}

/// Removes what has expired, a little at a time. Returns how many journals went.
async fn sweep(shared: &Arc<Shared>) -> Result<u64, StoreError> {
    let now = shared.now();
    let (deleted, ended) = (now.before(DELETED_STAYS), now.before(TASK_STAYS));
    let mut swept = 0;
    loop {
        let count = shared.store.sweep(deleted, ended, SWEEP_AT_ONCE).await?;
        swept += u64::from(count);
        if count < SWEEP_AT_ONCE {
            return Ok(swept);
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use greenroom_kernel::{JournalKind, PageRequest, TaskQuery, TaskRow};
    use greenroom_store::testkit::fixture::{self, Pen};

    use super::*;
    use crate::tests::*;

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_cant_be_taken_holds_up_no_other() {
        let helper = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
            if talk.start.attempt == 1 {
                return talk.linger().await;
            }
            talk.done("done");
        }));
        let config = crate::OrchestratorConfig {
            scan_ms: 60_000,
            ..Default::default()
        };
        let stage = Stage::configured(Door::Local, config, [helper]).await;
        let mut tasks = Vec::new();
        // More than are woken at once.
        for number in 0..AT_ONCE + 8 {
            let told = stage.task("helper", &format!("k{number}"), NOT).await;
            tasks.push(told.task.id);
        }
        for task in &tasks {
            stage.at(task, TaskStatus::Running).await;
        }
        let wakes = AtomicU32::new(0);
        stage.store.set_rule(move |asked| {
            let wakes =
                matches!(asked, Asked::Read("snapshot")).then(|| wakes.fetch_add(1, Ordering::SeqCst));
            (wakes == Some(0)).then_some(Fault::StartLate(SWEEP_EVERY))
        });
        for task in &tasks {
            let key = stage.orchestrator.shared().key(&ann().tenant, &task.journal);
            assert!(stage.orchestrator.shared().journals.kill(&key), "it had an actor");
        }
        let over = || async {
            let mut over = 0;
            for task in &tasks {
                over += usize::from(stage.row(task).await.status == TaskStatus::Completed);
            }
            over
        };
        let all_but_one = async {
            while over().await + 1 < tasks.len() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(180), all_but_one).await;
        assert!(waited.is_ok(), "{} of {} ended", over().await, tasks.len());
        assert_eq!(over().await + 1, tasks.len(), "one can't be taken");
    }

    #[tokio::test(start_paused = true)]
    async fn everything_that_has_expired_goes_every_hour_a_little_at_a_time() {
        let stage = Stage::with(Door::Local, []).await;
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        stage.store.set_rule(move |asked| {
            if matches!(asked, Asked::Write("sweep")) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            None
        });
        for round in 0..2_u32 {
            for number in 0..1_250 {
                let key = fixture::key(&format!("t{number}"));
                let row = TaskRow {
                    kind: JournalKind::Task,
                    status: TaskStatus::Completed,
                    ..fixture::task(&key, 0, 1)
                };
                stage.memory.append(Pen::new(key).tasks([row])).await.unwrap();
            }
            tokio::time::sleep(SWEEP_EVERY + Duration::from_secs(10)).await;
            let page = PageRequest {
                after: None,
                limit: 1,
            };
            let left = stage
                .memory
                .tasks(&fixture::tenant("acme"), &TaskQuery::default(), &page)
                .await;
            assert_eq!(left.unwrap().rows, [], "round {round}");
            assert_eq!(
                calls.load(Ordering::SeqCst),
                (round + 1) * 13,
                "sweeps by round {round}"
            );
        }
    }
}
