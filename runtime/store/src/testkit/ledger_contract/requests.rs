//! The log of requests.

use std::sync::Arc;

use greenroom_kernel::Records;

use super::Subject;
use super::rows::{page, request, row};
use crate::testkit::fixture::tenant;

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
