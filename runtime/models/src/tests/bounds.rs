use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{CallContext, Clock, ErrorCode, FaultClass};

use super::script::{Act, Script, Scripted, says, streams};
use super::world::{World, config, context, pairs, request};
use crate::{Deadlines, ModelsConfig};

const SECOND: Duration = Duration::from_secs(1);

fn deadlines() -> Deadlines {
    Deadlines {
        connect: 2 * SECOND,
        first_token: 5 * SECOND,
        between_tokens: 3 * SECOND,
        total: 100 * SECOND,
        tokens_per_second: None,
    }
}

/// Fails over from a first provider with this script; says after how long, and what its try's class was.
async fn stalls(script: Script) -> (Duration, Vec<(String, &'static str)>) {
    let a = Scripted::new("a", vec![script]);
    let b = Scripted::new("b", vec![says("hello")]);
    let world = World::with(ModelsConfig {
        deadlines: deadlines(),
        ..config(&[&a, &b])
    });
    let outcome = world.call().await;
    outcome.result.unwrap();
    assert_eq!(a.open.load(Ordering::SeqCst), 0, "the stalled call is closed");
    (outcome.took, world.classes())
}

#[tokio::test(start_paused = true)]
async fn a_stall_in_any_phase_is_a_fault_after_that_phases_deadline() {
    let failed_over = pairs(&[("a", "transient"), ("b", "ok")]);
    let no_stream = Script {
        opening: vec![Act::Hang],
        stream: vec![],
    };
    let no_token = streams(&[Act::Hang]);
    let no_more = streams(&[Act::Say("x"), Act::Wait(2 * SECOND), Act::Say("y"), Act::Hang]);
    for (script, after) in [(no_stream, 2), (no_token, 5), (no_more, 5)] {
        let (took, classes) = stalls(script).await;
        assert!(
            took >= after * SECOND && took < after * SECOND + SECOND / 10,
            "{took:?}, not {after} s"
        );
        assert_eq!(classes, failed_over);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_slower_than_the_floor_is_a_fault_where_there_is_one() {
    // A token every two seconds: never a stall.
    let trickle = || {
        let mut acts = Vec::new();
        for _ in 0..20 {
            acts.extend([Act::Say("word"), Act::Wait(2 * SECOND)]);
        }
        acts.push(Act::End(None));
        streams(&acts)
    };
    for (floor, by, classes) in [
        (Some(1), "b", pairs(&[("a", "transient"), ("b", "ok")])),
        (None, "a", pairs(&[("a", "ok")])),
    ] {
        let a = Scripted::new("a", vec![trickle()]);
        let b = Scripted::new("b", vec![says("hello")]);
        let world = World::with(ModelsConfig {
            deadlines: Deadlines {
                tokens_per_second: floor,
                ..deadlines()
            },
            ..config(&[&a, &b])
        });
        let outcome = world.call().await;
        assert_eq!(outcome.result.unwrap().provider, by);
        assert_eq!(world.classes(), classes);
        if floor.is_some() {
            assert_eq!(outcome.took.as_secs(), 10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unseen_work_keeps_a_try_alive() {
    let mut acts = Vec::new();
    for _ in 0..10 {
        acts.extend([Act::Wait(2 * SECOND), Act::Work]);
    }
    acts.extend([Act::Say("thought through"), Act::End(None)]);
    let (took, classes) = stalls(streams(&acts)).await;
    assert_eq!(classes, pairs(&[("a", "ok")]));
    assert!(took >= 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_ends_the_call_and_blames_nobody() {
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = streams(&[Act::Say("x"), Act::Wait(2 * SECOND), Act::Hang]);
    let world = World::with(ModelsConfig {
        deadlines: deadlines(),
        ..config(&[&a])
    });
    for _ in 0..10 {
        let context = CallContext {
            deadline: Some(world.clock.now().after(SECOND)),
            ..context()
        };
        let outcome = world.call_with(&request(), &context).await;
        assert_eq!(outcome.result.unwrap_err().code, ErrorCode::DeadlineExceeded);
        assert!(outcome.took >= SECOND && outcome.took < SECOND + SECOND / 10);
    }
    assert_eq!(world.router_status().error_rate, 0.0);
    assert_eq!(a.open.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_total_bounds_all_tries_together() {
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = streams(&[
        Act::Say("x"),
        Act::Wait(2 * SECOND),
        Act::Break(FaultClass::Transient),
    ]);
    let total = Deadlines {
        total: 3 * SECOND,
        ..deadlines()
    };
    let world = World::with(ModelsConfig {
        deadlines: total,
        ..config(&[&a])
    });
    let outcome = world.call().await;
    let failure = outcome.result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DeadlineExceeded);
    assert!(failure.message.contains("scripted Transient"), "{failure}");
    assert!(outcome.took < 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_stops_at_once_wherever_it_is() {
    let waiting_to_retry = Script {
        opening: vec![Act::Break(FaultClass::Throttled)],
        stream: vec![],
    };
    let opening = Script {
        opening: vec![Act::Hang],
        stream: vec![],
    };
    let streaming = streams(&[Act::Say("x"), Act::Hang]);
    for script in [waiting_to_retry, opening, streaming] {
        let a = Scripted::new("a", vec![script]);
        *a.retry_after.lock() = Some(30 * SECOND);
        let world = World::of(&[&a]);
        let context = context();
        let request = request();
        let (outcome, ()) = tokio::join!(world.call_with(&request, &context), async {
            tokio::time::sleep(SECOND).await;
            context.cancel.cancel();
        });
        assert_eq!(outcome.result.unwrap_err().code, ErrorCode::Cancelled);
        assert!(outcome.took < SECOND + SECOND / 10, "{:?}", outcome.took);
        assert_eq!(a.calls().len(), 1);
        assert_eq!(a.open.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_before_it_begins_calls_nobody() {
    let a = Scripted::new("a", vec![]);
    let world = World::of(&[&a]);
    let context = context();
    context.cancel.cancel();
    let outcome = world.call_with(&request(), &context).await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::Cancelled);
    assert!(a.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_frees_its_slot_and_is_counted_as_cancelled() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("x"), Act::Hang])]);
    let mut one = config(&[&a]);
    one.providers[0].concurrency_limit = 1;
    let world = World::with(one);
    let hung_up = tokio::time::timeout(SECOND, world.call()).await;
    assert!(hung_up.is_err());
    assert_eq!(a.open.load(Ordering::SeqCst), 0);
    assert_eq!(world.router_status().in_flight, 0);
    world.call().await.result.unwrap();
    assert_eq!(world.classes(), pairs(&[("a", "cancelled"), ("a", "ok")]));
    let lost = world.tried()[0].usage;
    assert_eq!((lost.output_tokens, lost.estimated), (1, true));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_gives_up_by_itself_is_not_a_caller_who_left() {
    let a = Scripted::new("a", vec![streams(&[Act::Break(FaultClass::Cancelled)])]);
    let b = Scripted::new("b", vec![says("hello")]);
    let world = World::of(&[&a, &b]);
    assert_eq!(world.call().await.result.unwrap().provider, "b");
    assert_eq!(world.classes(), pairs(&[("a", "transient"), ("b", "ok")]));
}
