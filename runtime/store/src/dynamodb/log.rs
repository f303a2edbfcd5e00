//! Reading a journal: its slots and its messages.

use greenroom_kernel::{JournalKey, MessageRange, MessageRow, Position, Slot, StoreError};

use super::DynamoStore;
use super::call::Call;
use super::keys;
use super::slots::seq_of;
use super::table::{PAGE, Range};

/// How many slots are looked at, at first, for each message that is asked for.
const SLOTS_A_MESSAGE: usize = 3;

impl DynamoStore {
    pub(super) async fn read_slots(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        from: u64,
        limit: u32,
    ) -> Result<Vec<Slot>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let range = Range::between(&keys::partition(key), keys::slot(from), keys::slot(u64::MAX));
        let (mut slots, mut start) = (Vec::new(), None);
        while slots.len() < limit {
            let want = (limit - slots.len()).min(PAGE);
            let part = self.table.page(call, &range, start, want).await?;
            for item in &part.items {
                let slot = self.table.slot(call, item).await?;
                let expected = from + slots.len() as u64;
                if slot.seq != expected {
                    // Readers stop at a gap.
                    return Ok(slots);
                }
                self.ends.saw(key, expected.saturating_add(1));
                slots.push(slot);
            }
            match part.next {
                Some(next) => start = Some(next),
                None => break,
            }
        }
        Ok(slots)
    }

    pub(super) async fn read_messages(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let seq = |place: Option<Position>, otherwise| keys::slot(place.map_or(otherwise, |place| place.seq));
        let (from, to, newest_first) = match range {
            MessageRange::After(place) => (seq(place, 0), keys::slot(u64::MAX), false),
            MessageRange::Before(place) => (keys::slot(0), seq(place, u64::MAX), true),
        };
        let fits = |row: &MessageRow| match range {
            MessageRange::After(place) => place.is_none_or(|place| row.position > place),
            MessageRange::Before(place) => place.is_none_or(|place| row.position < place),
        };
        let range = Range {
            newest_first,
            filter: Some((
                "attribute_exists(messages) OR attribute_exists(messages_in)",
                Vec::new(),
            )),
            ..Range::between(&keys::partition(key), from, to)
        };
        let (mut rows, mut start) = (Vec::new(), None);
        while rows.len() < limit {
            let want = (limit - rows.len()).saturating_mul(SLOTS_A_MESSAGE).min(PAGE);
            let part = self.table.page(call, &range, start, want).await?;
            for item in part.items.iter().filter(|item| seq_of(item).is_some()) {
                let mut said = self.table.messages_in(call, key, item).await?;
                said.retain(fits);
                if newest_first {
                    said.reverse();
                }
                rows.extend(said);
            }
            match part.next {
                Some(next) => start = Some(next),
                None => break,
            }
        }
        rows.truncate(limit);
        if newest_first {
            rows.reverse();
        }
        Ok(rows)
    }
}
