//! The one task that writes: what has gathered goes to the ledger in one commit, again until it is there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{Budget, Charge, Ledger, Records, SpendDimension, SpendQuery, StoreError, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Accounts, Errand, GATHER};

/// How long it waits before it sends again what the ledger did not take.
const AGAIN: Duration = Duration::from_millis(200);
/// How many rows of a kind share a commit at most.
const AT_ONCE: usize = 1_024;
/// How often it tries to write what is left once the process stops.
const LAST_TRIES: u32 = 5;
/// How often old requests are looked for.
const SWEEP: Duration = Duration::from_secs(3_600);
/// How long it pauses where there are more.
const SWEEP_ON: Duration = Duration::from_millis(100);
/// How many of them go at once.
const SWEPT_AT_ONCE: u32 = 1_000;
/// How many sums one budget's past may be made of.
const PAST: u32 = 1_000_000;

impl Accounts {
    /// Writes until `closing` fires and nothing is left to write. Dropping the future loses what waits.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let Some(ledger) = self.ledger.clone() else {
            return;
        };
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                () = self.woken.notified() => {
                    tokio::select! {
                        () = tokio::time::sleep(GATHER) => {}
                        () = closing.cancelled() => {}
                    }
                    self.write(&*ledger, &closing).await;
                }
                _ = sweep.tick() => {
                    // One batch a turn: rows and the end go first.
                    if self.sweep(&*ledger).await {
                        sweep.reset_after(SWEEP_ON);
                    }
                }
            }
        }
        while !self.write(&*ledger, &closing).await {}
    }

    /// Writes what has gathered; says whether there was nothing.
    async fn write(&self, ledger: &dyn Ledger, closing: &CancellationToken) -> bool {
        let (records, errands) = {
            let mut state = self.state.lock();
            let records = state.heap.take();
            let errands = std::mem::take(&mut state.errands);
            let begun = errands.into_iter().map(|errand| {
                // From here on the book counts what the ledger is not told yet.
                let is_new = match &errand {
                    Errand::Load(budget, _) => state.book.put((**budget).clone()),
                    Errand::Flush(_) => false,
                };
                (errand, is_new)
            });
            let begun: Vec<_> = begun.collect();
            (records, begun)
        };
        if records.is_empty() && errands.is_empty() {
            return true;
        }
        for piece in pieces(records) {
            let rows = piece.tries.len() as u64;
            if self.keep(ledger, Arc::new(piece), closing).await {
                self.counted.written.fetch_add(rows, Ordering::Relaxed);
            }
        }
        for (errand, is_new) in errands {
            // Who no longer waits needs no answer.
            match errand {
                Errand::Flush(done) => {
                    let _ = done.send(());
                }
                Errand::Load(budget, done) => {
                    let loaded = match is_new {
                        true => self.load(ledger, &budget).await,
                        false => Ok(()),
                    };
                    self.budgets_changed();
                    let _ = done.send(loaded);
                }
            }
        }
        false
    }

    /// Has the ledger keep them, whatever it takes, save that a process that stops gives up at last.
    async fn keep(&self, ledger: &dyn Ledger, records: Arc<Records>, closing: &CancellationToken) -> bool {
        let mut tries = 0;
        loop {
            tries += 1;
            let Err(error) = ledger.record(Arc::clone(&records)).await else {
                return true;
            };
            let rows = records.tries.len();
            if closing.is_cancelled() && tries >= LAST_TRIES {
                self.counted.lost.fetch_add(rows as u64, Ordering::Relaxed);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    rows,
                    "the ledger is not written: these rows are lost"
                );
                return false;
            }
            if tries == 1 || tries.is_multiple_of(50) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    rows,
                    "the ledger is not written: it is tried again"
                );
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Tells the book what was spent of a budget in its present window.
    pub(super) async fn load(&self, ledger: &dyn Ledger, budget: &Budget) -> Result<(), StoreError> {
        let now = self.clock.now();
        let query = SpendQuery {
            from: day_of(budget.window.start(now)),
            to: day_of(budget.window.end(now)),
            group_by: vec![
                SpendDimension::Subject,
                SpendDimension::Key,
                SpendDimension::Provider,
                SpendDimension::Model,
            ],
            limit: PAST,
        };
        let rows = ledger.spend(&budget.tenant, &query).await?;
        let mut state = self.state.lock();
        for row in rows {
            let charge = Charge {
                tenant: &budget.tenant,
                subject: row.group.subject.as_deref().unwrap_or_default(),
                key: row.group.key.as_deref(),
                provider: row.group.provider.as_deref().unwrap_or_default(),
                model: row.group.model.as_deref().unwrap_or_default(),
            };
            state
                .book
                .spent_already(&budget.id, &charge, row.spent.amount(), now);
        }
        Ok(())
    }

    /// Removes a batch of old requests; says whether there may be more.
    async fn sweep(&self, ledger: &dyn Ledger) -> bool {
        let keep = i64::try_from(self.config.keep_requests.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(self.clock.now().as_millis().saturating_sub(keep));
        match ledger.sweep_requests(before, SWEPT_AT_ONCE).await {
            Ok(swept) => swept >= SWEPT_AT_ONCE,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "old requests were not removed"
                );
                false
            }
        }
    }
}

/// What is written at once: others write to the same store, and shall not wait for long.
fn pieces(records: Records) -> Vec<Records> {
    let Records { tries, requests } = records;
    let (mut tries, mut requests) = (tries.into_iter(), requests.into_iter());
    let mut pieces = Vec::new();
    loop {
        let piece = Records {
            tries: tries.by_ref().take(AT_ONCE).collect(),
            requests: requests.by_ref().take(AT_ONCE).collect(),
        };
        if piece.is_empty() {
            return pieces;
        }
        pieces.push(piece);
    }
}

/// `2026-11-26`.
pub(super) fn day_of(at: Timestamp) -> String {
    let mut text = at.to_string();
    text.truncate(text.find('T').unwrap_or(text.len()));
    text
}
