//! Rows that wait to be written, boundedly.

use std::collections::HashMap;
use std::sync::Arc;

use greenroom_kernel::{Caller, FaultClass, LedgerRow, Records, RequestRow, Subject, TenantId, TryKind};

/// How many rows wait as they are: some minutes' worth of a busy process.
const ROWS: usize = 32_768;
/// How many sums of rows wait beyond them.
const SUMS: usize = 4_096;
/// How many bytes of what was said wait. A request beyond them waits without.
const SAID: usize = 32 << 20;

/// By what rows are drawn together.
#[derive(PartialEq, Eq, Hash)]
struct Alike {
    tenant: TenantId,
    subject: Subject,
    key: Option<Arc<str>>,
    provider: Arc<str>,
    model: Arc<str>,
    kind: TryKind,
    fault: Option<FaultClass>,
    estimated: bool,
    priced: bool,
    /// Days are billed apart.
    day: i64,
}

impl Alike {
    fn of(row: &LedgerRow) -> Self {
        Self {
            tenant: row.caller.tenant.clone(),
            subject: row.caller.subject.clone(),
            key: row.caller.key.clone(),
            provider: Arc::clone(&row.provider),
            model: Arc::clone(&row.model),
            kind: row.kind,
            fault: row.fault,
            estimated: row.usage.estimated,
            priced: row.usage.cost_usd.is_some(),
            day: row.at.day(),
        }
    }
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits alone.
    First,
    /// It waits with others.
    More,
    /// It was drawn together with one like it.
    Merged,
    /// It waits without what was said: there was no room for that.
    Bare,
    /// There was no room.
    Lost,
}

/// Rows and requests that wait.
#[derive(Default)]
pub(super) struct Heap {
    records: Records,
    sums: HashMap<Alike, LedgerRow>,
    /// Bytes of what was said.
    said: usize,
}

/// How many bytes of what was said a request keeps.
pub(super) fn said(row: &RequestRow) -> usize {
    let content = row.content.as_ref();
    content.map_or(0, |content| content.asked.len() + content.answered.len())
}

impl Heap {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.sums.is_empty()
    }

    pub(super) fn push(&mut self, row: LedgerRow) -> Pushed {
        let is_first = self.is_empty();
        if self.records.tries.len() < ROWS {
            self.records.tries.push(row);
            return if is_first { Pushed::First } else { Pushed::More };
        }
        let alike = Alike::of(&row);
        if let Some(sum) = self.sums.get_mut(&alike) {
            sum.at = row.at;
            sum.tries = sum.tries.saturating_add(row.tries);
            sum.took_ms = sum.took_ms.saturating_add(row.took_ms);
            sum.usage = sum.usage.plus(row.usage);
            return Pushed::Merged;
        }
        if self.sums.len() >= SUMS {
            return Pushed::Lost;
        }
        let caller = Caller {
            key: row.caller.key.clone(),
            ..Caller::new(row.caller.tenant.clone(), row.caller.subject.clone())
        };
        let sum = LedgerRow {
            caller: Arc::new(caller),
            asked: None,
            first_content_ms: None,
            ..row
        };
        self.sums.insert(alike, sum);
        Pushed::Merged
    }

    pub(super) fn push_request(&mut self, mut row: RequestRow) -> Pushed {
        let is_first = self.is_empty();
        if self.records.requests.len() >= ROWS {
            return Pushed::Lost;
        }
        let is_bare = self.said + said(&row) > SAID;
        if is_bare {
            row.content = None;
        }
        self.said += said(&row);
        self.records.requests.push(row);
        match (is_first, is_bare) {
            (true, _) => Pushed::First,
            (false, true) => Pushed::Bare,
            (false, false) => Pushed::More,
        }
    }

    /// Everything that waits.
    pub(super) fn take(&mut self) -> Records {
        self.said = 0;
        let mut records = std::mem::take(&mut self.records);
        records.tries.extend(self.sums.drain().map(|(_, row)| row));
        records
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{LedgerId, RequestContent, Timestamp, Usage};

    use super::*;

    fn row(who: &str) -> LedgerRow {
        let caller = Caller {
            request: Some("r".into()),
            ..Caller::new(TenantId::parse("acme").unwrap(), Subject::parse(who).unwrap())
        };
        LedgerRow {
            id: LedgerId(1),
            at: Timestamp::from_millis(1),
            caller: Arc::new(caller),
            asked: None,
            assigned: "p/m".into(),
            provider: "p".into(),
            model: "m".into(),
            number: 1,
            kind: TryKind::First,
            fault: None,
            tries: 1,
            took_ms: 1,
            first_content_ms: None,
            usage: Usage {
                input_tokens: 2,
                cost_usd: Some(0.5),
                ..Usage::default()
            },
            estimate_error: None,
            prices: "1".into(),
        }
    }

    #[test]
    fn a_full_heap_draws_rows_together_and_loses_no_token() {
        let mut heap = Heap::default();
        assert_eq!(heap.push(row("ann")), Pushed::First);
        for _ in 1..ROWS {
            assert_eq!(heap.push(row("ann")), Pushed::More);
        }
        for who in ["ann", "bob", "ann"] {
            assert_eq!(heap.push(row(who)), Pushed::Merged);
        }
        let taken = heap.take();
        assert_eq!(taken.tries.len(), ROWS + 2);
        let tries: u64 = taken.tries.iter().map(|row| u64::from(row.tries)).sum();
        let tokens: u64 = taken.tries.iter().map(|row| row.usage.input_tokens).sum();
        assert_eq!((tries, tokens), (ROWS as u64 + 3, 2 * (ROWS as u64 + 3)));
        assert!(heap.is_empty());
    }

    #[test]
    fn what_was_said_is_bounded_by_its_bytes_and_requests_beyond_them_wait_without() {
        let LedgerRow { id, at, caller, .. } = row("ann");
        let request = |bytes: usize| RequestRow {
            id,
            at,
            caller: Arc::clone(&caller),
            asked: None,
            streamed: false,
            served: None,
            tries: 1,
            failure: None,
            took_ms: 1,
            first_content_ms: None,
            usage: Usage::default(),
            content: Some(RequestContent {
                asked: "x".repeat(bytes / 2),
                answered: "x".repeat(bytes / 2),
            }),
        };
        let mut heap = Heap::default();
        assert_eq!(heap.push_request(request(SAID)), Pushed::First);
        assert_eq!(heap.push_request(request(2)), Pushed::Bare);
        assert_eq!(heap.push_request(request(0)), Pushed::More);
        let kept: Vec<_> = heap.take().requests.iter().map(said).collect();
        assert_eq!(kept, [SAID, 0, 0]);
        heap.push_request(request(2));
        assert_eq!(heap.push_request(request(2)), Pushed::More);
    }

    #[test]
    fn sums_are_bounded_too() {
        let mut heap = Heap::default();
        for _ in 0..ROWS {
            heap.push(row("ann"));
        }
        for who in 0..SUMS {
            assert_eq!(heap.push(row(&format!("u{who}"))), Pushed::Merged);
        }
        assert_eq!(heap.push(row("last")), Pushed::Lost);
        assert_eq!(heap.push(row("u1")), Pushed::Merged);
    }
}
