//! Emptying a deleted journal, a little at a time, the newest slots first: what is left of a log always begins at its
//! beginning. The session's row names the journal as work until the last step says that all is done.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use greenroom_kernel::{Entry, JournalKey, SessionRow, StoreError, Timestamp};

use super::DynamoStore;
use super::call::{Call, Outcome};
use super::item::{Item, Reader, json, key as item_key, number, set, text};
use super::keys;
use super::parts::sort_keys;
use super::rows::{hollow_item, session_frame};
use super::slots::{DELETED, EMPTY, is_hollow, seq_of};
use super::table::{PAGE, Range};

/// How many slots are emptied at once, by a transaction: all of them or none.
const SLOTS: usize = 16;

/// Takes a slot's content away, and never makes one.
const EMPTIED: &str = "SET entries = :entries REMOVE entries_in, messages, messages_in";

impl DynamoStore {
    pub(super) async fn empty(&self, call: &Call<'_>, key: &JournalKey) -> Result<(), StoreError> {
        let pk = keys::partition(key);
        if !self.is_deleted(call, &pk).await? {
            return Ok(());
        }
        let deleted_at = self.empty_slots(call, &pk).await?;
        self.remove_content(call, &pk).await?;
        self.say_hollow(call, key, deleted_at).await
    }

    pub(super) fn newest_slots(pk: &str) -> Range<'static> {
        Range::between(pk, keys::slot(0), keys::slot(u64::MAX)).newest_first()
    }

    pub(super) async fn says_deleted(&self, call: &Call<'_>, item: &Item) -> Result<bool, StoreError> {
        let reader = Reader(call.operation);
        let entries = self
            .table
            .placed(call, item, "entries")
            .await?
            .unwrap_or_default();
        if !entries.contains("\"deleted\"") {
            return Ok(false);
        }
        let entries: Vec<Entry> = reader.parsed("the entries of a slot", &entries)?;
        Ok(entries.contains(&Entry::Deleted))
    }

    /// Whether the log says so: the newest slots are looked at first, since that is where it stands.
    async fn is_deleted(&self, call: &Call<'_>, pk: &str) -> Result<bool, StoreError> {
        let (range, mut start, mut want) = (Self::newest_slots(pk), None, 4);
        loop {
            let part = self.table.page(call, &range, start, want).await?;
            for item in &part.items {
                if self.says_deleted(call, item).await? {
                    return Ok(true);
                }
            }
            match part.next {
                Some(next) => start = Some(next),
                None => return Ok(false),
            }
            want = PAGE;
        }
    }

    /// Empties the slots. Tells when the newest of them says it was deleted.
    pub(super) async fn empty_slots(&self, call: &Call<'_>, pk: &str) -> Result<Timestamp, StoreError> {
        let reader = Reader(call.operation);
        let (range, mut start) = (Self::newest_slots(pk), None);
        let mut deleted_at = Timestamp::from_millis(i64::MIN);
        loop {
            let part = self.table.page(call, &range, start, SLOTS).await?;
            let mut updates = Vec::new();
            for item in &part.items {
                let deleted = self.says_deleted(call, item).await?;
                if deleted {
                    deleted_at = deleted_at.max(Timestamp::from_millis(reader.number(item, "at")?));
                }
                if !is_hollow(item) {
                    let seq = seq_of(item).ok_or_else(|| reader.corrupt("a slot without a number"))?;
                    updates.push(self.emptied(call, pk, seq, deleted)?);
                }
            }
            if !updates.is_empty()
                && let Outcome::Failed { .. } = self.table.transact(call, updates).await?
            {
                // Swept meanwhile: there is nothing left to empty.
                return Ok(deleted_at);
            }
            match part.next {
                Some(next) => start = Some(next),
                None => return Ok(deleted_at),
            }
        }
    }

    /// Leaves of a slot who wrote it when, and that the journal is deleted where it says so.
    pub(super) fn emptied(
        &self,
        call: &Call<'_>,
        pk: &str,
        seq: u64,
        deleted: bool,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(item_key(pk, &keys::slot(seq))))
            .condition_expression("attribute_exists(pk)")
            .update_expression(EMPTIED)
            .expression_attribute_values(":entries", text(if deleted { DELETED } else { EMPTY }))
            .build()
            .map_err(|error| Reader(call.operation).corrupt(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Removes all that is neither a slot nor the session's row.
    pub(super) async fn remove_content(&self, call: &Call<'_>, pk: &str) -> Result<(), StoreError> {
        let before_rows = Range::between(pk, "!".to_owned(), keys::SESSION.to_owned());
        for range in [Range::beginning(pk, keys::TASKS), before_rows] {
            let range = Range {
                only: Some("sk"),
                ..range
            };
            let mut sks = sort_keys(&self.table.all(call, &range).await?);
            sks.retain(|sk| sk != keys::SESSION && sk != keys::HOLLOW);
            Box::pin(self.remove_with_objects(call, pk, sks)).await?;
        }
        Ok(())
    }

    /// The last step: the row loses its content and names no work any more. The keys go in a sweep of what was deleted
    /// before a later moment than this.
    pub(super) async fn say_hollow(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        deleted_at: Timestamp,
    ) -> Result<(), StoreError> {
        let reader = Reader(call.operation);
        let pk = keys::partition(key);
        let put = |item, condition: Option<(&str, u64)>| {
            let mut put = Put::builder().table_name(&self.table.name).set_item(Some(item));
            if let Some((condition, seq)) = condition {
                put = put
                    .condition_expression(condition)
                    .expression_attribute_values(":seq", number(seq));
            }
            let put = put.build().map_err(|error| reader.corrupt(error.to_string()))?;
            Ok::<_, StoreError>(TransactWriteItem::builder().put(put).build())
        };
        loop {
            let mut items = Vec::new();
            if let Some(found) = self.table.get(call, &pk, keys::SESSION).await? {
                let seq: u64 = reader.number(&found, "seq")?;
                let row = SessionRow {
                    deleted: true,
                    title: None,
                    metadata: None,
                    ..self.table.row(call, &found).await?
                };
                let mut item = session_frame(key, &row, seq);
                set(&mut item, "row", text(json(call.operation, &row)?));
                items.push(put(item, Some(("seq = :seq", seq)))?);
            }
            items.push(put(hollow_item(key, deleted_at), None)?);
            // A failed condition: an owner wrote the row meanwhile. It is read again.
            if let Outcome::Done(()) = self.table.transact(call, items).await? {
                return Ok(());
            }
        }
    }
}
