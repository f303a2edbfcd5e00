//! One append: the slot where absent, and the rows that change with it.
//!
//! A slot without rows is one conditional put. With rows it is a transaction, which the service does whole or not at
//! all; the slot is its first item, and its condition alone tells of another writer. Either way it is one request, and
//! what is there comes with the refusal: one's own nonce in it, behind a try that was not answered, is success.

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use greenroom_kernel::{Append, Appended, JournalKey, Slot, StoreError};

use super::DynamoStore;
use super::call::{Call, Outcome};
use super::item::Item;
use super::keys;
use super::slots::seq_of;
use super::table::{Range, Table};

/// Of a slot's item: it is not there.
const ABSENT: &str = "attribute_not_exists(pk)";

/// The service takes no more items in a transaction.
const IN_A_TRANSACTION: usize = 100;

impl DynamoStore {
    pub(super) async fn append_slot(&self, call: &Call<'_>, append: Append) -> Result<Appended, StoreError> {
        let Append { key, slot, rows } = append;
        self.refuse_gap(call, &key, &slot).await?;
        let table = &self.table;
        let item = table.slot_item(call, &key, &slot, &rows.messages).await?;
        let rows = table.row_items(call, &key, &slot, &rows).await?;
        let outcome = match rows.as_slice() {
            [] => match table.put(call, item, Some((ABSENT, &[]))).await? {
                Outcome::Done(_) => Outcome::Done(()),
                Outcome::Failed { item, at, resent } => Outcome::Failed { item, at, resent },
            },
            _ => {
                let items = table.transaction(call, item, rows)?;
                table.transact(call, items).await?
            }
        };
        let appended = match outcome {
            Outcome::Done(()) => Appended::Stored,
            Outcome::Failed { item, resent, .. } => {
                let occupant = self.occupant(call, &key, slot.seq, item).await?;
                if resent && occupant.nonce == slot.nonce {
                    Appended::Stored
                } else {
                    Appended::Collided(Box::new(occupant))
                }
            }
        };
        self.ends.saw(&key, slot.seq.saturating_add(1));
        Ok(appended)
    }

    /// An append past the end is a defect of the caller: the log would end before it for every reader. Who appends has
    /// read or written the slot before, mostly here: then nothing is asked.
    async fn refuse_gap(&self, call: &Call<'_>, key: &JournalKey, slot: &Slot) -> Result<(), StoreError> {
        let Some(before) = slot.seq.checked_sub(1) else {
            return Ok(());
        };
        if self.ends.reaches(key, slot.seq) {
            return Ok(());
        }
        let pk = keys::partition(key);
        let range = Range {
            only: Some("pk, sk"),
            ..Range::between(&pk, keys::slot(0), keys::slot(before)).newest_first()
        };
        let newest = self.table.page(call, &range, None, 1).await?.items;
        let end = newest.first().and_then(seq_of).map_or(0, |newest| newest + 1);
        self.ends.saw(key, end);
        if end == slot.seq {
            return Ok(());
        }
        Err(StoreError::Gap {
            journal: key.journal.clone(),
            seq: slot.seq,
            end,
        })
    }

    /// What is in a slot's place.
    async fn occupant(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        seq: u64,
        told: Option<Item>,
    ) -> Result<Slot, StoreError> {
        let item = match told {
            Some(item) => Some(item),
            None => {
                self.table
                    .get(call, &keys::partition(key), &keys::slot(seq))
                    .await?
            }
        };
        match item {
            Some(item) => self.table.slot(call, &item).await,
            // Swept meanwhile.
            None => Err(StoreError::Unanswered {
                operation: call.operation,
                source: None,
            }),
        }
    }
}

impl Table {
    fn transaction(
        &self,
        call: &Call<'_>,
        slot: Item,
        rows: Vec<Item>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt {
            operation: call.operation,
            what,
            source: None,
        };
        if rows.len() >= IN_A_TRANSACTION {
            return Err(corrupt(format!("{} rows in one append", rows.len())));
        }
        let put = |item, absent: bool| {
            let mut put = Put::builder().table_name(&self.name).set_item(Some(item));
            if absent {
                put = put
                    .condition_expression(ABSENT)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            }
            let put = put.build().map_err(|error| corrupt(error.to_string()))?;
            Ok(TransactWriteItem::builder().put(put).build())
        };
        std::iter::once(put(slot, true))
            .chain(rows.into_iter().map(|row| put(row, false)))
            .collect()
    }
}
