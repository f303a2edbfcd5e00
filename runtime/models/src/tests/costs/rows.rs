use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Moody, Shop, paid, priced, spend, who};
use crate::GATHER;
use crate::tests::script::{Act, Scripted, USED, refuses, says, streams};
use crate::tests::serving::wire;
use crate::tests::world::{context, request};

#[tokio::test(start_paused = true)]
async fn every_try_is_a_row_of_its_caller_with_what_it_was_assigned_and_what_served_it() {
    let b = Scripted::new("b", vec![refuses(FaultClass::Throttled)]);
    let a = Scripted::new("a", vec![says("hello")]);
    let shop = Shop::open(priced(&[&b, &a]), vec![]).await;
    shop.world.call_with(&request(), &paid()).await.result.unwrap();
    let rows = shop.rows().await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                &*row.assigned,
                &*row.provider,
                &*row.model,
                row.number,
                row.kind,
                row.fault,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "b/b-m",
                "b",
                "b-m",
                1,
                TryKind::First,
                Some(FaultClass::Throttled)
            ),
            ("b/b-m", "a", "a-m", 2, TryKind::Failover, None),
        ]
    );
    assert_eq!(rows[0].usage, Usage::default());
    assert_eq!(
        rows[1].usage,
        Usage {
            cost_usd: Some(20.0),
            ..USED
        }
    );
    assert_eq!(
        (&*rows[1].prices, rows[1].caller.request.as_deref()),
        ("7", Some("r-1"))
    );
    let report = shop
        .accounts
        .spend(&who(), spend(&[SpendDimension::Kind]))
        .await
        .unwrap();
    assert_eq!(
        (report.total.tries, report.total.failed, report.rows.len()),
        (2, 1, 2)
    );
    // 6 and 2 tokens were estimated where 10 and 5 were told.
    assert!((report.estimators[0].ratio - 15.0 / 8.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_nobody_is_nobody_s_row() {
    let a = Scripted::new("a", vec![says("hello")]);
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    shop.world.call_with(&request(), &context()).await.result.unwrap();
    assert_eq!(shop.rows().await, []);
    assert_eq!(shop.requests().await, []);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_pays_for_what_came_by_estimate() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("12345678"), Act::Hang])]);
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    let asked = request();
    let context = paid();
    tokio::time::timeout(Duration::from_secs(1), shop.world.call_with(&asked, &context))
        .await
        .err()
        .unwrap();
    let rows = shop.rows().await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.fault, row.usage.estimated),
        (Some(FaultClass::Cancelled), true)
    );
    assert_eq!((row.usage.input_tokens, row.usage.output_tokens), (6, 2));
    assert_eq!(row.estimate_error, None);
    let requests = shop.requests().await;
    assert_eq!(requests[0].failure, Some(ErrorCode::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_with_the_last_piece_pays_what_the_provider_reported() {
    let script = streams(&[Act::Say("hello"), Act::End(Some(USED))]);
    let a = Scripted::new("a", vec![script]).relaying();
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    let served = Arc::clone(&shop.world.router)
        .serve(wire(true), paid())
        .await
        .unwrap();
    let ServedAnswer::Relayed { mut pieces, .. } = served.answer else {
        panic!("not relayed");
    };
    for wanted in ["hello", "end"] {
        assert_eq!(pieces.next().await.unwrap().unwrap(), wanted);
    }
    drop(pieces);
    let rows = shop.rows().await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.fault, row.usage),
        (
            None,
            Usage {
                cost_usd: Some(20.0),
                ..USED
            }
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_is_one_row_with_all_that_its_tries_used_and_content_without_secrets() {
    let broken = streams(&[Act::Say("hel secret"), Act::Break(FaultClass::Transient)]);
    let a = Scripted::new(
        "a",
        vec![broken, streams(&[Act::Say("the secret"), Act::End(Some(USED))])],
    );
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    let mut asked = request();
    asked
        .messages
        .push(ModelMessage::text(ModelRole::User, "my secret"));
    shop.world.call_with(&asked, &paid()).await.result.unwrap();
    let mut unknown = request();
    unknown.model = Some("nobody".into());
    shop.world.call_with(&unknown, &paid()).await.result.unwrap_err();
    let requests = shop.requests().await;
    let [first, second] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!((first.tries, first.failure, first.streamed), (2, None, true));
    let rows = shop.rows().await;
    assert_eq!(rows.len(), 2);
    assert_eq!(first.usage, rows[0].usage.plus(rows[1].usage));
    assert_eq!(first.served, Some(("a".into(), "a-m".into())));
    let content = first.content.as_ref().unwrap();
    assert_eq!(content.answered, "the [redacted]");
    assert!(content.asked.contains("my [redacted]") && !content.asked.contains("secret"));
    assert_eq!((second.tries, second.failure), (0, Some(ErrorCode::NotFound)));
    assert_eq!(second.asked.as_deref(), Some("nobody"));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_away_holds_up_no_call_and_has_every_row_when_it_is_back() {
    let a = Scripted::new("a", vec![]);
    let ledger = Arc::new(Moody::default());
    ledger.failing.store(8, Ordering::SeqCst);
    let shop = Shop::over(priced(&[&a]), ledger, vec![]).await;
    for _ in 0..50 {
        let outcome = shop.world.call_with(&request(), &paid()).await;
        assert_eq!(outcome.took, Duration::ZERO);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(shop.rows().await.len(), 50);
    let stats = shop.accounts.stats();
    assert_eq!((stats.tries, stats.written, stats.lost), (50, 50, 0));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_can_t_be_kept_for_what_it_is_holds_up_no_other() {
    let a = Scripted::new("a", vec![]);
    let ledger = Arc::new(Moody::default());
    *ledger.unfit.lock() = Some("bad");
    let shop = Shop::over(priced(&[&a]), Arc::clone(&ledger), vec![]).await;
    let bad = CallContext {
        caller: Some(Arc::new(Caller::new(
            who().tenant,
            Subject::parse("bad").unwrap(),
        ))),
        ..paid()
    };
    for n in 0..200 {
        let context = if n == 70 { &bad } else { &paid() };
        shop.world.call_with(&request(), context).await.result.unwrap();
    }
    assert_eq!(shop.rows().await.len(), 199);
    assert_eq!(shop.requests().await.len(), 199);
    let stats = shop.accounts.stats();
    // The try, and the request.
    assert_eq!((stats.unfit, stats.lost, stats.written), (2, 0, 199));
    let asked = ledger.asked.load(Ordering::SeqCst);
    assert!((3..50).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_words_can_t_be_kept_is_kept_without() {
    let a = Scripted::new("a", vec![]);
    let ledger = Arc::new(Moody::default());
    ledger.is_terse.store(true, Ordering::SeqCst);
    let shop = Shop::over(priced(&[&a]), ledger, vec![]).await;
    shop.world.call_with(&request(), &paid()).await.result.unwrap();
    let requests = shop.requests().await;
    assert_eq!((requests.len(), &requests[0].content), (1, &None));
    assert_eq!(shop.accounts.stats().unfit, 0);
}

#[tokio::test(start_paused = true)]
async fn rows_are_written_within_their_window_and_all_of_them_before_the_process_stops() {
    let a = Scripted::new("a", vec![]);
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    shop.world.call_with(&request(), &paid()).await.result.unwrap();
    tokio::time::sleep(GATHER + Duration::from_millis(1)).await;
    assert_eq!(shop.accounts.stats().written, 1);
    shop.world.call_with(&request(), &paid()).await.result.unwrap();
    shop.closing.cancel();
    shop.writer.join_all().await;
    assert_eq!(shop.accounts.stats().written, 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_joins_another_is_a_row_that_used_nothing() {
    use crate::{Route, RouteFlow, RouteTarget};
    let slow = streams(&[
        Act::Wait(Duration::from_millis(10)),
        Act::Say("hi"),
        Act::End(Some(USED)),
    ]);
    let a = Scripted::new("a", vec![slow]).relaying();
    let mut config = priced(&[&a]);
    let route = Route {
        targets: vec![RouteTarget::parse("a/a-m")],
        flow: RouteFlow {
            join: true,
            ..RouteFlow::default()
        },
        ..Route::default()
    };
    config.routes.insert("default".into(), route);
    let shop = Shop::open(config, vec![]).await;
    let serve = || Arc::clone(&shop.world.router).serve(wire(false), paid());
    let (one, two) = tokio::join!(serve(), serve());
    drop((one.unwrap(), two.unwrap()));
    assert_eq!(a.calls().len(), 1);
    let mut rows = shop.rows().await;
    rows.sort_by_key(|row| row.kind == TryKind::Joined);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.kind, row.usage.total_tokens()))
        .collect();
    assert_eq!(told, [(TryKind::First, 15), (TryKind::Joined, 0)]);
    assert_eq!(shop.requests().await.len(), 2);
}
