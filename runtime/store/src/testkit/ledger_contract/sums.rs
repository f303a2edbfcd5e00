//! Sums over tries.

use std::sync::Arc;

use greenroom_kernel::{Caller, LedgerId, LedgerRow, SpendDimension, SpendGroup, SpendQuery, TryKind};

use super::Subject;
use super::rows::{DAY, all, full, keep, row};
use crate::testkit::fixture::{at, subject, tenant};

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

pub async fn a_report_has_the_sum_of_all_and_says_whether_there_are_more(ledger: &Subject) {
    let of_day = |day: i64| LedgerRow {
        at: at(day * DAY),
        id: LedgerId(u128::try_from(day).unwrap()),
        ..row(0)
    };
    keep(ledger, (1..4).map(of_day).collect()).await;
    for (limit, rows, more) in [(2, 2, true), (3, 3, false)] {
        let query = SpendQuery {
            limit,
            ..all(&[SpendDimension::Day])
        };
        let report = ledger.report(&tenant("acme"), &query).await.unwrap();
        assert_eq!(
            (report.rows.len(), report.more, report.total.tries),
            (rows, more, 3)
        );
    }
}

/// What can't be added up is refused for what it is, or added up to what fits: never is it the ledger that seems away, so
/// that it would be sent again for ever.
pub async fn sums_that_are_larger_than_fits_hold_up_no_other(ledger: &Subject) {
    let endless = |id| {
        let mut row = row(id);
        row.usage.input_tokens = u64::MAX;
        row
    };
    for id in [1, 2] {
        let records = greenroom_kernel::Records {
            tries: vec![endless(id)],
            requests: Vec::new(),
        };
        if let Err(error) = ledger.record(Arc::new(records)).await {
            assert!(error.is_of_content(), "{error}");
        }
    }
    let mut other = row(3);
    other.model = "gpt-6".into();
    keep(ledger, vec![other]).await;
    let sums = ledger
        .spend(&tenant("acme"), &all(&[SpendDimension::Model]))
        .await;
    assert!(
        sums.unwrap()
            .iter()
            .any(|row| row.group.model.as_deref() == Some("gpt-6"))
    );
}
