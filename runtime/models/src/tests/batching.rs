//! Small requests for vectors that are put together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use greenroom_kernel::{
    CallContext, CallFailure, EmbeddingInput, EmbeddingRequest, Embeddings, ErrorCode, Models, Readable,
    ServedAnswer, TryKind, Unreadable, WireCall, WireFamily, Wish,
};
use tokio::time::Instant;

use super::joining::of;
use super::script::{Scripted, USED};
use super::serving::wire;
use super::world::{World, config, context};
use crate::{Batch, Route, RouteFlow, RouteTarget};

const SECOND: Duration = Duration::from_secs(1);

struct Embeds(Vec<EmbeddingInput>);

impl Readable for Embeds {
    fn wish(&self) -> Result<Wish, Unreadable> {
        Ok(Wish::Embeddings(Arc::new(EmbeddingRequest {
            inputs: self.0.clone(),
            ..EmbeddingRequest::default()
        })))
    }
}

fn text(text: &str) -> EmbeddingInput {
    EmbeddingInput::Text(text.to_owned())
}

fn embeds(inputs: Vec<EmbeddingInput>) -> WireCall {
    let mut call = wire(false);
    call.raw.family = WireFamily::OpenAiEmbeddings;
    call.readable = Arc::new(Embeds(inputs));
    call
}

fn batching(a: &Arc<Scripted>, inputs: usize) -> World {
    let mut config = config(&[a]);
    let route = Route {
        targets: vec![RouteTarget::parse("a")],
        flow: RouteFlow {
            batch: Some(Batch {
                inputs,
                ..Batch::default()
            }),
            ..RouteFlow::default()
        },
        ..Route::default()
    };
    config.routes.insert("default".into(), route);
    World::with(config)
}

async fn vectors(
    world: &World,
    inputs: Vec<EmbeddingInput>,
    context: CallContext,
) -> Result<Embeddings, CallFailure> {
    let served = Arc::clone(&world.router).serve(embeds(inputs), context).await?;
    match served.answer {
        ServedAnswer::Embedded { vectors } => Ok(vectors),
        _ => panic!("no vectors"),
    }
}

fn ana() -> CallContext {
    of("acme", "ana")
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_moment_are_one_and_each_gets_its_vectors_and_its_share_to_the_token() {
    let a = Scripted::new("a", vec![]);
    let world = batching(&a, 64);
    let began = Instant::now();
    let (one, two, three) = tokio::join!(
        vectors(&world, vec![text("1")], ana()),
        vectors(&world, vec![text("22"), text("333")], ana()),
        vectors(&world, vec![text("a longer text than the others")], ana()),
    );
    assert!(began.elapsed() <= Duration::from_millis(3));
    let all = [one.unwrap(), two.unwrap(), three.unwrap()];
    assert_eq!(all[0].vectors, [[1.0]]);
    assert_eq!(all[1].vectors, [[2.0], [3.0]]);
    assert_eq!(all[2].vectors, [[29.0]]);
    assert_eq!(a.embedded.lock().len(), 1);
    let shares: Vec<_> = all.iter().map(|embeddings| embeddings.usage.unwrap()).collect();
    assert_eq!(
        shares.iter().map(|u| u.input_tokens).sum::<u64>(),
        USED.input_tokens
    );
    assert_eq!(
        shares.iter().map(|u| u.output_tokens).sum::<u64>(),
        USED.output_tokens
    );
    assert!(shares[2].input_tokens > shares[1].input_tokens);
    let mut rows: Vec<_> = world
        .tried()
        .iter()
        .map(|t| (t.kind, t.usage.input_tokens))
        .collect();
    rows.sort_by_key(|(kind, _)| *kind == TryKind::Joined);
    assert_eq!(
        rows,
        [
            (TryKind::First, USED.input_tokens),
            (TryKind::Joined, 0),
            (TryKind::Joined, 0)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn one_caller_s_mistake_is_nobody_else_s() {
    let a = Scripted::new("a", vec![]);
    let world = batching(&a, 64);
    let (good, bad, fine) = tokio::join!(
        vectors(&world, vec![text("good")], ana()),
        vectors(&world, vec![text("bad")], ana()),
        vectors(&world, vec![text("fine!")], ana()),
    );
    assert_eq!(
        (good.unwrap().vectors, fine.unwrap().vectors),
        (vec![vec![4.0]], vec![vec![5.0]])
    );
    assert_eq!(bad.unwrap_err().failure.code, ErrorCode::BadUserInput);
    assert_eq!(a.embedded.lock().len(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_more_inputs_than_enough_and_large_requests_go_alone() {
    let a = Scripted::new("a", vec![]);
    let world = batching(&a, 4);
    let began = Instant::now();
    let pair = || vec![text("1"), text("2")];
    let (one, two) = tokio::join!(vectors(&world, pair(), ana()), vectors(&world, pair(), ana()));
    assert_eq!((one.unwrap().vectors.len(), two.unwrap().vectors.len()), (2, 2));
    vectors(&world, vec![text("x"); 4], ana()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(a.embedded.lock().iter().map(Vec::len).collect::<Vec<_>>(), [4, 4]);
    // What doesn't fit any more begins anew.
    let threes = (0..2).map(|_| vectors(&world, vec![text("y"); 3], ana()));
    assert!(
        join_all(threes)
            .await
            .into_iter()
            .all(|r| r.unwrap().vectors.len() == 3)
    );
    assert_eq!(
        a.embedded.lock()[2..].iter().map(Vec::len).collect::<Vec<_>>(),
        [3, 3]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_put_together_across_subjects_or_of_different_kinds_or_where_the_route_is_silent() {
    let a = Scripted::new("a", vec![]);
    let world = batching(&a, 64);
    let calls = [
        (text("1"), ana()),
        (text("1"), of("acme", "bob")),
        (text("1"), of("other", "ana")),
        (text("1"), context()),
        (EmbeddingInput::Tokens(vec![1]), ana()),
    ];
    let calls = calls.map(|(input, context)| vectors(&world, vec![input], context));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(a.embedded.lock().len(), 5);

    let a = Scripted::new("a", vec![]);
    let world = World::of(&[&a]);
    join_all((0..3).map(|_| vectors(&world, vec![text("1")], ana()))).await;
    assert_eq!(a.embedded.lock().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_in_time_takes_its_inputs_along_and_the_last_ends_the_call() {
    let a = Scripted::new("a", vec![]);
    let world = batching(&a, 64);
    let leaves = tokio::time::timeout(
        Duration::from_millis(1),
        vectors(&world, vec![text("gone")], ana()),
    );
    let (left, stays, also) = tokio::join!(
        leaves,
        vectors(&world, vec![text("12")], ana()),
        vectors(&world, vec![text("123")], ana()),
    );
    assert!(left.is_err());
    assert_eq!(
        (stays.unwrap().vectors, also.unwrap().vectors),
        (vec![vec![2.0]], vec![vec![3.0]])
    );
    assert_eq!(a.embedded.lock()[0].len(), 2);

    *a.embeds_for.lock() = 10 * SECOND;
    let both = join_all((0..2).map(|_| vectors(&world, vec![text("1")], ana())));
    assert!(tokio::time::timeout(SECOND, both).await.is_err());
    assert_eq!(a.open.load(Ordering::SeqCst), 0);
    assert_eq!(world.router_status().in_flight, 0);

    // One that leaves later ends nothing for the other.
    let one = tokio::time::timeout(SECOND, vectors(&world, vec![text("1")], ana()));
    let (left, stays) = tokio::join!(one, vectors(&world, vec![text("22")], ana()));
    assert!(left.is_err());
    assert_eq!(stays.unwrap().vectors, [[2.0]]);
}
