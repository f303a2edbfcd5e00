//! What this supervisor sees of agents, written down: when it changes, and every half minute.
//!
//! One look at a time, one write behind each look, and nothing is queued: a store that is slow or away makes looks
//! rarer, holds up nobody else, and loses only what began and ended meanwhile.

mod notebook;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    AgentHistory, AgentRecord, ErrorCode, Failure, HistoryQuery, Page, PageRequest, StoreError, Timestamp,
};
use greenroom_supervision::{ActorError, Admission, Context, Supervised};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use notebook::Notebook;

use crate::shared::Shared;

/// How often everything is told, changed or not.
const EVERY: Duration = Duration::from_secs(30);
/// How long it is waited after a look before the next: of what changes more often, the last is told.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a write may take.
const WITHIN: Duration = Duration::from_secs(10);
/// How many records go into one write.
const AT_ONCE: usize = 200;
/// How many records of what is over wait for a store that is away.
const WAITING: usize = 1_000;
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How many records are removed at a time, and how long other writes then have the store to themselves.
const SWEEP_AT_ONCE: u32 = 500;
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// Where the history of agents is kept, and for how long.
#[derive(Clone)]
pub struct HistoryParts {
    /// Where.
    pub store: Arc<dyn AgentHistory>,
    /// For how long. What is older is shown to nobody, and removed where the store doesn't do that by itself.
    pub keep: Duration,
}

impl HistoryParts {
    fn begins(&self, now: Timestamp) -> Timestamp {
        now.before(self.keep)
    }
}

/// The records of an agent that are kept still.
pub(crate) async fn read(
    shared: &Shared,
    query: HistoryQuery,
    page: &PageRequest,
) -> Result<Page<AgentRecord>, Failure> {
    let Some(history) = &shared.history else {
        let why = "no history of agents is kept: agent_history.keep_days is 0";
        return Err(Failure::new(ErrorCode::Unavailable, why));
    };
    let now = shared.now();
    let query = HistoryQuery {
        from: query.from.max(history.begins(now)),
        // Clocks differ, but not by a day.
        to: query.to.min(now.after(Duration::from_secs(24 * 3_600))),
        ..query
    };
    let read = history.store.history(&query, page).await;
    read.map_err(|error| Failure::from(&error))
}

/// Looks and writes, again and again.
pub(crate) struct HistoryActor {
    shared: Arc<Shared>,
    history: HistoryParts,
}

impl HistoryActor {
    pub(crate) fn new(shared: Arc<Shared>, history: HistoryParts) -> Self {
        Self { shared, history }
    }

    async fn go_on(shared: Arc<Shared>, history: HistoryParts) {
        let mut book = Notebook::new(shared.writer.node.clone());
        let mut changes = shared.agents.changes();
        let (mut everything_at, mut troubled) = (Instant::now(), false);
        let mut waiting = Vec::new();
        loop {
            changes.borrow_and_update();
            let everything = Instant::now() >= everything_at;
            if everything {
                everything_at = Instant::now() + EVERY;
            }
            let mut told = std::mem::take(&mut waiting);
            told.append(&mut book.look(&shared.agents.seen(), shared.now(), everything));
            if !told.is_empty() {
                let (wrote, left) = write(&shared, &history, told).await;
                // What goes on is told again as it grows; what is over is told by nobody else.
                waiting = left.into_iter().filter(|record| !book.may_grow(record)).collect();
                waiting.truncate(WAITING);
                match &wrote {
                    Err(error) if !troubled => {
                        tracing::warn!(%error, "the history of agents could not be kept: it has a gap until this goes by");
                    }
                    Ok(()) if troubled => tracing::info!("the history of agents is kept again"),
                    _ => {}
                }
                troubled = wrote.is_err();
            }
            sleep(SETTLE).await;
            tokio::select! {
                () = sleep_until(everything_at) => {}
                // The directory lives as long as this does.
                _ = changes.changed() => {}
            }
        }
    }

    async fn clean(shared: Arc<Shared>, history: HistoryParts) {
        loop {
            if let Err(error) = sweep(&history, shared.now()).await {
                tracing::warn!(%error, "the old history of agents was not removed");
            }
            sleep(SWEEP_EVERY).await;
        }
    }
}

impl Supervised for HistoryActor {
    type Msg = ();

    async fn post_start(&mut self, ctx: &Context<()>) -> Result<(), ActorError> {
        ctx.spawn(Self::go_on(Arc::clone(&self.shared), self.history.clone()));
        ctx.spawn(Self::clean(Arc::clone(&self.shared), self.history.clone()));
        Ok(())
    }

    async fn handle(&mut self, _: &Context<()>, (): (), _: Admission) -> Result<(), ActorError> {
        Ok(())
    }
}

/// Writes what there is, a part after the other; behind one that can't be written the others aren't tried. Counts both,
/// and gives back what wasn't.
async fn write(
    shared: &Shared,
    history: &HistoryParts,
    mut told: Vec<AgentRecord>,
) -> (Result<(), StoreError>, Vec<AgentRecord>) {
    let mut kept = 0;
    let mut wrote = Ok(());
    for part in told.chunks(AT_ONCE) {
        let noted = timeout(WITHIN, history.store.note(part.to_vec())).await;
        wrote = noted.unwrap_or(Err(StoreError::Unanswered {
            operation: "note",
            source: None,
        }));
        if wrote.is_err() {
            break;
        }
        kept += part.len();
    }
    let left = told.split_off(kept);
    shared.metrics.agent_history(kept, left.len());
    (wrote, left)
}

async fn sweep(history: &HistoryParts, now: Timestamp) -> Result<(), StoreError> {
    while history
        .store
        .sweep_history(history.begins(now), SWEEP_AT_ONCE)
        .await?
        == SWEEP_AT_ONCE
    {
        sleep(SWEEP_PAUSE).await;
    }
    Ok(())
}
