//! Slots as items, and the messages that lie in them.
//!
//! A message's row says what its entry says. It lies in the slot's own item, as the number of that entry where it is
//! the same, so that it costs no item and no second copy.

use aws_sdk_dynamodb::types::AttributeValue;
use greenroom_kernel::{
    Entry, JournalKey, MessageRow, NodeId, Nonce, Position, SessionId, Slot, StoreError, Timestamp, Writer,
};
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::item::{Item, Reader, binary, json, key, number, set, text};
use super::keys;
use super::table::Table;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Said {
    /// What this entry of the slot says, when the slot was written.
    Entry(u32),
    Row(Box<MessageRow>),
}

/// What an entry that says a message is as a row.
fn row(session: &SessionId, slot: &Slot, index: u32) -> Option<MessageRow> {
    match slot.entries.get(usize::try_from(index).ok()?)? {
        Entry::Message(message) => Some(MessageRow {
            session: session.clone(),
            position: Position { seq: slot.seq, index },
            at: slot.at,
            message: message.clone(),
        }),
        _ => None,
    }
}

/// A deleted slot's entries as text.
pub(super) const EMPTY: &str = "[]";
/// The same where one of them says that the journal is deleted.
pub(super) const DELETED: &str = r#"["deleted"]"#;

impl Table {
    /// A slot and its messages as an item. What doesn't fit is written at once.
    pub(super) async fn slot_item(
        &self,
        call: &Call<'_>,
        of: &JournalKey,
        slot: &Slot,
        messages: &[MessageRow],
    ) -> Result<Item, StoreError> {
        let pk = keys::partition(of);
        let mut item = key(&pk, &keys::slot(slot.seq));
        set(&mut item, "nonce", binary(&slot.nonce.0.to_be_bytes()));
        set(&mut item, "node", text(slot.writer.node.as_str()));
        set(&mut item, "incarnation", number(slot.writer.incarnation));
        set(&mut item, "at", number(slot.at.as_millis()));
        let entries = json(call.operation, &slot.entries)?;
        let apart = |of| move || keys::overflow(slot.nonce, of);
        self.place(call, &pk, apart("entries"), entries)
            .await?
            .into_item(&mut item, "entries");
        if !messages.is_empty() {
            let said: Vec<Said> = messages
                .iter()
                .map(|message| match row(&of.journal, slot, message.position.index) {
                    Some(same) if same == *message => Said::Entry(message.position.index),
                    _ => Said::Row(Box::new(message.clone())),
                })
                .collect();
            let said = json(call.operation, &said)?;
            self.place(call, &pk, apart("messages"), said)
                .await?
                .into_item(&mut item, "messages");
        }
        Ok(item)
    }

    /// An item as a slot.
    pub(super) async fn slot(&self, call: &Call<'_>, item: &Item) -> Result<Slot, StoreError> {
        let reader = Reader(call.operation);
        let entries = self.placed(call, item, "entries").await?;
        let entries = entries.ok_or_else(|| reader.corrupt("a slot without entries"))?;
        let seq = seq_of(item).ok_or_else(|| reader.corrupt("a slot without a number"))?;
        let nonce = <[u8; 16]>::try_from(reader.bytes(item, "nonce")?)
            .map_err(|_| reader.corrupt(format!("the nonce of slot {seq}")))?;
        let node = NodeId::parse(&reader.text(item, "node")?)
            .map_err(|invalid| reader.corrupt(format!("the writer of slot {seq}: {invalid}")))?;
        Ok(Slot {
            seq,
            nonce: Nonce(u128::from_be_bytes(nonce)),
            writer: Writer {
                node,
                incarnation: reader.number(item, "incarnation")?,
            },
            at: Timestamp::from_millis(reader.number(item, "at")?),
            entries: reader.parsed(&format!("the entries of slot {seq}"), &entries)?,
        })
    }

    /// The messages of a slot's item, in order.
    pub(super) async fn messages_in(
        &self,
        call: &Call<'_>,
        of: &JournalKey,
        item: &Item,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let reader = Reader(call.operation);
        let Some(said) = self.placed(call, item, "messages").await? else {
            return Ok(Vec::new());
        };
        let said: Vec<Said> = reader.parsed("the messages of a slot", &said)?;
        let mut slot = None;
        let mut rows = Vec::with_capacity(said.len());
        for said in said {
            let index = match said {
                Said::Row(row) => {
                    rows.push(*row);
                    continue;
                }
                Said::Entry(index) => index,
            };
            if slot.is_none() {
                slot = Some(self.slot(call, item).await?);
            }
            let same = slot.as_ref().and_then(|slot| row(&of.journal, slot, index));
            rows.push(same.ok_or_else(|| reader.corrupt(format!("entry {index} says no message")))?);
        }
        rows.sort_by_key(|row| row.position);
        rows.dedup_by_key(|row| row.position);
        Ok(rows)
    }
}

/// The number of a slot's item.
pub(super) fn seq_of(item: &Item) -> Option<u64> {
    let sk = item.get("sk").and_then(|sk: &AttributeValue| sk.as_s().ok())?;
    sk.strip_prefix(keys::SLOTS)?.parse().ok()
}

/// Whether an item's slot says that the journal is deleted, and nothing else; whether it says nothing at all.
pub(super) fn is_hollow(item: &Item) -> bool {
    let entries = item.get("entries").and_then(|entries| entries.as_s().ok());
    let empty = entries.is_some_and(|entries| entries == EMPTY || entries == DELETED);
    empty && !item.contains_key("messages") && !item.contains_key("messages_in")
}
