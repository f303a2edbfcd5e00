//! Both ledgers pass the one contract, and answer alike whatever is done to them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use greenroom_kernel::{Caller, Ledger, LedgerRow, PageRequest, Records, RequestRow, SpendQuery, SpendRow};
use greenroom_store::testkit::fixture::{subject, tenant};
use greenroom_store::testkit::ledger_contract::{request, row};
use greenroom_store::{MemoryLedger, SqliteOptions, SqliteStore, ledger_contract};
use proptest::prelude::*;

ledger_contract! { memory => async || (Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>, ()) }

ledger_contract! { sqlite => async || {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("new/greenroom.db"), SqliteOptions::default()).unwrap();
    (Arc::new(store) as Arc<dyn Ledger>, folder)
} }

/// What is done to both.
#[derive(Debug, Clone)]
enum Op {
    /// These rows are recorded together: of a tenant, at a moment, in this order.
    Record(Vec<(u8, u64)>),
    /// Everything of before goes, so many at a time.
    Sweep(u64, u32),
}

fn any_op() -> impl Strategy<Value = Op> {
    let rows = proptest::collection::vec((0..2_u8, 0..60_u64), 0..24);
    prop_oneof![
        6 => rows.prop_map(Op::Record),
        1 => (0..60_u64, 1..9_u32).prop_map(|(before, limit)| Op::Sweep(before, limit)),
    ]
}

fn records(rows: &[(u8, u64)]) -> Records {
    let caller = |of: u8| {
        Arc::new(Caller::new(
            tenant(["acme", "bolt"][usize::from(of)]),
            subject("ann"),
        ))
    };
    let tries = rows.iter().map(|(of, id)| LedgerRow {
        caller: caller(*of),
        ..row(*id)
    });
    let requests = rows.iter().map(|(of, id)| RequestRow {
        caller: caller(*of),
        ..request(*id)
    });
    Records {
        tries: tries.collect(),
        requests: requests.collect(),
    }
}

async fn apply(ledger: &dyn Ledger, op: &Op) -> u32 {
    match op {
        Op::Record(rows) => {
            ledger.record(Arc::new(records(rows))).await.unwrap();
            0
        }
        Op::Sweep(before, limit) => {
            let before = row(*before).at;
            let mut swept = 0;
            loop {
                let some = ledger.sweep_requests(before, *limit).await.unwrap();
                assert!(some <= *limit);
                swept += some;
                if some == 0 {
                    return swept;
                }
            }
        }
    }
}

/// Everything that can be asked, page by page.
async fn told(ledger: &dyn Ledger, limit: u32) -> (Vec<LedgerRow>, Vec<RequestRow>, Vec<SpendRow>) {
    let (mut tries, mut requests, mut sums) = (Vec::new(), Vec::new(), Vec::new());
    for of in ["acme", "bolt"].map(tenant) {
        let mut page = PageRequest { after: None, limit };
        loop {
            let told = ledger.tries(&of, &page).await.unwrap();
            tries.extend(told.rows);
            page.after = told.next;
            if page.after.is_none() {
                break;
            }
        }
        loop {
            let told = ledger.requests(&of, &page).await.unwrap();
            requests.extend(told.rows);
            page.after = told.next;
            if page.after.is_none() {
                break;
            }
        }
        let all = SpendQuery {
            from: "1970-01-01".into(),
            to: "2999-01-01".into(),
            group_by: Vec::new(),
            limit: 9,
        };
        sums.extend(ledger.spend(&of, &all).await.unwrap());
    }
    (tries, requests, sums)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_recorded_in_whatever_order_both_ledgers_tell_the_same(
        ops in proptest::collection::vec(any_op(), 1..16),
        limit in 1..30_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("greenroom.db"), SqliteOptions::default()).unwrap();
        let memory = MemoryLedger::new();
        for op in &ops {
            let (one, other) = (runtime.block_on(apply(&store, op)), runtime.block_on(apply(&memory, op)));
            prop_assert_eq!(one, other);
        }
        let (one, other) = (runtime.block_on(told(&store, limit)), runtime.block_on(told(&memory, limit)));
        prop_assert_eq!(one, other);
    }
}
