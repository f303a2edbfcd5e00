//! Page tokens: the sort key of the last row of a page, so that a list goes on where it stopped, whatever was
//! added meanwhile. Shared by the stores, so that they hand out the same ones.

use greenroom_kernel::{
    AgentRecord, HistoryQuery, LedgerId, LedgerRow, Page, PageRequest, RecordPlace, RequestRow, SessionId,
    SessionRow, StoreError, TaskId, TaskRow, Timestamp,
};

/// Behind which session a page begins.
pub(crate) fn after_session(page: &PageRequest) -> Result<Option<(Timestamp, SessionId)>, StoreError> {
    parse(page, "sessions", |id| SessionId::parse(id).ok())
}

/// Behind which task a page begins.
pub(crate) fn after_task(page: &PageRequest) -> Result<Option<(Timestamp, TaskId)>, StoreError> {
    parse(page, "tasks", |id| TaskId::parse(id).ok())
}

/// Behind which row of the ledger, or which request, a page begins.
pub(crate) fn after_row(page: &PageRequest, operation: &'static str) -> Result<Option<LedgerId>, StoreError> {
    let read = |token: &String| u128::from_str_radix(token, 16).map(LedgerId);
    let after = page.after.as_ref().map(read).transpose();
    after.map_err(|_| StoreError::BadPage { operation })
}

/// Before which place the records of a page begin: behind the page before it, or before the end of what is asked for.
pub(crate) fn begins_before(query: &HistoryQuery, page: &PageRequest) -> Result<RecordPlace, StoreError> {
    let to = RecordPlace::at(query.to);
    let after = page.after.as_deref().map(str::parse::<RecordPlace>).transpose();
    let after = after.map_err(|_| StoreError::BadPage { operation: "history" })?;
    Ok(after.map_or(to.clone(), |after| after.min(to)))
}

fn parse<T>(
    page: &PageRequest,
    operation: &'static str,
    id: impl Fn(&str) -> Option<T>,
) -> Result<Option<(Timestamp, T)>, StoreError> {
    let Some(token) = &page.after else {
        return Ok(None);
    };
    token
        .split_once('.')
        .and_then(|(created, rest)| Some((Timestamp::from_millis(created.parse().ok()?), id(rest)?)))
        .map(Some)
        .ok_or(StoreError::BadPage { operation })
}

/// A row that lists are paged by.
pub(crate) trait Paged {
    /// Where the list stands behind this row.
    fn token(&self) -> String;
}

impl Paged for SessionRow {
    fn token(&self) -> String {
        format!("{}.{}", self.created_at.as_millis(), self.id)
    }
}

impl Paged for TaskRow {
    fn token(&self) -> String {
        format!("{}.{}", self.created_at.as_millis(), self.id)
    }
}

impl Paged for LedgerRow {
    fn token(&self) -> String {
        format!("{:032x}", self.id.0)
    }
}

impl Paged for RequestRow {
    fn token(&self) -> String {
        format!("{:032x}", self.id.0)
    }
}

impl Paged for AgentRecord {
    fn token(&self) -> String {
        self.place().to_string()
    }
}

/// How many rows to fetch for a page: one more tells whether another page follows.
pub(crate) fn fetch(page: &PageRequest) -> usize {
    usize::try_from(page.limit)
        .unwrap_or(usize::MAX)
        .saturating_add(1)
}

/// A page of what was fetched.
pub(crate) fn cut<T: Paged>(mut rows: Vec<T>, page: &PageRequest) -> Page<T> {
    let limit = fetch(page) - 1;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(Paged::token);
    Page { rows, next }
}
