//! Ending the log of a task's journal whose time is over, so that its keys may go.
//!
//! The journal may have an owner in any process, one that is about to write behind the last slot. So its log is ended
//! first, by a slot that says `Deleted`: whoever comes first to that place wins, and the other collides. Its content goes
//! at once. The keys go in a later sweep, as a deleted session's do, when no process takes the log's end for known any
//! more: an owner that comes then meets a gap.

use std::time::Duration;

use greenroom_kernel::{
    Append, Appended, Entry, JournalKind, NodeId, Nonce, Projection, Slot, StoreError, TaskRow, Timestamp,
    Writer,
};

use super::DynamoStore;
use super::call::Call;
use super::ends::HOLDS;
use super::item::{Item, Reader};
use super::keys;
use super::slots::seq_of;
use super::table::Range;

/// How long the keys of an ended log stay: as long as a process may take its end for known, and as much again for clocks
/// that differ.
const KEYS_STAY: Duration = HOLDS.saturating_mul(2);

/// Who writes the last slot.
const SWEEPER: &str = "sweeper";

impl DynamoStore {
    /// Ends the log of a journal whose tasks all ended before a moment, and takes its content away. Its keys go when
    /// `deleted_before` is [`KEYS_STAY`] further. Tells whether it did: not where an owner came first.
    pub(super) async fn retire(
        &self,
        call: &Call<'_>,
        pk: &str,
        ended_before: Timestamp,
        deleted_before: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = keys::journal_of(pk)
            .ok_or_else(|| Reader(call.operation).corrupt(format!("{pk} names no journal")))?;
        // The slot first, then what the tasks say: what is written behind that slot meanwhile is collided with.
        let newest = Self::newest_slots(pk);
        let newest = self.table.page(call, &newest, None, 1).await?.items;
        if !self.is_over(call, pk, ended_before).await? {
            return Ok(false);
        }
        let Some(last) = newest.first() else {
            // Rows without a log: nobody can write behind it.
            return self.remove(call, pk).await;
        };
        // A sweep that was cut short has said so already.
        if !self.says_deleted(call, last).await? {
            let slot = Self::last_word(call, last, ended_before)?;
            self.ends.saw(&key, slot.seq);
            let append = Append {
                key: key.clone(),
                slot,
                rows: Projection::default(),
            };
            if self.append_slot(call, append).await? != Appended::Stored {
                return Ok(false);
            }
        }
        self.empty_slots(call, pk).await?;
        self.remove_content(call, pk).await?;
        self.say_hollow(call, &key, deleted_before.after(KEYS_STAY))
            .await?;
        Ok(true)
    }

    /// The slot behind the last one, which ends the log.
    fn last_word(call: &Call<'_>, last: &Item, ended_before: Timestamp) -> Result<Slot, StoreError> {
        let reader = Reader(call.operation);
        let seq = seq_of(last).and_then(|seq| seq.checked_add(1));
        let written = Timestamp::from_millis(reader.number(last, "at")?);
        Ok(Slot {
            seq: seq.ok_or_else(|| reader.corrupt("a slot without a number"))?,
            nonce: Nonce(rand::random()),
            writer: Writer {
                node: NodeId::parse(SWEEPER).map_err(|invalid| reader.corrupt(invalid.to_string()))?,
                incarnation: 0,
            },
            at: written.max(ended_before),
            entries: vec![Entry::Deleted],
        })
    }

    /// Whether the tasks of a journal all ended before a moment.
    async fn is_over(&self, call: &Call<'_>, pk: &str, before: Timestamp) -> Result<bool, StoreError> {
        let mut own = false;
        for item in self.table.all(call, &Range::beginning(pk, keys::TASKS)).await? {
            let task: TaskRow = self.table.row(call, &item).await?;
            if !task.status.is_terminal() || task.updated_at >= before {
                return Ok(false);
            }
            own |= task.kind == JournalKind::Task;
        }
        Ok(own)
    }
}
