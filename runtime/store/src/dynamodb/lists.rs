//! Lists of sessions and tasks. An index says which rows and in which order; the rows themselves are read from the
//! table, so that a row that changes costs no index anything, and is shown as it is now.

use std::collections::HashMap;

use greenroom_kernel::{
    JournalKey, PageRequest, SessionId, SessionQuery, SessionRow, StoreError, TaskId, TaskQuery, TaskRow,
    TenantId, Timestamp,
};
use serde::de::DeserializeOwned;

use super::DynamoStore;
use super::call::Call;
use super::item::{Item, Reader};
use super::keys::{self, Kind, SHARDS, Work};
use super::merge::Merged;
use super::table::{PAGE, Range};
use crate::page::fetch;

const LISTS: &str = "lists";
const OWNERS: &str = "owners";
const CHILDREN: &str = "children";
pub(super) const WORK: &str = "work";

/// The keys of the index of work.
pub(super) const WORK_KEYS: (&str, &str) = ("work", "when");

/// Which part of a list is wanted, as texts that its index is sorted by.
struct Window {
    from: String,
    /// Nothing at or behind this.
    below: String,
}

impl Window {
    fn new(after: Option<String>, from: Option<Timestamp>, before: Option<Timestamp>) -> Self {
        let below = [after, before.map(keys::moment)];
        Self {
            // No moment sorts before this one.
            from: from.map_or_else(|| keys::moment(Timestamp::from_millis(i64::MIN)), keys::moment),
            below: below
                .into_iter()
                .flatten()
                .min()
                .unwrap_or_else(|| keys::LAST.to_string()),
        }
    }

    fn range<'r>(&self, index: &'r str, keys: (&'r str, &'r str), partition: String) -> Range<'r> {
        Range::of(index, keys, partition, self.from.clone(), self.below.clone()).newest_first()
    }
}

impl DynamoStore {
    pub(super) async fn list_sessions(
        &self,
        call: &Call<'_>,
        tenant: &TenantId,
        query: &SessionQuery,
        after: Option<(Timestamp, SessionId)>,
        page: &PageRequest,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let after = after.map(|(created, id)| keys::session_made(created, &id));
        let window = Window::new(after, query.created_after, query.created_before);
        let ranges = (0..SHARDS).map(|shard| match &query.subject {
            Some(subject) => {
                let partition = keys::owned(Kind::Sessions, tenant, subject, shard);
                window.range(OWNERS, ("owned", "made"), partition)
            }
            None => window.range(
                LISTS,
                ("listed", "made"),
                keys::listed(Kind::Sessions, tenant, shard),
            ),
        });
        let title = query.title.as_ref().map(|title| title.to_ascii_lowercase());
        let fits = |row: &SessionRow| {
            let titled = |part: &String| {
                row.title
                    .as_ref()
                    .is_some_and(|title| title.to_ascii_lowercase().contains(part))
            };
            !row.deleted
                && query
                    .subject
                    .as_ref()
                    .is_none_or(|subject| row.subject == *subject)
                && title.as_ref().is_none_or(titled)
        };
        self.listed(call, Merged::new(ranges), &window.below, fits, page)
            .await
    }

    pub(super) async fn list_tasks(
        &self,
        call: &Call<'_>,
        tenant: &TenantId,
        query: &TaskQuery,
        after: Option<(Timestamp, TaskId)>,
        page: &PageRequest,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let fits = |row: &TaskRow| {
            query
                .subject
                .as_ref()
                .is_none_or(|subject| row.subject == *subject)
                && query
                    .journal
                    .as_ref()
                    .is_none_or(|journal| row.id.journal == *journal)
                && query.status.is_none_or(|status| row.status == status)
                && query
                    .parent
                    .as_ref()
                    .is_none_or(|parent| row.parent.as_ref() == Some(parent))
        };
        if let Some(journal) = &query.journal {
            let key = JournalKey {
                tenant: tenant.clone(),
                journal: journal.clone(),
            };
            return self
                .tasks_of(call, &key, after.map(|(_, id)| id.ordinal), fits, page)
                .await;
        }
        let after = after.map(|(created, id)| keys::task_made(created, &id));
        let window = Window::new(after, None, None);
        let merged = match (&query.parent, &query.subject) {
            (Some(parent), _) => {
                let partition = keys::children(tenant, parent);
                Merged::new([window.range(CHILDREN, ("parent", "made"), partition)])
            }
            (None, Some(subject)) => Merged::new((0..SHARDS).map(|shard| {
                let partition = keys::owned(Kind::Tasks, tenant, subject, shard);
                window.range(OWNERS, ("owned", "made"), partition)
            })),
            (None, None) => Merged::new((0..SHARDS).map(|shard| {
                window.range(
                    LISTS,
                    ("listed", "made"),
                    keys::listed(Kind::Tasks, tenant, shard),
                )
            })),
        };
        self.listed(call, merged, &window.below, fits, page).await
    }

    /// The tasks of one journal, newest first: by ordinal, which is the order they were accepted in.
    async fn tasks_of(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        below: Option<u32>,
        fits: impl Fn(&TaskRow) -> bool,
        page: &PageRequest,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let to = match below.map(|below| below.checked_sub(1)) {
            Some(None) => return Ok(Vec::new()),
            Some(Some(to)) => to,
            None => u32::MAX,
        };
        let range = Range {
            consistent: false,
            ..Range::between(&keys::partition(key), keys::task(0), keys::task(to)).newest_first()
        };
        let (limit, mut start, mut rows) = (fetch(page), None, Vec::new());
        while rows.len() < limit {
            let part = self
                .table
                .page(call, &range, start, (limit - rows.len()).min(PAGE))
                .await?;
            for item in &part.items {
                let row: TaskRow = self.table.row(call, item).await?;
                if fits(&row) {
                    rows.push(row);
                }
            }
            match part.next {
                Some(next) => start = Some(next),
                None => break,
            }
        }
        Ok(rows)
    }

    /// The rows that a list's entries name, as far as they fit, until there are enough for the page. They are read as
    /// consistently as the entries.
    pub(super) async fn listed<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        mut entries: Merged<'_>,
        below: &str,
        fits: impl Fn(&T) -> bool,
        page: &PageRequest,
    ) -> Result<Vec<T>, StoreError> {
        let (limit, mut rows) = (fetch(page), Vec::new());
        while rows.len() < limit {
            let wanted = (limit - rows.len()).clamp(16, 100);
            let named = entries.take(&self.table, call, wanted).await?;
            if named.is_empty() {
                break;
            }
            let keys: Vec<_> = named
                .into_iter()
                .filter(|entry| *entry.sort < *below)
                .map(|entry| (entry.pk, entry.sk))
                .collect();
            let mut found = self.by_key(call, &keys, entries.is_consistent()).await?;
            for key in &keys {
                // One that is gone since is passed over.
                let Some(item) = found.remove(key) else { continue };
                let row: T = self.table.row(call, &item).await?;
                if fits(&row) {
                    rows.push(row);
                }
            }
        }
        rows.truncate(limit);
        Ok(rows)
    }

    async fn by_key(
        &self,
        call: &Call<'_>,
        keys: &[(String, String)],
        consistent: bool,
    ) -> Result<HashMap<(String, String), Item>, StoreError> {
        let reader = Reader(call.operation);
        let items = self.table.get_all(call, keys, consistent).await?;
        items
            .into_iter()
            .map(|item| Ok(((reader.text(&item, "pk")?, reader.text(&item, "sk")?), item)))
            .collect()
    }

    /// Journals that need somebody, in key order.
    pub(super) async fn list_open(
        &self,
        call: &Call<'_>,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Result<Vec<JournalKey>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // Behind everything of the journal itself.
        let from = after.map_or_else(
            || "#".to_owned(),
            |key| format!("{}#{}", keys::partition(key), keys::LAST),
        );
        let ranges = (0..SHARDS).map(|shard| Range {
            filter: Some((
                "due <= :now",
                vec![(":now", super::item::number(now.as_millis()))],
            )),
            ..Range::of(
                WORK,
                WORK_KEYS,
                keys::work(Work::Open, shard),
                from.clone(),
                keys::LAST.to_string(),
            )
        });
        let mut merged = Merged::new(ranges);
        let mut journals: Vec<JournalKey> = Vec::new();
        loop {
            let entries = merged
                .take(&self.table, call, (limit - journals.len()).clamp(1, PAGE))
                .await?;
            if entries.is_empty() {
                return Ok(journals);
            }
            for entry in entries {
                let key = keys::journal_of(&entry.pk).ok_or_else(|| {
                    Reader(call.operation).corrupt(format!("{} names no journal", entry.pk))
                })?;
                if journals.last() != Some(&key) {
                    if journals.len() == limit {
                        return Ok(journals);
                    }
                    journals.push(key);
                }
            }
        }
    }
}
