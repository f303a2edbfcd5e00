//! The log of requests, as a caller asks for it: the newest first, and only those that fit. The ledger knows no order but
//! that of time, so the log is looked through, a bounded part of it for a page.

use greenroom_kernel::{
    Failure, Ledger, LedgerId, Page, PageRequest, Principal, RequestQuery, RequestRow, StoreError, Timestamp,
};

/// How many requests are read at once.
const READ_AT_ONCE: u32 = 100;
/// How many are looked through for one page.
const LOOKED_THROUGH: u32 = 2_000;

/// A page of those that fit and that the caller may see.
pub(super) async fn fitting(
    ledger: &dyn Ledger,
    who: &Principal,
    query: &RequestQuery,
    page: PageRequest,
) -> Result<Page<RequestRow>, Failure> {
    let failed = |error: StoreError| Failure::from(&error);
    let wanted = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let fits = |row: &RequestRow| query.fits(row) && who.sees(&row.caller.subject);
    let is_narrow = *query != RequestQuery::default() || !who.sees_all();
    let read_at_once = if is_narrow { READ_AT_ONCE } else { page.limit };
    let (mut rows, mut looked) = (Vec::new(), 0);
    // The end of the time asked for is a place in the log.
    let mut after = page.after.or_else(|| query.until.map(place_before));
    loop {
        let read = PageRequest {
            after: after.clone(),
            limit: read_at_once,
        };
        let found = ledger.requests(&who.tenant, &read).await.map_err(failed)?;
        for row in found.rows {
            if query.from.is_some_and(|from| row.at < from) {
                return Ok(Page { rows, next: None });
            }
            if rows.len() == wanted {
                return Ok(Page { rows, next: after });
            }
            after = Some(named(row.id));
            if fits(&row) {
                rows.push(row);
            }
        }
        looked += read_at_once;
        after = found.next;
        if after.is_none() || rows.len() == wanted || looked >= LOOKED_THROUGH {
            return Ok(Page { rows, next: after });
        }
    }
}

/// Behind this place lies all that ended before a moment.
fn place_before(until: Timestamp) -> String {
    named(LedgerId::first_of(until))
}

/// A place in the log, as ledgers name it.
fn named(id: LedgerId) -> String {
    format!("{:032x}", id.0)
}
