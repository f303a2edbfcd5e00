//! Identical calls that share one upstream call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use greenroom_kernel::{
    CallContext, CallFailure, Caller, Clock, ErrorCode, FaultClass, Models, Served, ServedAnswer, Subject,
    TenantId, TryKind, WireCall,
};
use tokio::time::Instant;

use super::script::{Act, Script, Scripted, USED, says, streams};
use super::serving::{seen, wire};
use super::world::{World, config, context};
use crate::{Route, RouteFlow, RouteTarget};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn of(tenant: &str, subject: &str) -> CallContext {
    let caller = Caller::new(TenantId::parse(tenant).unwrap(), Subject::parse(subject).unwrap());
    CallContext {
        caller: Some(Arc::new(caller)),
        ..context()
    }
}

fn ana() -> CallContext {
    of("acme", "ana")
}

fn joining(a: &Arc<Scripted>) -> World {
    let mut config = config(&[a]);
    let route = Route {
        targets: vec![RouteTarget::parse("a")],
        flow: RouteFlow {
            join: true,
            ..RouteFlow::default()
        },
        ..Route::default()
    };
    config.routes.insert("default".into(), route);
    World::with(config)
}

async fn asks(world: &World, call: WireCall, context: CallContext) -> Result<Served, CallFailure> {
    Arc::clone(&world.router).serve(call, context).await
}

/// All that a caller reads.
async fn reads(world: &World, call: WireCall, context: CallContext) -> (Vec<String>, Option<CallFailure>) {
    match asks(world, call, context).await {
        Ok(served) => seen(served.answer).await,
        Err(failed) => (Vec::new(), Some(failed)),
    }
}

fn hello() -> Script {
    streams(&[
        Act::Wait(SECOND),
        Act::Say("hel"),
        Act::Wait(SECOND),
        Act::Say("lo"),
        Act::End(Some(USED)),
    ])
}

#[tokio::test(start_paused = true)]
async fn identical_calls_share_one_upstream_call_and_each_reads_all_of_it() {
    for (relays, stream, expected) in [
        (true, true, vec!["hel", "lo", "end"]),
        (true, false, vec!["helloend"]),
        (false, true, vec!["hel", "lo", "<hello>"]),
        (false, false, vec!["<hello>"]),
    ] {
        let a = Scripted::new("a", vec![hello()]);
        let a = if relays { a.relaying() } else { a };
        let world = joining(&a);
        let readers = join_all((0..3).map(|_| reads(&world, wire(stream), ana()))).await;
        for (read, failure) in readers {
            assert_eq!(
                (read, failure),
                (expected.iter().map(ToString::to_string).collect(), None)
            );
        }
        assert_eq!(a.calls().len(), 1);
        let kinds: Vec<_> = world.tried().iter().map(|t| (t.kind, t.usage)).collect();
        assert_eq!(kinds.iter().filter(|k| **k == (TryKind::First, USED)).count(), 1);
        let nothing = greenroom_kernel::Usage::default();
        assert_eq!(
            kinds.iter().filter(|k| **k == (TryKind::Joined, nothing)).count(),
            2
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shared_across_subjects_or_between_calls_that_differ_or_where_the_route_is_silent() {
    let other_body = || {
        let mut call = wire(true);
        call.raw.after = Bytes::from_static(b" }");
        call
    };
    let other_way = || {
        let mut context = ana();
        context.narrowing.exclude = vec!["zzz".into()];
        context
    };
    let a = Scripted::new("a", vec![]).relaying();
    *a.otherwise.lock() = hello();
    let world = joining(&a);
    let calls = vec![
        (wire(true), ana()),
        (wire(true), of("acme", "bob")),
        (wire(true), of("other", "ana")),
        (wire(true), context()),
        (wire(true), context()),
        (other_body(), ana()),
        (wire(false), ana()),
        (wire(true), other_way()),
    ];
    let count = calls.len();
    join_all(
        calls
            .into_iter()
            .map(|(call, context)| reads(&world, call, context)),
    )
    .await;
    assert_eq!(a.calls().len(), count);

    let a = Scripted::new("a", vec![]).relaying();
    *a.otherwise.lock() = hello();
    let world = World::of(&[&a]);
    join_all((0..3).map(|_| reads(&world, wire(true), ana()))).await;
    assert_eq!(a.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_the_middle_reads_it_from_the_beginning_and_who_comes_after_the_end_asks_anew() {
    let a = Scripted::new("a", vec![hello(), says("new")]).relaying();
    let world = joining(&a);
    let late = async {
        tokio::time::sleep(SECOND + SECOND / 2).await;
        reads(&world, wire(true), ana()).await.0
    };
    let (early, late) = tokio::join!(reads(&world, wire(true), ana()), late);
    assert_eq!(
        (early.0, late),
        (
            vec!["hel".into(), "lo".into(), "end".into()],
            vec!["hel".to_owned(), "lo".into(), "end".into()]
        )
    );
    assert_eq!(a.calls().len(), 1);
    assert_eq!(reads(&world, wire(true), ana()).await.0, ["new", "end"]);
}

#[tokio::test(start_paused = true)]
async fn the_call_goes_on_when_its_beginner_leaves_and_ends_with_its_last_reader() {
    for at in [SECOND / 2, SECOND + SECOND / 2] {
        let a = Scripted::new("a", vec![hello()]).relaying();
        let world = joining(&a);
        // Both ways of leaving: hanging up, and being dropped.
        let begins = ana();
        let cancel = begins.cancel.clone();
        let leaves = async {
            let left = tokio::time::timeout(at, reads(&world, wire(true), begins)).await;
            cancel.cancel();
            left.is_err()
        };
        let (left, (read, failure)) = tokio::join!(leaves, reads(&world, wire(true), ana()));
        assert!(left);
        assert_eq!((read.concat().as_str(), failure), ("helloend", None));
        assert_eq!(a.calls().len(), 1);
    }
    for at in [SECOND / 2, SECOND + SECOND / 2] {
        let a = Scripted::new("a", vec![hello()]).relaying();
        let world = joining(&a);
        let all = join_all((0..3).map(|_| reads(&world, wire(true), ana())));
        assert!(tokio::time::timeout(at, all).await.is_err());
        assert_eq!(a.open.load(Ordering::SeqCst), 0, "nobody reads it any more");
        assert_eq!(world.router_status().in_flight, 0);
        let classes: Vec<_> = world
            .tried()
            .iter()
            .filter(|t| t.kind == TryKind::First)
            .map(|t| t.class)
            .collect();
        assert_eq!(classes, ["cancelled"]);
        if at > SECOND {
            let joined: Vec<_> = world
                .tried()
                .iter()
                .filter(|t| t.kind == TryKind::Joined)
                .map(|t| (t.class, t.usage))
                .collect();
            assert_eq!(joined, [("cancelled", greenroom_kernel::Usage::default()); 2]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_reader_has_its_own_deadline_and_hangs_up_for_itself() {
    let a = Scripted::new("a", vec![hello()]).relaying();
    let world = joining(&a);
    let impatient = CallContext {
        deadline: Some(world.clock.now().after(SECOND + SECOND / 2)),
        ..ana()
    };
    let hangs_up = ana();
    let cancel = hangs_up.cancel.clone();
    let hanging_up = async {
        tokio::time::sleep(SECOND / 2).await;
        cancel.cancel();
    };
    let (late, gone, whole, ()) = tokio::join!(
        reads(&world, wire(true), impatient),
        reads(&world, wire(true), hangs_up),
        reads(&world, wire(true), ana()),
        hanging_up,
    );
    assert_eq!(late.0, ["hel"]);
    assert_eq!(late.1.unwrap().failure.code, ErrorCode::DeadlineExceeded);
    assert_eq!(gone.1.unwrap().failure.code, ErrorCode::Cancelled);
    assert_eq!(whole.0.concat(), "helloend");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_everybodys_and_the_next_call_tries_again() {
    let refused = Script {
        opening: vec![Act::Wait(SECOND), Act::Break(FaultClass::BadRequest)],
        stream: vec![],
    };
    let a = Scripted::new("a", vec![refused, says("well")]).relaying();
    let world = joining(&a);
    for (read, failure) in join_all((0..3).map(|_| reads(&world, wire(true), ana()))).await {
        assert!(read.is_empty());
        assert_eq!(failure.unwrap().failure.code, ErrorCode::BadUserInput);
    }
    assert_eq!(a.calls().len(), 1);
    assert_eq!(reads(&world, wire(true), ana()).await.0, ["well", "end"]);

    let breaks = streams(&[
        Act::Say("hel"),
        Act::Wait(SECOND),
        Act::Break(FaultClass::Transient),
    ]);
    let a = Scripted::new("a", vec![breaks]).relaying();
    let world = joining(&a);
    for (read, failure) in join_all((0..3).map(|_| reads(&world, wire(true), ana()))).await {
        assert_eq!(read, ["hel"]);
        assert_eq!(failure.unwrap().failure.code, ErrorCode::ProviderFailed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_begins_to_wait_and_is_never_asked_again_holds_nobody_up() {
    let a = Scripted::new("a", vec![hello()]).relaying();
    let world = joining(&a);
    let (first, second) = tokio::join!(asks(&world, wire(true), ana()), asks(&world, wire(true), ana()));
    let (ServedAnswer::Relayed { mut pieces, .. }, answer) = (first.unwrap().answer, second.unwrap().answer)
    else {
        panic!("not relayed");
    };
    assert_eq!(pieces.next().await.unwrap().unwrap(), "hel");
    assert!(pieces.next().now_or_never().is_none(), "it draws, and waits");
    assert_eq!(seen(answer).await.0.concat(), "helloend");
    // It is over, though not everybody has read it.
    reads(&world, wire(true), ana()).await;
    assert_eq!(a.calls().len(), 2);
    let rest: Vec<_> = pieces.map(Result::unwrap).collect().await;
    assert_eq!(rest.concat(), b"loend");
}

#[tokio::test(start_paused = true)]
async fn a_shared_answer_that_comes_all_at_once_lets_other_tasks_run() {
    let mut acts = vec![Act::Spend; 1_000];
    acts.extend([Act::Say("hello"), Act::End(None)]);
    let a = Scripted::new("a", vec![streams(&acts)]).relaying();
    let world = joining(&a);
    let read = tokio::time::timeout(SECOND, reads(&world, wire(true), ana()));
    assert_eq!(read.await.unwrap().0.concat(), "helloend");
    // Once more where it comes after the first content.
    let mut acts = vec![Act::Say("hel")];
    acts.extend(vec![Act::Spend; 1_000]);
    acts.extend([Act::Say("lo"), Act::End(None)]);
    let a = Scripted::new("a", vec![streams(&acts)]).relaying();
    let world = joining(&a);
    let read = tokio::time::timeout(SECOND, reads(&world, wire(true), ana()));
    assert_eq!(read.await.unwrap().0.concat(), "helloend");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_holds_the_others_up_is_cut_loose_with_an_error() {
    let large: &'static str = Box::leak("x".repeat(400_000).into_boxed_str());
    let mut acts = vec![Act::Say(large); 8];
    acts.push(Act::End(None));
    let a = Scripted::new("a", vec![streams(&acts)]).relaying();
    let world = joining(&a);
    let (quick, slow) = tokio::join!(asks(&world, wire(true), ana()), asks(&world, wire(true), ana()));
    let began = Instant::now();
    let (read, failure) = seen(quick.unwrap().answer).await;
    assert_eq!((read.concat().len(), failure), (8 * 400_000 + 3, None));
    assert_eq!(began.elapsed(), 5 * SECOND);
    let (read, failure) = seen(slow.unwrap().answer).await;
    assert!(read.is_empty());
    let failure = failure.unwrap().failure;
    assert_eq!(
        (failure.code, failure.retryable),
        (ErrorCode::ResourceExhausted, true)
    );
    assert_eq!(a.calls().len(), 1);
}
