//! What the cases write and ask for.

use std::sync::Arc;

use greenroom_kernel::{
    Caller, ErrorCode, FaultClass, LedgerId, LedgerRow, PageRequest, Records, RequestContent, RequestRow,
    SessionId, SpendDimension, SpendQuery, TaskId, TryKind, Usage,
};

use super::Subject;
use crate::testkit::fixture::{at, subject, tenant};

pub(super) const DAY: i64 = 86_400_000;

/// A try of `acme`'s `ann` on the 2nd of January 1970.
pub fn row(id: u64) -> LedgerRow {
    let moment = at(DAY + i64::try_from(id).unwrap());
    LedgerRow {
        id: LedgerId(LedgerId::first_of(moment).0 + 7),
        at: moment,
        caller: Arc::new(Caller::new(tenant("acme"), subject("ann"))),
        asked: None,
        assigned: "openai/gpt-5".into(),
        provider: "openai".into(),
        model: "gpt-5".into(),
        number: 1,
        kind: TryKind::First,
        fault: None,
        tries: 1,
        took_ms: 12,
        first_content_ms: None,
        usage: Usage {
            input_tokens: 10,
            output_tokens: 5,
            cost_usd: Some(0.000_25),
            ..Usage::default()
        },
        estimate_error: None,
        prices: "1".into(),
    }
}

pub(super) fn full(id: u64) -> LedgerRow {
    let session = SessionId::parse("s1").unwrap();
    LedgerRow {
        caller: Arc::new(Caller {
            key: Some("laptop".into()),
            task: Some(TaskId {
                journal: session.clone(),
                ordinal: 3,
            }),
            session: Some(session),
            request: Some("r-1".into()),
            ..Caller::new(tenant("acme"), subject("ann"))
        }),
        asked: Some("smart".into()),
        number: 3,
        kind: TryKind::Failover,
        fault: Some(FaultClass::ContextLength),
        tries: 4,
        first_content_ms: Some(3),
        usage: Usage {
            input_tokens: 1,
            cached_input_tokens: 2,
            cache_write_tokens: 3,
            output_tokens: 4,
            reasoning_tokens: 5,
            cost_usd: None,
            estimated: true,
        },
        estimate_error: Some(0.125),
        ..row(id)
    }
}

/// The request of that try, with what was said.
pub fn request(id: u64) -> RequestRow {
    let row = row(id);
    RequestRow {
        id: row.id,
        at: row.at,
        caller: row.caller,
        asked: Some("smart".into()),
        streamed: true,
        served: Some(("openai".into(), "gpt-5".into())),
        tries: 2,
        failure: Some(ErrorCode::ProviderFailed),
        took_ms: 9,
        first_content_ms: Some(1),
        usage: row.usage,
        content: Some(RequestContent {
            asked: "why?".into(),
            answered: "\"because\"".into(),
        }),
    }
}

pub(super) async fn keep(ledger: &Subject, tries: Vec<LedgerRow>) {
    let requests = Vec::new();
    ledger
        .record(Arc::new(Records { tries, requests }))
        .await
        .unwrap();
}

pub(super) fn page(after: Option<String>, limit: u32) -> PageRequest {
    PageRequest { after, limit }
}

pub(super) fn all(group_by: &[SpendDimension]) -> SpendQuery {
    SpendQuery {
        from: "1970-01-01".into(),
        to: "2999-01-01".into(),
        group_by: group_by.to_vec(),
        limit: 100,
    }
}
