//! Rows of sessions and tasks as items. The attributes that place a row in an index are those of its indexes' keys: a
//! row that leaves an index has none.

use std::collections::BTreeMap;

use greenroom_kernel::{
    JournalKey, JournalKind, Projection, SessionRow, Slot, StoreError, TaskRow, Timestamp,
};

use super::call::Call;
use super::item::{Item, Reader, json, key, number, set, text};
use super::keys::{self, Kind, Work};
use super::table::Table;

/// Due since ever: it needs an owner now.
const NOW: Timestamp = Timestamp::from_millis(i64::MIN);

/// Names a row in the index of work.
fn set_work(item: &mut Item, pk: &str, what: Work, when: String) {
    set(item, "work", text(keys::work(what, keys::shard(pk))));
    set(item, "when", text(when));
}

/// A session's row as an item, without its content.
pub(super) fn session_frame(of: &JournalKey, row: &SessionRow, seq: u64) -> Item {
    let pk = keys::partition(of);
    let mut item = key(&pk, keys::SESSION);
    set(&mut item, "seq", number(seq));
    if !row.deleted {
        let shard = keys::shard(&pk);
        set(
            &mut item,
            "listed",
            text(keys::listed(Kind::Sessions, &of.tenant, shard)),
        );
        set(
            &mut item,
            "owned",
            text(keys::owned(Kind::Sessions, &of.tenant, &row.subject, shard)),
        );
        set(
            &mut item,
            "made",
            text(keys::session_made(row.created_at, &row.id)),
        );
    }
    item
}

fn session_item(of: &JournalKey, row: &SessionRow, seq: u64) -> Item {
    let mut item = session_frame(of, row, seq);
    if row.deleted {
        let pk = keys::partition(of);
        let when = format!("{pk}#{}", keys::SESSION);
        set_work(&mut item, &pk, Work::Open, when);
        set(&mut item, "due", number(NOW.as_millis()));
    }
    item
}

fn task_item(of: &JournalKey, row: &TaskRow, seq: u64) -> Item {
    let pk = keys::partition(of);
    let sk = keys::task(row.id.ordinal);
    let mut item = key(&pk, &sk);
    set(&mut item, "seq", number(seq));
    let shard = keys::shard(&pk);
    set(
        &mut item,
        "listed",
        text(keys::listed(Kind::Tasks, &of.tenant, shard)),
    );
    set(
        &mut item,
        "owned",
        text(keys::owned(Kind::Tasks, &of.tenant, &row.subject, shard)),
    );
    set(&mut item, "made", text(keys::task_made(row.created_at, &row.id)));
    if let Some(parent) = &row.parent {
        set(&mut item, "parent", text(keys::children(&of.tenant, parent)));
    }
    let due = if row.status.needs_owner() {
        Some(NOW)
    } else {
        row.due
    };
    if let Some(due) = due {
        let when = format!("{pk}#{sk}");
        set_work(&mut item, &pk, Work::Open, when);
        set(&mut item, "due", number(due.as_millis()));
    } else if row.kind == JournalKind::Task && row.status.is_terminal() {
        let when = format!("{}#{pk}", keys::moment(row.updated_at));
        set_work(&mut item, &pk, Work::Ended, when);
    }
    item
}

/// Says that a journal is hollow, and since when its log says that it is deleted.
pub(super) fn hollow_item(of: &JournalKey, deleted_at: Timestamp) -> Item {
    let pk = keys::partition(of);
    let mut item = key(&pk, keys::HOLLOW);
    let when = format!("{}#{pk}", keys::moment(deleted_at));
    set_work(&mut item, &pk, Work::Hollow, when);
    item
}

/// Says that something is kept in a journal without slots; `met` is how far the sweep had come that met it.
pub(super) fn beside_item(pk: &str, met: Option<Timestamp>, kept: u64) -> Item {
    let mut item = key(pk, keys::BESIDE);
    let met = met.map_or_else(|| keys::LAST.to_string(), keys::moment);
    set_work(&mut item, pk, Work::Beside, format!("{met}#{pk}"));
    set(&mut item, "kept", number(kept));
    item
}

impl Table {
    /// The rows that change with a slot, as items; its messages lie in the slot. What doesn't fit is written at once.
    pub(super) async fn row_items(
        &self,
        call: &Call<'_>,
        of: &JournalKey,
        slot: &Slot,
        rows: &Projection,
    ) -> Result<Vec<Item>, StoreError> {
        let pk = keys::partition(of);
        let mut items = Vec::with_capacity(1 + rows.tasks.len());
        let apart = |sk: String| move || keys::overflow(slot.nonce, &sk);
        if let Some(row) = &rows.session {
            let mut item = session_item(of, row, slot.seq);
            let content = json(call.operation, row)?;
            self.place(call, &pk, apart(keys::SESSION.to_owned()), content)
                .await?
                .into_item(&mut item, "row");
            items.push(item);
        }
        // An item may be written once in a transaction: the last word on a task holds.
        let tasks: BTreeMap<u32, &TaskRow> = rows.tasks.iter().map(|row| (row.id.ordinal, row)).collect();
        for (ordinal, row) in tasks {
            let mut item = task_item(of, row, slot.seq);
            let content = json(call.operation, row)?;
            self.place(call, &pk, apart(keys::task(ordinal)), content)
                .await?
                .into_item(&mut item, "row");
            items.push(item);
        }
        Ok(items)
    }

    /// The row that an item holds.
    pub(super) async fn row<T: serde::de::DeserializeOwned>(
        &self,
        call: &Call<'_>,
        item: &Item,
    ) -> Result<T, StoreError> {
        let reader = Reader(call.operation);
        let row = self.placed(call, item, "row").await?;
        let row = row.ok_or_else(|| reader.corrupt("an item without its row"))?;
        reader.parsed("a row", &row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use greenroom_kernel::TaskStatus;

    use super::*;
    use crate::testkit::fixture::{at, key_of, session, task};

    /// How often each key of each index is written to: an entry that comes, one that goes, one that moves.
    #[derive(Default)]
    struct Writes(BTreeMap<&'static str, BTreeMap<String, u32>>);

    impl Writes {
        fn put(&mut self, before: Option<&Item>, after: &Item) {
            for (index, partition, sort) in [
                ("table", "pk", "sk"),
                ("lists", "listed", "made"),
                ("owners", "owned", "made"),
                ("work", "work", "when"),
            ] {
                let of = |item: &Item| {
                    let part = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
                    part(partition).zip(part(sort))
                };
                let (old, new) = (before.and_then(of), of(after));
                if index == "table" || old != new {
                    for (key, _) in old.filter(|_| index != "table").into_iter().chain(new) {
                        *self.0.entry(index).or_default().entry(key).or_default() += 1;
                    }
                }
            }
        }

        /// The largest part of an index's writes that one key has.
        fn largest_share(&self, index: &str) -> f64 {
            let keys = &self.0[index];
            let all: u32 = keys.values().sum();
            f64::from(*keys.values().max().unwrap()) / f64::from(all)
        }
    }

    #[test]
    fn no_key_holds_more_than_its_share_of_ten_thousand_sessions_of_one_caller() {
        let mut writes = Writes::default();
        for number in 0..10_000 {
            // Time-ordered, as ours are.
            let of = key_of("dev", &format!("01KCXH{number:020}"));
            let now = 1_795_000_000_000 + number;
            let row = session(&of, now);
            let accepted = task(&of, 0, now);
            let done = |mut row: TaskRow| {
                row.status = TaskStatus::Completed;
                row.updated_at = at(now + 900);
                row
            };
            let (opened, first) = (session_item(&of, &row, 0), task_item(&of, &accepted, 0));
            writes.put(None, &opened);
            writes.put(None, &first);
            writes.put(Some(&opened), &session_item(&of, &row, 2));
            writes.put(Some(&first), &task_item(&of, &done(accepted), 2));
        }
        let even = 1.0 / f64::from(keys::SHARDS);
        assert!(writes.largest_share("table") < 0.001);
        for index in ["lists", "owners", "work"] {
            let share = writes.largest_share(index);
            // Sessions and tasks have keys of their own, but not for work.
            let even = if index == "work" { even } else { even / 2.0 };
            assert!(share < even * 1.2, "{index}: {share}, evenly {even}");
        }
    }
}
