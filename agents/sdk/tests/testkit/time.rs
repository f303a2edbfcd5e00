use std::time::{Duration, Instant};

use greenroom_agent_sdk::testkit::{Limits, Reply};
use greenroom_agent_sdk::{ErrorCode, ModelRequest, Output, Timestamp};
use serde_json::json;

use crate::support::bench;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn sleeping_takes_no_time_and_the_clock_shows_that_it_passed() {
    let begun = Instant::now();
    let bench = bench(|_, ctx| async move {
        let before = ctx.now().await?;
        ctx.sleep(24 * HOUR - Duration::from_secs(1)).await?;
        Output::data(&json!([before, ctx.now().await?]))
    })
    .limits(Limits {
        time_ms: 1_000_000_000,
        ..Limits::default()
    })
    .starts_at(Timestamp::from_millis(1_000));
    let ran = bench.run().await;
    assert_eq!(ran.data::<Vec<i64>>(), Some(vec![1_000, 86_400_000]));
    assert_eq!(ran.ended_at(), Timestamp::from_millis(86_400_000));
    bench.assert_survives_crashes().await;
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn deadlines_are_reached_without_waiting() {
    let begun = Instant::now();
    let patient = bench(|_, ctx| async move {
        ctx.model(ModelRequest::default()).await?;
        Ok(Output::default())
    });
    let ran = patient.clone().reply(Reply::never()).deadline(HOUR).run().await;
    assert_eq!(ran.failure().unwrap().code, ErrorCode::DeadlineExceeded);
    let ran = patient.clone().reply(Reply::never()).run().await;
    assert_eq!(ran.failure().unwrap().code, ErrorCode::LimitExceeded);
    let late = patient.clone().reply(Reply::text("late").takes(2 * HOUR));
    assert_eq!(
        late.clone().deadline(HOUR).run().await.failure().unwrap().code,
        ErrorCode::DeadlineExceeded
    );
    assert!(late.deadline(3 * HOUR).run().await.failure().is_none());
    let idle = bench(|_, ctx| async move {
        ctx.cancelled().await;
        Ok(Output::default())
    });
    let ran = idle
        .deadline(HOUR)
        .patience(Duration::from_millis(20))
        .run()
        .await;
    assert_eq!(ran.failure().unwrap().code, ErrorCode::DeadlineExceeded);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn an_approval_times_out_without_waiting() {
    let bench = bench(|_, ctx| async move {
        let approval = ctx.approval_within(json!("well?"), HOUR).await?;
        Output::data(&json!([approval.approved, approval.timed_out]))
    })
    .ignore();
    assert_eq!(bench.run().await.data(), Some([false, true]));
    bench.assert_survives_crashes().await;
}

#[tokio::test]
async fn the_first_of_two_to_come_wins_on_the_kits_clock() {
    let bench = bench(|_, ctx| async move {
        let (timer, model) = (ctx.sleep(HOUR), ctx.model(ModelRequest::default()));
        let first = futures::future::select(timer, model).await;
        Ok(Output::text(match first {
            futures::future::Either::Left(_) => "timer",
            futures::future::Either::Right(_) => "model",
        }))
    });
    let quick = bench.clone().reply(Reply::text("").takes(HOUR / 2));
    assert_eq!(quick.run().await.content(), Some("model"));
    let slow = bench.reply(Reply::text("").takes(2 * HOUR));
    assert_eq!(slow.run().await.content(), Some("timer"));
}
