//! Races of two tries before the first content.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{Clock, ErrorCode, FaultClass, RetryBudgetConfig, TryKind};

use super::script::{Act, Script, Scripted, refuses, says, streams};
use super::serving::{seen, serve, wire};
use super::world::{World, config, context, pairs, request};
use crate::{HedgeAfter, ModelsConfig, Route, RouteFlow, RouteTarget};

const SECOND: Duration = Duration::from_secs(1);

/// A world whose default route hedges.
pub(super) fn hedging(backends: &[&Arc<Scripted>], after: HedgeAfter) -> ModelsConfig {
    let mut config = config(backends);
    let route = Route {
        targets: ["a", "b", "c", "d"][..backends.len()]
            .iter()
            .map(|name| RouteTarget::parse(name))
            .collect(),
        flow: RouteFlow {
            hedge: Some(after),
            ..RouteFlow::default()
        },
        ..Route::default()
    };
    config.routes.insert("default".into(), route);
    config
}

fn slow(seconds: u32, text: &'static str) -> Script {
    streams(&[
        Act::Work,
        Act::Wait(SECOND * seconds),
        Act::Say(text),
        Act::End(None),
    ])
}

fn kinds(world: &World) -> Vec<(String, TryKind, &'static str)> {
    let kinds = world.tried().into_iter().map(|t| (t.provider, t.kind, t.class));
    kinds.collect()
}

fn of(list: &[(&str, TryKind, &'static str)]) -> Vec<(String, TryKind, &'static str)> {
    list.iter().map(|(p, k, c)| ((*p).to_owned(), *k, *c)).collect()
}

const AFTER: HedgeAfter = HedgeAfter::Fixed(SECOND);

#[tokio::test(start_paused = true)]
async fn the_first_to_have_content_goes_on_and_the_other_is_cancelled_and_billed_apart() {
    let a = Scripted::new("a", vec![slow(10, "late")]);
    let b = Scripted::new("b", vec![slow(1, "soon")]);
    let world = World::with(hedging(&[&a, &b], AFTER));
    let outcome = world.call().await;
    let answer = outcome.result.unwrap();
    assert_eq!((answer.content.as_str(), answer.provider.as_str()), ("soon", "b"));
    assert_eq!(outcome.shown, ["soon"]);
    assert_eq!(outcome.took, 2 * SECOND);
    assert_eq!(a.open.load(Ordering::SeqCst), 0, "the loser is closed");
    let expected = [("a", TryKind::First, "outrun"), ("b", TryKind::Hedge, "ok")];
    assert_eq!(kinds(&world), of(&expected));
    // Both had given a sign of life: both read the request.
    let tried = world.tried();
    let (lost, won) = (tried[0].usage, tried[1].usage);
    assert!(lost.estimated && lost.input_tokens > 0 && lost.output_tokens == 0);
    assert_eq!(answer.usage.input_tokens, lost.input_tokens + won.input_tokens);
    assert_eq!(world.router_status().error_rate, 0.0);
    assert_eq!(world.router_status().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_try_wins_when_it_is_the_quicker_after_all_and_nobody_is_asked_before_time() {
    let a = Scripted::new("a", vec![slow(2, "first"), says("at once")]);
    let b = Scripted::new("b", vec![slow(9, "second")]);
    let world = World::with(hedging(&[&a, &b], AFTER));
    let outcome = world.call().await;
    assert_eq!(outcome.result.unwrap().content, "first");
    assert_eq!(b.open.load(Ordering::SeqCst), 0);
    let expected = [("b", TryKind::Hedge, "outrun"), ("a", TryKind::First, "ok")];
    assert_eq!(kinds(&world), of(&expected));
    assert_eq!(world.call().await.result.unwrap().content, "at once");
    assert_eq!(b.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_does_not_ask_for_it_never_hedges() {
    let a = Scripted::new("a", vec![slow(20, "late")]);
    let b = Scripted::new("b", vec![]);
    let world = World::of(&[&a, &b]);
    assert_eq!(world.call().await.result.unwrap().content, "late");
    assert!(b.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_try_that_fails_in_a_race_leaves_the_other_running() {
    let breaks = || {
        streams(&[
            Act::Work,
            Act::Wait(2 * SECOND),
            Act::Break(FaultClass::Transient),
        ])
    };
    for (a, b, by) in [
        (breaks(), slow(5, "there"), "b"),
        (slow(5, "there"), breaks(), "a"),
    ] {
        let (a, b) = (Scripted::new("a", vec![a]), Scripted::new("b", vec![b]));
        let world = World::with(hedging(&[&a, &b], AFTER));
        let answer = world.call().await.result.unwrap();
        assert_eq!((answer.content.as_str(), answer.provider.as_str()), ("there", by));
        assert_eq!((a.calls().len(), b.calls().len()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_the_call_goes_on_as_ever_within_its_tries() {
    let breaks = || streams(&[Act::Wait(2 * SECOND), Act::Break(FaultClass::Transient)]);
    let a = Scripted::new("a", vec![breaks(), says("again")]);
    let b = Scripted::new("b", vec![breaks()]);
    let world = World::with(hedging(&[&a, &b], AFTER));
    let answer = world.call().await.result.unwrap();
    assert_eq!(answer.content, "again");
    let expected = [
        ("a", TryKind::First, "transient"),
        ("b", TryKind::Hedge, "transient"),
        ("a", TryKind::Retry, "ok"),
    ];
    assert_eq!(kinds(&world), of(&expected));
    let numbers: Vec<u32> = world.tried().iter().map(|t| t.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_call_races_once() {
    let breaks = || streams(&[Act::Wait(2 * SECOND), Act::Break(FaultClass::Transient)]);
    let (a, b) = (
        Scripted::new("a", vec![breaks()]),
        Scripted::new("b", vec![breaks()]),
    );
    let (c, d) = (
        Scripted::new("c", vec![slow(9, "there")]),
        Scripted::new("d", vec![]),
    );
    let world = World::with(hedging(&[&a, &b, &c, &d], AFTER));
    assert_eq!(world.call().await.result.unwrap().content, "there");
    assert!(d.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_winner_that_breaks_after_content_is_begun_anew_and_both_count_as_tries() {
    let a = Scripted::new("a", vec![slow(10, "late"), says("hello")]);
    let breaks = streams(&[
        Act::Wait(SECOND),
        Act::Say("hel"),
        Act::Break(FaultClass::Transient),
    ]);
    let b = Scripted::new("b", vec![breaks]);
    let world = World::with(hedging(&[&a, &b], AFTER));
    let outcome = world.call().await;
    assert_eq!(outcome.result.unwrap().content, "hello");
    assert_eq!(outcome.shown, ["hel", "<restart>", "hello"]);
    let numbers: Vec<_> = world.tried().iter().map(|t| (t.kind, t.number)).collect();
    let expected = [(TryKind::First, 1), (TryKind::Hedge, 2), (TryKind::Retry, 3)];
    assert_eq!(numbers, expected);
}

#[tokio::test(start_paused = true)]
async fn a_caller_s_mistake_ends_a_race_at_once() {
    let a = Scripted::new("a", vec![slow(30, "late")]);
    let b = Scripted::new("b", vec![refuses(FaultClass::BadRequest)]);
    let world = World::with(hedging(&[&a, &b], AFTER));
    let outcome = world.call().await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::BadUserInput);
    assert_eq!(outcome.took, SECOND);
    assert_eq!(a.open.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_takes_from_the_retry_budget_and_without_it_there_is_none() {
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = slow(3, "late");
    let b = Scripted::new("b", vec![]);
    let world = World::with(ModelsConfig {
        retry_budget: RetryBudgetConfig {
            ratio: 0.0,
            floor: 2,
            window: 3600 * SECOND,
        },
        ..hedging(&[&a, &b], AFTER)
    });
    for _ in 0..6 {
        world.call().await.result.unwrap();
    }
    assert_eq!((a.calls().len(), b.calls().len()), (6, 2));
}

#[tokio::test(start_paused = true)]
async fn a_race_ends_with_its_caller() {
    for leaves in [true, false] {
        let (a, b) = (
            Scripted::new("a", vec![slow(30, "a")]),
            Scripted::new("b", vec![slow(30, "b")]),
        );
        let world = World::with(hedging(&[&a, &b], AFTER));
        let mut context = context();
        if !leaves {
            context.deadline = Some(world.clock.now().after(3 * SECOND));
        }
        let request = request();
        let (outcome, ()) = tokio::join!(world.call_with(&request, &context), async {
            tokio::time::sleep(3 * SECOND).await;
            if leaves {
                context.cancel.cancel();
            }
        });
        let code = match leaves {
            true => ErrorCode::Cancelled,
            false => ErrorCode::DeadlineExceeded,
        };
        assert_eq!(outcome.result.unwrap_err().code, code);
        assert!(outcome.took < 4 * SECOND);
        assert_eq!(world.classes(), pairs(&[("a", "cancelled"), ("b", "cancelled")]));
        assert_eq!(a.open.load(Ordering::SeqCst) + b.open.load(Ordering::SeqCst), 0);
        let used: u64 = world.tried().iter().map(|t| t.usage.input_tokens).sum();
        assert_eq!(outcome.used.input_tokens, used, "the caller is told of both");
    }
}

#[tokio::test(start_paused = true)]
async fn p95_is_learned_from_calls_before_and_until_then_nobody_hedges() {
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = streams(&[Act::Wait(SECOND / 2), Act::Say("usual"), Act::End(None)]);
    let b = Scripted::new("b", vec![]);
    let world = World::with(hedging(&[&a, &b], HedgeAfter::P95));
    for _ in 0..20 {
        assert_eq!(world.call().await.result.unwrap().provider, "a");
    }
    assert!(b.calls().is_empty());
    *a.otherwise.lock() = slow(30, "late");
    let outcome = world.call().await;
    assert_eq!(outcome.result.unwrap().provider, "b");
    assert_eq!(outcome.took.as_millis() / 10, 50);
}

#[tokio::test(start_paused = true)]
async fn a_relayed_answer_is_the_winners_alone_from_its_first_byte() {
    let late = streams(&[
        Act::Work,
        Act::Wait(10 * SECOND),
        Act::Say("late"),
        Act::End(None),
    ]);
    let soon = streams(&[
        Act::Work,
        Act::Wait(SECOND),
        Act::Say("so"),
        Act::Say("on"),
        Act::End(None),
    ]);
    for stream in [true, false] {
        let a = Scripted::new("a", vec![late.clone()]).relaying();
        let b = Scripted::new("b", vec![soon.clone()]).relaying();
        let world = World::with(hedging(&[&a, &b], AFTER));
        let served = serve(&world, wire(stream)).await.unwrap();
        assert_eq!((&*served.by.provider, served.by.tries), ("b", 2));
        let (read, failure) = seen(served.answer).await;
        assert_eq!((read.concat().as_str(), failure), ("role soonend", None));
        assert_eq!(a.open.load(Ordering::SeqCst), 0);
        let expected = [("a", TryKind::First, "outrun"), ("b", TryKind::Hedge, "ok")];
        assert_eq!(kinds(&world), of(&expected));
    }
}
