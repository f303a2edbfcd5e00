//! Tries: kept once, read back whole, each tenant's apart.

use std::sync::Arc;

use greenroom_kernel::{Caller, LedgerRow, Records, RequestRow, StoreError};
use tokio::task::JoinSet;

use super::Subject;
use super::rows::{all, full, keep, page, request, row};
use crate::testkit::fixture::{subject, tenant};

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
