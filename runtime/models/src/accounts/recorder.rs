//! The one task that writes: what has gathered goes to the ledger in one commit, again until it is there.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::Ledger;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::follow::FOLLOW;
use super::past::Readings;
use super::{Accounts, GATHER};

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
        let mut follow = tokio::time::interval(FOLLOW);
        follow.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
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
                _ = follow.tick(), if self.config.shared => {
                    self.follow(&*ledger).await;
                    self.woken.notify_one();
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
        self.keep(ledger, records, closing).await;
        self.written.send_replace(taken);
        if let Some(unknown) = unknown {
            let all = unknown.is_empty() || self.learn_all(ledger, &unknown).await;
            readings.told(all);
        }
        is_nothing
    }

    /// Removes a batch of old requests; says whether there may be more.
    async fn sweep(&self, ledger: &dyn Ledger) -> bool {
        let before = self.clock.now().before(self.config.keep_requests);
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

/// Waits for a moment; none never comes.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
