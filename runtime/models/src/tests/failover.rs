use std::time::Duration;

use greenroom_kernel::{ErrorCode, FaultClass, RetryBudgetConfig};

use super::script::{Act, Scripted, refuses, says, streams};
use super::world::{World, config, pairs};
use crate::{ModelsConfig, Route, RouteFlow, RouteTarget};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn before_the_first_content_a_failover_is_invisible_and_takes_no_time() {
    for class in [
        FaultClass::Transient,
        FaultClass::Throttled,
        FaultClass::Overloaded,
        FaultClass::HardDown,
    ] {
        let a = Scripted::new("a", vec![refuses(class)]);
        let b = Scripted::new("b", vec![says("hello")]);
        let outcome = World::of(&[&a, &b]).call().await;
        let answer = outcome.result.unwrap();
        assert_eq!(
            (answer.content.as_str(), answer.provider.as_str()),
            ("hello", "b"),
            "{class:?}"
        );
        assert_eq!(answer.model, "b-m");
        assert_eq!(outcome.shown, ["hello"]);
        assert_eq!(outcome.took, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn tool_calls_and_unseen_work_are_not_content() {
    let a = Scripted::new(
        "a",
        vec![streams(&[
            Act::Work,
            Act::Tool,
            Act::Break(FaultClass::Transient),
        ])],
    );
    let b = Scripted::new("b", vec![says("hello")]);
    let outcome = World::of(&[&a, &b]).call().await;
    assert_eq!(outcome.shown, ["hello"]);
    assert!(outcome.result.unwrap().tool_calls.is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_content_a_fault_starts_the_call_over_and_says_so() {
    let a = Scripted::new(
        "a",
        vec![streams(&[Act::Say("hel"), Act::Break(FaultClass::Transient)])],
    );
    let b = Scripted::new("b", vec![says("hello")]);
    let outcome = World::of(&[&a, &b]).call().await;
    assert_eq!(outcome.shown, ["hel", "<restart>", "hello"]);
    assert_eq!(outcome.result.unwrap().content, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_an_end_is_never_a_success() {
    let truncated = || streams(&[Act::Say("hel")]);
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = truncated();
    let mut patient = config(&[&a]);
    patient.providers[0].breaker.minimum_calls = 10;
    let world = World::with(patient);
    let outcome = world.call().await;
    let failure = outcome.result.unwrap_err();
    assert_eq!(
        (failure.code, failure.retryable),
        (ErrorCode::ProviderFailed, true)
    );
    assert!(failure.message.contains("the last of 6 tries"), "{failure}");
    assert_eq!(outcome.shown[..3], ["hel", "<restart>", "hel"]);
    assert_eq!(outcome.shown.len(), 6 + 5, "six tries and five restarts");
    assert_eq!(world.classes(), pairs(&[("a", "transient"); 6]));
}

#[tokio::test(start_paused = true)]
async fn the_same_target_is_tried_again_after_growing_waits() {
    let a = Scripted::new(
        "a",
        vec![refuses(FaultClass::Transient), refuses(FaultClass::Transient)],
    );
    let outcome = World::of(&[&a]).call().await;
    assert_eq!(outcome.result.unwrap().content, "more");
    let waits: Vec<_> = a.calls().windows(2).map(|w| (w[1] - w[0]).as_millis()).collect();
    assert!(
        (249..=251).contains(&waits[0]) && (499..=501).contains(&waits[1]),
        "{waits:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn every_target_is_tried_before_one_is_tried_again() {
    let a = Scripted::new("a", vec![refuses(FaultClass::Transient)]);
    let b = Scripted::new("b", vec![refuses(FaultClass::Transient)]);
    let world = World::of(&[&a, &b]);
    assert_eq!(world.call().await.result.unwrap().provider, "a");
    assert_eq!(
        world.classes(),
        pairs(&[("a", "transient"), ("b", "transient"), ("a", "ok")])
    );
    let numbers: Vec<_> = world.tried().iter().map(|t| t.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_client_fault_is_told_at_once_and_moves_no_breaker() {
    for (class, code) in [
        (FaultClass::BadRequest, ErrorCode::BadUserInput),
        (FaultClass::ContentFilter, ErrorCode::ProviderFailed),
        (FaultClass::ContextLength, ErrorCode::BadUserInput),
    ] {
        let a = Scripted::new("a", vec![]);
        *a.otherwise.lock() = refuses(class);
        let b = Scripted::new("b", vec![]);
        let world = World::of(&[&a, &b]);
        for _ in 0..20 {
            let failure = world.call().await.result.unwrap_err();
            assert_eq!((failure.code, failure.retryable), (code, false));
        }
        assert_eq!((a.calls().len(), b.calls().len()), (20, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_content_filter_refuses_is_asked_of_the_next_target_where_the_route_says_so() {
    let a = Scripted::new("a", vec![refuses(FaultClass::ContentFilter)]);
    let b = Scripted::new("b", vec![refuses(FaultClass::ContentFilter)]);
    let c = Scripted::new("c", vec![says("hello")]);
    let mut reroutes = config(&[&a, &b, &c]);
    let route = Route {
        targets: vec![
            RouteTarget::parse("a"),
            RouteTarget::parse("b"),
            RouteTarget::parse("c"),
        ],
        flow: RouteFlow {
            reroute_filtered: true,
            ..RouteFlow::default()
        },
        ..Route::default()
    };
    reroutes.routes.insert("default".into(), route);
    let world = World::with(reroutes);
    assert_eq!(world.call().await.result.unwrap().provider, "c");
    let expected = [("a", "content_filter"), ("b", "content_filter"), ("c", "ok")];
    assert_eq!(world.classes(), pairs(&expected));
}

#[tokio::test(start_paused = true)]
async fn a_conversation_too_long_goes_to_a_larger_model() {
    let a = Scripted::new("a", vec![refuses(FaultClass::ContextLength)]).with_window(4_000);
    let same = Scripted::new("same", vec![]).with_window(4_000);
    let large = Scripted::new("large", vec![says("it fits")]).with_window(100_000);
    let outcome = World::of(&[&a, &same, &large]).call().await;
    assert_eq!(outcome.result.unwrap().provider, "large");
    assert!(same.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_hard_down_everywhere_is_unavailable_without_a_second_try() {
    let a = Scripted::new("a", vec![refuses(FaultClass::HardDown)]);
    let outcome = World::of(&[&a]).call().await;
    let failure = outcome.result.unwrap_err();
    assert_eq!((failure.code, failure.retryable), (ErrorCode::Unavailable, true));
    assert!(failure.message.contains("scripted HardDown"));
    assert_eq!(a.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_adapter_is_a_fault_of_its_provider() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("x"), Act::Panic])]);
    let b = Scripted::new("b", vec![says("hello")]);
    let outcome = World::of(&[&a, &b]).call().await;
    assert_eq!(outcome.shown, ["x", "<restart>", "hello"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_retries_are_made_than_the_budget_has() {
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = refuses(FaultClass::Transient);
    let mut only = config(&[&a]);
    only.providers[0].breaker.failure_rate = 2.0;
    let world = World::with(ModelsConfig {
        retry_budget: RetryBudgetConfig {
            ratio: 0.0,
            floor: 5,
            window: Duration::from_secs(3600),
        },
        ..only
    });
    for _ in 0..20 {
        let failure = world.call().await.result.unwrap_err();
        assert_eq!(failure.code, ErrorCode::ProviderFailed);
    }
    assert_eq!(a.calls().len(), 20 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_waited_out_and_one_beyond_the_calls_time_ends_it() {
    let a = Scripted::new("a", vec![refuses(FaultClass::Throttled)]);
    *a.retry_after.lock() = Some(7 * SECOND);
    let outcome = World::of(&[&a]).call().await;
    outcome.result.unwrap();
    assert!(
        outcome.took >= 7 * SECOND && outcome.took < 8 * SECOND,
        "{:?}",
        outcome.took
    );

    let a = Scripted::new("a", vec![refuses(FaultClass::Throttled)]);
    *a.retry_after.lock() = Some(3600 * SECOND);
    let outcome = World::of(&[&a]).call().await;
    let failure = outcome.result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ResourceExhausted);
    assert_eq!(failure.retry_after_ms, Some(3_600_000));
    assert_eq!(outcome.took, Duration::ZERO);
}
