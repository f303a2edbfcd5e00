use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use greenroom_kernel::{BreakerState, ErrorCode, FaultClass, Health};

use super::script::{Act, Scripted, refuses, says, streams};
use super::world::{World, config, pairs};
use crate::ModelsConfig;

const SECOND: Duration = Duration::from_secs(1);

/// A provider that fails until its breaker is open. Its first opening lasts 5 s.
async fn opened(a: &Arc<Scripted>, world: &World) {
    let then = std::mem::replace(&mut *a.otherwise.lock(), refuses(FaultClass::HardDown));
    for _ in 0..3 {
        let _ = world.call().await;
    }
    *a.otherwise.lock() = then;
    assert_eq!(world.router_status().breaker, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_keeps_calls_away_and_failover_needs_no_try() {
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    let world = World::of(&[&a, &b]);
    opened(&a, &world).await;
    for _ in 0..10 {
        assert_eq!(world.call().await.result.unwrap().provider, "b");
    }
    assert_eq!(a.calls().len(), 3);
    assert_eq!(world.router_status().health, Health::Unhealthy);
    assert_eq!(
        world.router_status().last_error.as_deref(),
        Some("scripted HardDown")
    );
}

#[tokio::test(start_paused = true)]
async fn a_half_open_breaker_lets_exactly_one_call_find_out() {
    let slow = || streams(&[Act::Wait(SECOND), Act::Say("slow"), Act::End(None)]);
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    let world = World::of(&[&a, &b]);
    opened(&a, &world).await;
    tokio::time::sleep(6 * SECOND).await;
    *a.otherwise.lock() = slow();
    let outcomes = join_all((0..20).map(|_| world.call())).await;
    let by_a = outcomes
        .iter()
        .filter(|o| o.result.as_ref().unwrap().provider == "a")
        .count();
    assert_eq!((by_a, a.calls().len()), (1, 4));
    assert_eq!(world.router_status().breaker, BreakerState::Closed);
    assert_eq!(world.call().await.result.unwrap().provider, "a");
}

#[tokio::test(start_paused = true)]
async fn with_every_breaker_open_a_call_waits_for_the_first_to_half_open() {
    let a = Scripted::new("a", vec![]);
    let world = World::of(&[&a]);
    opened(&a, &world).await;
    tokio::time::sleep(4 * SECOND).await;
    let outcome = world.call().await;
    assert_eq!(outcome.result.unwrap().content, "more");
    assert!(
        outcome.took >= SECOND / 2 && outcome.took <= 2 * SECOND,
        "{:?}",
        outcome.took
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_are_away_for_longer_the_least_bad_one_is_asked_a_second_after_it_went() {
    let a = Scripted::new("a", vec![]);
    let world = World::of(&[&a]);
    opened(&a, &world).await;
    let outcome = world.call().await;
    assert_eq!(outcome.result.unwrap().content, "more");
    assert!(outcome.took <= SECOND + SECOND / 10, "{:?}", outcome.took);
    assert_eq!(a.calls().len(), 4);
    assert_eq!(world.router_status().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn while_all_are_away_few_calls_find_out_and_nobody_is_refused_at_once() {
    let a = Scripted::new("a", vec![]);
    let world = World::of(&[&a]);
    opened(&a, &world).await;
    *a.otherwise.lock() = refuses(FaultClass::HardDown);
    let outcomes = join_all((0..50).map(|_| world.call())).await;
    assert!((4..=6).contains(&a.calls().len()), "{}", a.calls().len());
    for outcome in outcomes {
        assert!(outcome.took >= SECOND - SECOND / 10 && outcome.took < 3 * SECOND);
        let failure = outcome.result.unwrap_err();
        assert_eq!((failure.code, failure.retryable), (ErrorCode::Unavailable, true));
        assert!(failure.message.contains("scripted HardDown"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_provider_that_is_away_when_another_takes_the_call() {
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    let world = World::of(&[&a, &b]);
    opened(&a, &world).await;
    tokio::time::sleep(2 * SECOND).await;
    let outcome = world.call().await;
    assert_eq!(
        (outcome.result.unwrap().provider.as_str(), outcome.took),
        ("b", Duration::ZERO)
    );
    assert_eq!(a.calls().len(), 3, "it is not asked before its time");
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_kept_by_later_calls_too_and_waited_for() {
    let a = Scripted::new("a", vec![refuses(FaultClass::Throttled)]);
    *a.retry_after.lock() = Some(20 * SECOND);
    let world = World::of(&[&a]);
    let leaving = tokio::time::timeout(SECOND, world.call()).await;
    assert!(leaving.is_err());
    let outcome = world.call().await;
    assert_eq!(outcome.result.unwrap().content, "more");
    assert!((18..=20).contains(&outcome.took.as_secs()), "{:?}", outcome.took);
    assert_eq!(a.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_call_is_told_as_such_and_not_as_an_outage() {
    let a = Scripted::new("a", vec![refuses(FaultClass::Throttled)]);
    *a.retry_after.lock() = Some(3600 * SECOND);
    let world = World::of(&[&a]);
    world.call().await.result.unwrap_err();
    let failure = world.call().await.result.unwrap_err();
    assert_eq!(
        (failure.code, failure.retryable),
        (ErrorCode::ResourceExhausted, true)
    );
    assert_eq!(failure.retry_after_ms, Some(3_600_000));
    assert!(failure.message.contains("asked to be left alone"), "{failure}");
    assert_eq!(a.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asked_to_be_left_alone_is_left_alone() {
    let a = Scripted::new("a", vec![refuses(FaultClass::Throttled)]);
    *a.retry_after.lock() = Some(10 * SECOND);
    let b = Scripted::new("b", vec![]);
    let world = World::of(&[&a, &b]);
    for _ in 0..5 {
        assert_eq!(world.call().await.result.unwrap().provider, "b");
    }
    assert_eq!(a.calls().len(), 1);
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(world.call().await.result.unwrap().provider, "a");
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_wait_their_turn_outside_every_deadline() {
    let answer = streams(&[Act::Wait(20 * SECOND), Act::Say("x"), Act::End(None)]);
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = answer;
    let mut one = config(&[&a]);
    one.providers[0].concurrency_limit = 1;
    one.deadlines.first_token = 25 * SECOND;
    let world = World::with(one);
    let outcomes = join_all((0..3).map(|_| world.call())).await;
    let mut took: Vec<u64> = outcomes.iter().map(|o| o.took.as_secs()).collect();
    took.sort_unstable();
    assert_eq!(took, [20, 40, 60]);
    assert!(outcomes.iter().all(|o| o.result.is_ok()));
    assert_eq!(world.classes(), pairs(&[("a", "ok"); 3]));
}

#[tokio::test(start_paused = true)]
async fn waiting_is_bounded_in_time_and_in_number() {
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = streams(&[Act::Wait(20 * SECOND), Act::Say("x"), Act::End(None)]);
    let mut one = config(&[&a]);
    one.providers[0].concurrency_limit = 1;
    let world = World::with(ModelsConfig {
        queue_wait: 5 * SECOND,
        queue_limit: 1,
        ..one
    });
    let outcomes = join_all((0..3).map(|_| world.call())).await;
    let mut ends: Vec<_> = outcomes
        .into_iter()
        .map(|o| {
            (
                o.took.as_secs(),
                o.result.err().map(|f| (f.code, f.retryable, f.retry_after_ms)),
            )
        })
        .collect();
    ends.sort_by_key(|(took, _)| *took);
    let busy = Some((ErrorCode::ResourceExhausted, true, Some(1000)));
    assert_eq!(ends, [(0, busy), (5, busy), (20, None)]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_provider_hands_over_to_the_next() {
    let a = Scripted::new(
        "a",
        vec![streams(&[Act::Wait(SECOND), Act::Say("x"), Act::End(None)])],
    );
    let b = Scripted::new("b", vec![says("b")]);
    let mut two = config(&[&a, &b]);
    two.providers[0].concurrency_limit = 1;
    let world = World::with(two);
    let (first, second) = tokio::join!(world.call(), world.call());
    assert_eq!(first.result.unwrap().provider, "a");
    assert_eq!(second.result.unwrap().provider, "b");
    assert_eq!(second.took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_call_from_before_a_retry_after_does_not_end_it() {
    let slow = streams(&[Act::Wait(2 * SECOND), Act::Say("slow"), Act::End(None)]);
    let a = Scripted::new("a", vec![slow, refuses(FaultClass::Throttled)]);
    *a.retry_after.lock() = Some(10 * SECOND);
    let b = Scripted::new("b", vec![]);
    let world = World::of(&[&a, &b]);
    let (before, throttled) = tokio::join!(world.call(), world.call());
    assert_eq!(before.result.unwrap().provider, "a");
    assert_eq!(throttled.result.unwrap().provider, "b");
    assert_eq!(world.call().await.result.unwrap().provider, "b");
    assert_eq!(a.calls().len(), 2);
}
