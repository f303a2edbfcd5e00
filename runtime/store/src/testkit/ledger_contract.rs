//! The ledger's contract suite: what every ledger must do, one named case each.
//!
//! [`ledger_contract!`](crate::ledger_contract) makes a test of every case. Each begins with an empty ledger.
#![allow(missing_docs, reason = "a case's name says what it shows")]

use std::sync::Arc;

use greenroom_kernel::{
    About, Budget, BudgetId, BudgetWindow, Caller, ErrorCode, FaultClass, Ledger, LedgerId, LedgerRow,
    PageRequest, Records, RequestContent, RequestRow, SessionId, SpendDimension, SpendGroup, SpendQuery,
    StoreError, TaskId, TryKind, Usage,
};
use tokio::task::JoinSet;

use super::fixture::{at, subject, tenant};

/// A ledger as the cases see it.
pub type Subject = Arc<dyn Ledger>;

const DAY: i64 = 86_400_000;

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

fn full(id: u64) -> LedgerRow {
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

async fn keep(ledger: &Subject, tries: Vec<LedgerRow>) {
    let requests = Vec::new();
    ledger
        .record(Arc::new(Records { tries, requests }))
        .await
        .unwrap();
}

fn page(after: Option<String>, limit: u32) -> PageRequest {
    PageRequest { after, limit }
}

fn all(group_by: &[SpendDimension]) -> SpendQuery {
    SpendQuery {
        from: "1970-01-01".into(),
        to: "2999-01-01".into(),
        group_by: group_by.to_vec(),
        limit: 100,
    }
}

pub async fn tries_are_read_back_whole_the_newest_first_page_by_page(ledger: &Subject) {
    let rows = vec![row(1), full(2), row(3)];
    keep(ledger, vec![rows[1].clone()]).await;
    keep(ledger, vec![rows[0].clone(), rows[2].clone()]).await;
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let found = ledger.tries(&tenant("acme"), &page(after, 2)).await.unwrap();
        seen.extend(found.rows);
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    seen.reverse();
    assert_eq!(seen, rows);
}

pub async fn a_row_that_is_sent_again_counts_once(ledger: &Subject) {
    keep(ledger, vec![row(1), row(2)]).await;
    keep(ledger, vec![row(2), row(3), row(3)]).await;
    let rows = ledger.tries(&tenant("acme"), &page(None, 10)).await.unwrap().rows;
    assert_eq!(rows.len(), 3);
    let spent = ledger.spend(&tenant("acme"), &all(&[])).await.unwrap();
    assert_eq!(
        (spent.len(), spent[0].spent.tries, spent[0].spent.input),
        (1, 3, 30)
    );
}

pub async fn sums_keep_classes_apart_and_tell_what_failed_is_estimated_or_has_no_price(ledger: &Subject) {
    let nothing = ledger.spend(&tenant("acme"), &all(&[])).await.unwrap();
    assert_eq!((nothing.len(), nothing[0].spent.tries), (1, 0));
    assert_eq!(
        ledger
            .spend(&tenant("acme"), &all(&[SpendDimension::Day]))
            .await
            .unwrap(),
        []
    );
    keep(ledger, vec![row(1), full(2)]).await;
    let spent = ledger.spend(&tenant("acme"), &all(&[])).await.unwrap()[0].spent;
    assert_eq!((spent.tries, spent.failed), (5, 4));
    let classes = (
        spent.input,
        spent.cached_input,
        spent.cache_write,
        spent.output,
        spent.reasoning,
    );
    assert_eq!(classes, (11, 2, 3, 9, 5));
    assert_eq!(
        (spent.cost_nanos, spent.unpriced, spent.estimated),
        (250_000, 15, 15)
    );
}

pub async fn sums_are_by_every_dimension_the_dearest_first(ledger: &Subject) {
    let by = |id: u64, who: &str, change: fn(&mut LedgerRow)| {
        let mut row = row(id);
        row.caller = Arc::new(Caller {
            key: (who == "bob").then(|| "k".into()),
            ..Caller::new(tenant("acme"), subject(who))
        });
        change(&mut row);
        row
    };
    let rows = vec![
        by(1, "ann", |_| {}),
        by(2, "bob", |row| row.usage.cost_usd = Some(1.0)),
        by(3, "ann", |row| row.kind = TryKind::Hedge),
        by(4, "ann", |row| row.model = "gpt-6".into()),
        by(5, "ann", |row| row.provider = "azure".into()),
        by(6, "ann", |row| row.at = at(40 * DAY)),
    ];
    keep(ledger, rows).await;
    let group = async |dimensions: &[SpendDimension]| {
        let rows = ledger.spend(&tenant("acme"), &all(dimensions)).await.unwrap();
        rows.into_iter()
            .map(|row| (row.group, row.spent.tries))
            .collect::<Vec<_>>()
    };
    let of = |change: fn(&mut SpendGroup)| {
        let mut group = SpendGroup::default();
        change(&mut group);
        group
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        group(&[SpendDimension::Subject]).await,
        [
            (of(|g| g.subject = Some("bob".into())), 1),
            (of(|g| g.subject = Some("ann".into())), 5)
        ]
    );
    let keys = group(&[SpendDimension::Key]).await;
    assert_eq!(
        keys.iter().map(|(g, n)| (g.key.clone(), *n)).collect::<Vec<_>>(),
        [(text("k"), 1), (None, 5)]
    );
    assert_eq!(
        group(&[SpendDimension::Month, SpendDimension::Kind]).await,
        [
            (
                of(|g| (g.month, g.kind) = (Some("1970-01".into()), Some("first".into()))),
                4
            ),
            (
                of(|g| (g.month, g.kind) = (Some("1970-01".into()), Some("hedge".into()))),
                1
            ),
            (
                of(|g| (g.month, g.kind) = (Some("1970-02".into()), Some("first".into()))),
                1
            ),
        ]
    );
    assert_eq!(
        group(&[SpendDimension::Provider, SpendDimension::Model]).await,
        [
            (
                of(|g| (g.provider, g.model) = (Some("openai".into()), Some("gpt-5".into()))),
                4
            ),
            (
                of(|g| (g.provider, g.model) = (Some("azure".into()), Some("gpt-5".into()))),
                1
            ),
            (
                of(|g| (g.provider, g.model) = (Some("openai".into()), Some("gpt-6".into()))),
                1
            ),
        ]
    );
    let days = group(&[SpendDimension::Day]).await;
    assert_eq!(
        days.iter().map(|(g, _)| g.day.clone()).collect::<Vec<_>>(),
        [text("1970-01-02"), text("1970-02-10")]
    );
    let few = SpendQuery {
        limit: 1,
        ..all(&[SpendDimension::Day])
    };
    assert_eq!(ledger.spend(&tenant("acme"), &few).await.unwrap().len(), 1);
}

pub async fn sums_begin_and_end_with_the_days_asked_for(ledger: &Subject) {
    let of_day = |day: i64| LedgerRow {
        at: at(day * DAY),
        id: LedgerId(u128::try_from(day).unwrap()),
        ..row(0)
    };
    keep(ledger, (1..6).map(of_day).collect()).await;
    let query = SpendQuery {
        from: "1970-01-03".into(),
        to: "1970-01-05".into(),
        ..all(&[])
    };
    assert_eq!(
        ledger.spend(&tenant("acme"), &query).await.unwrap()[0]
            .spent
            .tries,
        2
    );
}

pub async fn tenants_see_nothing_of_each_other_s_costs(ledger: &Subject) {
    let mut requests = vec![request(1)];
    let theirs = Arc::new(Caller::new(tenant("bolt"), subject("ann")));
    requests.push(RequestRow {
        caller: Arc::clone(&theirs),
        ..request(1)
    });
    let tries = vec![
        row(1),
        LedgerRow {
            caller: theirs,
            ..row(1)
        },
    ];
    ledger
        .record(Arc::new(Records { tries, requests }))
        .await
        .unwrap();
    for who in ["acme", "bolt"] {
        let who = tenant(who);
        assert_eq!(ledger.spend(&who, &all(&[])).await.unwrap()[0].spent.tries, 1);
        let tries = ledger.tries(&who, &page(None, 9)).await.unwrap().rows;
        assert_eq!((tries.len(), &tries[0].caller.tenant), (1, &who));
        let requests = ledger.requests(&who, &page(None, 9)).await.unwrap().rows;
        assert_eq!((requests.len(), &requests[0].caller.tenant), (1, &who));
    }
    assert_eq!(
        ledger.tries(&tenant("none"), &page(None, 9)).await.unwrap().rows,
        []
    );
}

pub async fn requests_are_read_back_and_swept_by_age_some_at_a_time(ledger: &Subject) {
    let requests: Vec<_> = (1..=5).map(request).collect();
    let tries = vec![row(1)];
    ledger
        .record(Arc::new(Records {
            tries,
            requests: requests.clone(),
        }))
        .await
        .unwrap();
    let again = Records {
        requests: vec![requests[0].clone()],
        ..Records::default()
    };
    ledger.record(Arc::new(again)).await.unwrap();
    let left = async || {
        let mut rows = ledger
            .requests(&tenant("acme"), &page(None, 9))
            .await
            .unwrap()
            .rows;
        rows.reverse();
        rows
    };
    assert_eq!(left().await, requests);
    let before = requests[3].at;
    let mut swept = Vec::new();
    for _ in 0..3 {
        swept.push(ledger.sweep_requests(before, 2).await.unwrap());
    }
    assert_eq!(swept, [2, 1, 0]);
    assert_eq!(left().await, requests[3..]);
    assert_eq!(
        ledger
            .tries(&tenant("acme"), &page(None, 9))
            .await
            .unwrap()
            .rows
            .len(),
        1
    );
}

pub async fn budgets_are_kept_replaced_and_removed(ledger: &Subject) {
    let budget = |of: &str, id: &str, limit| Budget {
        id: BudgetId::parse(id).unwrap(),
        tenant: tenant(of),
        subject: About::Each,
        key: About::One("laptop".into()),
        model: About::All,
        window: BudgetWindow::Month,
        limit_nanos: Some(limit),
        limit_tokens: None,
        hard: true,
        configured: false,
    };
    for kept in [
        budget("acme", "a", 1),
        budget("bolt", "a", 2),
        budget("acme", "b", 3),
        budget("acme", "a", 4),
    ] {
        ledger.put_budget(&kept).await.unwrap();
    }
    let b = BudgetId::parse("b").unwrap();
    assert!(ledger.remove_budget(&tenant("acme"), &b).await.unwrap());
    assert!(!ledger.remove_budget(&tenant("acme"), &b).await.unwrap());
    assert_eq!(
        ledger.budgets().await.unwrap(),
        [budget("acme", "a", 4), budget("bolt", "a", 2)]
    );
}

pub async fn what_64_writers_record_at_once_is_all_there(ledger: &Subject) {
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let ledger = Arc::clone(ledger);
        writers.spawn(async move { keep(&ledger, (0..4).map(|n| row(writer * 4 + n)).collect()).await });
    }
    writers.join_all().await;
    let spent = ledger.spend(&tenant("acme"), &all(&[])).await.unwrap()[0].spent;
    assert_eq!(
        (spent.tries, spent.output, spent.cost_nanos),
        (256, 1_280, 64_000_000)
    );
    assert_eq!(
        ledger
            .tries(&tenant("acme"), &page(None, 999))
            .await
            .unwrap()
            .rows
            .len(),
        256
    );
}

pub async fn a_place_in_the_ledger_that_no_page_gave_is_refused(ledger: &Subject) {
    let nonsense = page(Some("nonsense".into()), 1);
    let refused = ledger.tries(&tenant("acme"), &nonsense).await;
    assert!(matches!(refused, Err(StoreError::BadPage { .. })), "{refused:?}");
    let refused = ledger.requests(&tenant("acme"), &nonsense).await;
    assert!(matches!(refused, Err(StoreError::BadPage { .. })), "{refused:?}");
}

/// Makes a module `$name` with one test for every case of the contract. `$make` is a closure that returns a
/// future of the ledger (an `Arc<dyn Ledger>`) and anything that must live as long as it. The form `in turn` is that of
/// [`store_contract!`](crate::store_contract).
///
/// The crate that uses it needs `tokio` with `macros` and `rt-multi-thread`, and for the form `in turn` `futures`.
#[macro_export]
macro_rules! ledger_contract {
    ($name:ident => $make:expr) => {
        $crate::ledger_contract! { @list (each $name, $make) }
    };
    (in turn, $name:ident($from:ident: $of:ty) => $make:expr) => {
        $crate::ledger_contract! { @list (turn $name, $from, $of, $make) }
    };
    (@list ($($how:tt)*)) => {
        $crate::ledger_contract! { @($($how)*)
            tries_are_read_back_whole_the_newest_first_page_by_page
            a_row_that_is_sent_again_counts_once
            sums_keep_classes_apart_and_tell_what_failed_is_estimated_or_has_no_price
            sums_are_by_every_dimension_the_dearest_first
            sums_begin_and_end_with_the_days_asked_for
            tenants_see_nothing_of_each_other_s_costs
            requests_are_read_back_and_swept_by_age_some_at_a_time
            budgets_are_kept_replaced_and_removed
            what_64_writers_record_at_once_is_all_there
            a_place_in_the_ledger_that_no_page_gave_is_refused
        }
    };
    (@(each $name:ident, $make:expr) $($case:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (ledger, _guard) = ($make)().await;
                    $crate::testkit::ledger_contract::$case(&ledger).await;
                }
            )*
        }
    };
    (@(turn $name:ident, $from:ident, $of:ty, $make:expr) $($case:ident)*) => {
        async fn $name($from: &$of) {
            let mut failed: Vec<&str> = Vec::new();
            $(
                let (ledger, _guard) = ($make)($from).await;
                let case = ::std::panic::AssertUnwindSafe($crate::testkit::ledger_contract::$case(&ledger));
                if ::futures::FutureExt::catch_unwind(case).await.is_err() {
                    failed.push(stringify!($case));
                }
            )*
            assert!(failed.is_empty(), "these cases failed: {failed:#?}");
        }
    };
}
