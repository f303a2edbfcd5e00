//! Removing journals whose time is over: by the index of work, oldest first.
//!
//! A journal half removed must not look like one that goes on. Its first slot is made to say that the journal is
//! deleted before anything goes, and goes last, in one transaction with what names the journal as work: until then
//! another sweep does the rest, and behind that the id is free.
//!
//! The journal of a task that ended may have an owner yet, in whatever process: see `retire.rs`.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use greenroom_kernel::{StoreError, Timestamp};

use super::DynamoStore;
use super::call::{Call, Outcome};
use super::item::{Item, Reader, key as item_key, number};
use super::keys::{self, SHARDS, Work};
use super::lists::{WORK, WORK_KEYS};
use super::merge::{Entry, Merged};
use super::parts::sort_keys;
use super::rows::beside_item;
use super::table::{PAGE, Range};

/// How long a journal without slots stays once a sweep has met it, in milliseconds: a day.
const BESIDE_STAYS_MS: i64 = 24 * 3_600 * 1_000;

impl DynamoStore {
    pub(super) async fn sweep_journals(
        &self,
        deleted_before: Timestamp,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let mut swept = 0;
        for (what, before) in [(Work::Hollow, deleted_before), (Work::Ended, ended_before)] {
            swept += self
                .sweep_old(what, before, deleted_before, limit - swept)
                .await?;
        }
        swept += self.sweep_beside(ended_before, limit - swept).await?;
        Ok(swept)
    }

    fn works(what: Work, from: &str, to: &str) -> Merged<'static> {
        let range = |shard| {
            Range::of(
                WORK,
                WORK_KEYS,
                keys::work(what, shard),
                from.to_owned(),
                to.to_owned(),
            )
        };
        Merged::new((0..SHARDS).map(range))
    }

    async fn sweep_old(
        &self,
        what: Work,
        before: Timestamp,
        deleted_before: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let mut works = Self::works(what, "!", &keys::moment(before));
        let (mut swept, mut last, mut trouble) = (0, None, Trouble::default());
        while swept < limit {
            let call = self.call("sweep");
            for entry in works.take(&self.table, &call, PAGE).await? {
                if last.as_ref() == Some(&entry.pk) {
                    continue;
                }
                if swept == limit {
                    return Ok(swept);
                }
                // Each journal has its own time.
                let call = self.call("sweep");
                let went = match what {
                    Work::Hollow => self.remove_hollow(&call, &entry).await,
                    _ => self.retire(&call, &entry.pk, before, deleted_before).await,
                };
                swept += u32::from(trouble.passed(&entry.pk, went)?);
                last = Some(entry.pk);
            }
            if !works.goes_on() {
                break;
            }
        }
        trouble.told(swept)
    }

    async fn remove_hollow(&self, call: &Call<'_>, entry: &Entry) -> Result<bool, StoreError> {
        Ok(self.is_hollow_since(call, entry).await? && self.remove(call, &entry.pk).await?)
    }

    /// Whether the table says what the index told: the journal may be gone, and its id another's.
    async fn is_hollow_since(&self, call: &Call<'_>, entry: &Entry) -> Result<bool, StoreError> {
        let mark = self.table.get(call, &entry.pk, keys::HOLLOW).await?;
        let since = mark.and_then(|mark| Reader(call.operation).optional_text(&mark, "when"));
        Ok(since.as_ref() == Some(&entry.sort))
    }

    /// Removes a journal whole. Tells whether it was there.
    pub(super) async fn remove(&self, call: &Call<'_>, pk: &str) -> Result<bool, StoreError> {
        let key = keys::journal_of(pk);
        let first = self.table.get(call, pk, &keys::slot(0)).await?;
        if first.is_some()
            && let Outcome::Failed { .. } = self
                .table
                .transact(call, vec![self.emptied(call, pk, 0, true)?])
                .await?
        {
            return Ok(false);
        }
        let everything = Range {
            only: Some("sk"),
            newest_first: true,
            ..Range::between(pk, "!".to_owned(), keys::LAST.to_string())
        };
        let slot_0 = keys::slot(0);
        loop {
            let found = sort_keys(&self.table.all(call, &everything).await?);
            // What goes last: one of what names the journal as work is enough.
            let named = |sk: &&String| **sk == keys::HOLLOW || sk.starts_with(keys::TASKS);
            let name = found
                .iter()
                .find(|sk| **sk == keys::HOLLOW)
                .or_else(|| found.iter().find(named));
            let last: Vec<String> = name.cloned().into_iter().chain([slot_0.clone()]).collect();
            let others: Vec<String> = found.iter().filter(|sk| !last.contains(sk)).cloned().collect();
            if others.is_empty() {
                let deletes: Result<Vec<_>, _> = last.iter().map(|sk| self.deleted(call, pk, sk)).collect();
                self.table.transact(call, deletes?).await?;
                break;
            }
            Box::pin(self.remove_with_objects(call, pk, others)).await?;
        }
        if let Some(key) = key {
            self.ends.forget(&key);
        }
        Ok(true)
    }

    fn deleted(&self, call: &Call<'_>, pk: &str, sk: &str) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(item_key(pk, sk)))
            .build()
            .map_err(|error| Reader(call.operation).corrupt(error.to_string()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Journals without slots: those that no sweep has met are marked, those marked long ago go.
    async fn sweep_beside(&self, ended_before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let long_ago = ended_before.as_millis().saturating_sub(BESIDE_STAYS_MS);
        let until = keys::moment(Timestamp::from_millis(long_ago.saturating_add(1)));
        let (mut swept, mut trouble) = (0, Trouble::default());
        let mut old = Self::works(Work::Beside, "!", &until);
        while swept < limit {
            let call = self.call("sweep");
            for entry in old.take(&self.table, &call, PAGE).await? {
                if swept == limit {
                    return Ok(swept);
                }
                let call = self.call("sweep");
                let went = self.remove_beside(&call, &entry).await;
                swept += u32::from(trouble.passed(&entry.pk, went)?);
            }
            if !old.goes_on() {
                break;
            }
        }
        let unmet = keys::LAST.to_string();
        let mut new = Self::works(Work::Beside, &unmet, &format!("{unmet}#{unmet}"));
        loop {
            let call = self.call("sweep");
            for entry in new.take(&self.table, &call, PAGE).await? {
                let call = self.call("sweep");
                self.meet(&call, &entry.pk, ended_before).await?;
            }
            if !new.goes_on() {
                return trouble.told(swept);
            }
        }
    }

    /// Marks a journal without slots as met. One that has slots by now loses its mark.
    async fn meet(&self, call: &Call<'_>, pk: &str, met: Timestamp) -> Result<(), StoreError> {
        let Some(mark) = self.table.get(call, pk, keys::BESIDE).await? else {
            return Ok(());
        };
        let kept: u64 = Reader(call.operation).number(&mark, "kept")?;
        if self.table.get(call, pk, &keys::slot(0)).await?.is_some() {
            return self.unmark(call, pk, kept).await.map(drop);
        }
        let values = [(":kept", number(kept))];
        let condition = ("kept = :kept", &values[..]);
        self.table
            .put(call, beside_item(pk, Some(met), kept), Some(condition))
            .await
            .map(drop)
    }

    async fn unmark(&self, call: &Call<'_>, pk: &str, kept: u64) -> Result<bool, StoreError> {
        self.table
            .delete(call, pk, keys::BESIDE, ("kept = :kept", ":kept", number(kept)))
            .await
    }

    /// Removes what was kept in a journal that never got a slot. A payload that is kept again meanwhile stays: it has
    /// another mark, and may be about to be named.
    async fn remove_beside(&self, call: &Call<'_>, entry: &Entry) -> Result<bool, StoreError> {
        let pk = &entry.pk;
        let reader = Reader(call.operation);
        let range = Range::between(pk, "!".to_owned(), keys::LAST.to_string());
        let found: Vec<Item> = self.table.all(call, &range).await?;
        let sks = sort_keys(&found);
        let Some(mark) = found.iter().zip(&sks).find(|(_, sk)| *sk == keys::BESIDE) else {
            return Ok(false);
        };
        let kept: u64 = reader.number(mark.0, "kept")?;
        if reader.text(mark.0, "when")? != entry.sort {
            // The index told of an older mark.
            return Ok(false);
        }
        if sks.iter().any(|sk| sk.starts_with(keys::SLOTS)) {
            self.unmark(call, pk, kept).await?;
            return Ok(false);
        }
        // The contents go first: left in the middle, the mark still names the journal.
        for (item, sk) in found.iter().zip(&sks).filter(|(_, sk)| *sk != keys::BESIDE) {
            if sk.starts_with(keys::LARGE) {
                Box::pin(self.remove_object(call, pk, item.clone(), true)).await?;
                continue;
            }
            match reader.number::<u64>(item, "kept") {
                Ok(kept) => {
                    let condition = ("kept = :kept", ":kept", number(kept));
                    self.table.delete(call, pk, sk, condition).await?;
                }
                Err(_) => self.table.delete_all(call, pk, std::slice::from_ref(sk)).await?,
            }
        }
        self.unmark(call, pk, kept).await
    }
}

/// Journals that a sweep could not remove: it goes on to those behind them, and tells the first when it is done.
#[derive(Default)]
struct Trouble {
    first: Option<StoreError>,
    met: u32,
}

impl Trouble {
    /// How many journals are passed by. What is refused of so many is refused of all.
    const AT_MOST: u32 = 16;

    /// What came of a journal, whose trouble is its own where somebody refuses: a bucket that is denied, say.
    fn passed(&mut self, pk: &str, went: Result<bool, StoreError>) -> Result<bool, StoreError> {
        match went {
            Err(error @ (StoreError::Refused { .. } | StoreError::Corrupt { .. }))
                if self.met < Self::AT_MOST =>
            {
                tracing::warn!(journal = pk, %error, "a journal whose time is over can't be removed");
                self.met += 1;
                self.first.get_or_insert(error);
                Ok(false)
            }
            went => went,
        }
    }

    fn told(self, swept: u32) -> Result<u32, StoreError> {
        self.first.map_or(Ok(swept), Err)
    }
}
