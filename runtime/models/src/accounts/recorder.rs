//! The one task that writes: what has gathered goes to the ledger in one commit, again until it is there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{Ledger, Records, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::past::Readings;
use super::{Accounts, GATHER};

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

impl Accounts {
    /// Writes until `closing` fires and nothing is left to write. Dropping the future loses what waits.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let Some(ledger) = self.ledger.clone() else {
            return;
        };
        let mut sweep = tokio::time::interval(SWEEP);
        let mut readings = Readings::default();
        loop {
            let read_next = readings.next;
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                () = self.woken.notified() => {
                    tokio::select! {
                        () = tokio::time::sleep(GATHER) => {}
                        () = closing.cancelled() => {}
                    }
                    self.write(&*ledger, &mut readings, &closing).await;
                }
                () = at(read_next) => {
                    self.write(&*ledger, &mut readings, &closing).await;
                }
                _ = sweep.tick() => {
                    // One batch a turn: rows and the end go first.
                    if self.sweep(&*ledger).await {
                        sweep.reset_after(SWEEP_ON);
                    }
                }
            }
        }
        while !self.write(&*ledger, &mut readings, &closing).await {}
    }

    /// Writes what has gathered, and reads then what was spent of budgets where that isn't known; says whether there was
    /// nothing to write.
    async fn write(&self, ledger: &dyn Ledger, readings: &mut Readings, closing: &CancellationToken) -> bool {
        let (records, taken, unknown) = {
            let mut state = self.state.lock();
            state.taken += 1;
            let reads = std::mem::take(&mut state.is_set) || readings.are_due();
            // From here on the book counts what the ledger is not told yet.
            let unknown = match reads && !closing.is_cancelled() {
                true => Some(state.book.unknown(self.clock.now())),
                false => None,
            };
            (state.heap.take(), state.taken, unknown)
        };
        let is_nothing = records.is_empty();
        for piece in pieces(records) {
            let rows = piece.tries.len() as u64;
            if self.keep(ledger, Arc::new(piece), closing).await {
                self.counted.written.fetch_add(rows, Ordering::Relaxed);
            }
        }
        self.written.send_replace(taken);
        if let Some(unknown) = unknown {
            let all = unknown.is_empty() || self.learn_all(ledger, &unknown).await;
            readings.told(all);
        }
        is_nothing
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

/// Waits for a moment; none never comes.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
