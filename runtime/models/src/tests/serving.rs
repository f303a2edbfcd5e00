use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use greenroom_kernel::{
    CallEvent, CallFailure, EmbeddingInput, EmbeddingRequest, ErrorCode, FaultClass, Models, RawRequest,
    Readable, Served, ServedAnswer, Unreadable, WireCall, WireFamily, Wish,
};
use http::HeaderMap;

use super::script::{Act, Script, Scripted, USED, refuses, says, streams};
use super::world::{World, context, pairs, request};
use crate::Deadlines;

const SECOND: Duration = Duration::from_secs(1);

struct Reads(bool);

impl Readable for Reads {
    fn wish(&self) -> Result<Wish, Unreadable> {
        match self.0 {
            true => Ok(Wish::Answer(Arc::new(request()))),
            false => Err(Unreadable::at("messages[0]", "it has no words here")),
        }
    }
}

pub(super) fn wire(stream: bool) -> WireCall {
    WireCall {
        model: None,
        raw: RawRequest {
            family: WireFamily::OpenAiChat,
            before: Bytes::from_static(b"{"),
            model: Bytes::new(),
            after: Bytes::from_static(b"}"),
            stream,
            headers: HeaderMap::new(),
            allows: greenroom_kernel::Allows::default(),
        },
        readable: Arc::new(Reads(true)),
    }
}

pub(super) async fn serve(world: &World, call: WireCall) -> Result<Served, CallFailure> {
    Arc::clone(&world.router).serve(call, context()).await
}

/// All that its reader sees of an answer, and the failure that ends it.
pub(super) async fn seen(answer: ServedAnswer) -> (Vec<String>, Option<CallFailure>) {
    let (mut seen, mut failure) = (Vec::new(), None);
    let utf8 = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    match answer {
        ServedAnswer::Whole { body, .. } => seen.push(utf8(body)),
        ServedAnswer::Relayed { mut pieces, .. } => {
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => seen.push(utf8(piece)),
                    Err(error) => failure = Some(error),
                }
            }
        }
        ServedAnswer::Spoken(mut events) => {
            while let Some(event) = events.next().await {
                match event {
                    Ok(CallEvent::Text(text)) => seen.push(text),
                    Ok(CallEvent::End(answer)) => seen.push(format!("<{}>", answer.content)),
                    Ok(other) => seen.push(format!("{other:?}")),
                    Err(error) => failure = Some(error),
                }
            }
        }
        ServedAnswer::Embedded { .. } => panic!("vectors"),
    }
    (seen, failure)
}

#[tokio::test(start_paused = true)]
async fn a_target_of_the_family_is_relayed_and_another_is_spoken_to() {
    let script = || streams(&[Act::Work, Act::Say("hel"), Act::Say("lo"), Act::End(Some(USED))]);
    let a = Scripted::new("a", vec![script()]).relaying();
    let world = World::of(&[&a]);
    let served = serve(&world, wire(true)).await.unwrap();
    assert_eq!(
        (&*served.by.provider, &*served.by.model, served.by.tries),
        ("a", "a-m", 1)
    );
    let ServedAnswer::Relayed { headers, .. } = &served.answer else {
        panic!("not relayed");
    };
    assert_eq!(headers["x-stream"], "1");
    assert_eq!(seen(served.answer).await.0, ["role ", "hel", "lo", "end"]);
    assert_eq!(world.tried()[0].usage, USED);

    let b = Scripted::new("b", vec![script()]);
    let served = serve(&World::of(&[&b]), wire(true)).await.unwrap();
    assert_eq!(seen(served.answer).await.0, ["hel", "lo", "<hello>"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_streamed_comes_whole() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("hello"), Act::End(None)])]).relaying();
    let served = serve(&World::of(&[&a]), wire(false)).await.unwrap();
    let ServedAnswer::Whole { headers, body } = served.answer else {
        panic!("not whole");
    };
    assert_eq!(
        (&headers["x-stream"], &body[..]),
        (&"0".parse().unwrap(), &b"helloend"[..])
    );

    let b = Scripted::new("b", vec![says("hello")]);
    let served = serve(&World::of(&[&b]), wire(false)).await.unwrap();
    assert_eq!(seen(served.answer).await.0, ["<hello>"]);
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_never_comes_goes_to_the_next_target_in_time() {
    let silent = Script {
        opening: vec![Act::Hang],
        stream: vec![],
    };
    let a = Scripted::new("a", vec![silent]).relaying();
    let b = Scripted::new("b", vec![streams(&[Act::Say("hello"), Act::End(None)])]).relaying();
    let world = World::of(&[&a, &b]);
    let began = tokio::time::Instant::now();
    let served = serve(&world, wire(false)).await.unwrap();
    assert_eq!((&*served.by.provider, served.by.tries), ("b", 2));
    assert_eq!(began.elapsed(), Deadlines::default().whole);
    assert_eq!(world.classes(), pairs(&[("a", "transient"), ("b", "ok")]));
    assert_eq!(a.open.load(Ordering::SeqCst), 0, "the silent call is closed");
}

#[test]
fn by_default_a_silent_target_of_any_call_leaves_time_for_another() {
    let Deadlines {
        connect,
        whole,
        first_token,
        between_tokens,
        tokens_per_second: _,
        total,
    } = Deadlines::default();
    let streamed = connect + first_token + between_tokens;
    assert!(2 * whole.max(streamed) < total);
}

struct Embeds;

impl Readable for Embeds {
    fn wish(&self) -> Result<Wish, Unreadable> {
        Ok(Wish::Embeddings(Arc::new(EmbeddingRequest {
            inputs: vec![EmbeddingInput::Text("here".to_owned())],
            ..EmbeddingRequest::default()
        })))
    }
}

#[tokio::test(start_paused = true)]
async fn vectors_of_another_family_come_with_who_made_them() {
    let a = Scripted::new("a", Vec::new());
    let mut call = wire(false);
    call.raw.family = WireFamily::OpenAiEmbeddings;
    call.readable = Arc::new(Embeds);
    let served = serve(&World::of(&[&a]), call).await.unwrap();
    assert_eq!((&*served.by.provider, served.by.tries), ("a", 1));
    let ServedAnswer::Embedded { vectors } = served.answer else {
        panic!("no vectors");
    };
    assert_eq!((vectors.vectors, vectors.usage), (vec![vec![4.0]], Some(USED)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_word_is_an_answer() {
    for streamed in [false, true] {
        let a = Scripted::new("a", vec![streams(&[Act::End(Some(USED))])]);
        let served = serve(&World::of(&[&a]), wire(streamed)).await.unwrap();
        assert_eq!((&*served.by.provider, served.by.tries), ("a", 1));
        assert_eq!(seen(served.answer).await.0, ["<>"]);
    }
}

#[tokio::test(start_paused = true)]
async fn before_content_a_failover_is_invisible_across_families_and_lifecycle_is_held_back() {
    let breaks = || streams(&[Act::Work, Act::Work, Act::Break(FaultClass::Transient)]);
    let a = Scripted::new("a", vec![breaks()]).relaying();
    let b = Scripted::new("b", vec![says("hello")]);
    let served = serve(&World::of(&[&a, &b]), wire(true)).await.unwrap();
    assert_eq!((&*served.by.provider, served.by.tries), ("b", 2));
    assert_eq!(seen(served.answer).await.0, ["hello", "<hello>"]);

    let (b, a) = (
        Scripted::new("b", vec![breaks()]),
        Scripted::new("a", vec![says("hello")]).relaying(),
    );
    let served = serve(&World::of(&[&b, &a]), wire(true)).await.unwrap();
    assert_eq!(seen(served.answer).await.0, ["hello", "end"]);
}

#[tokio::test(start_paused = true)]
async fn after_content_a_fault_ends_a_stream_with_an_error_and_never_as_a_success() {
    for relays in [true, false] {
        let a = Scripted::new(
            "a",
            vec![streams(&[Act::Say("hel"), Act::Break(FaultClass::Transient)])],
        );
        let a = if relays { a.relaying() } else { a };
        let b = Scripted::new("b", vec![says("hello")]);
        let world = World::of(&[&a, &b]);
        let served = serve(&world, wire(true)).await.unwrap();
        let (seen, failure) = seen(served.answer).await;
        assert_eq!(seen, ["hel"]);
        let failure = failure.unwrap();
        assert_eq!(failure.failure.code, ErrorCode::ProviderFailed);
        assert_eq!(failure.fault.unwrap().provider, "a");
        assert!(b.calls().is_empty());
        let tried = world.tried();
        assert_eq!(tried.len(), 1);
        assert!(
            tried[0].usage.estimated && tried[0].usage.output_tokens == 1,
            "{tried:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_streamed_may_take_longer_than_a_beginning_may() {
    let mut script = streams(&[Act::Say("hello"), Act::End(None)]);
    script.opening = vec![Act::Wait(120 * SECOND)];
    let a = Scripted::new("a", vec![script]).relaying();
    let world = World::of(&[&a]);
    let served = serve(&world, wire(false)).await.unwrap();
    assert_eq!(seen(served.answer).await.0, ["helloend"]);
    assert_eq!(world.classes(), pairs(&[("a", "ok")]));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_seen_starts_over_when_it_breaks() {
    let a = Scripted::new(
        "a",
        vec![streams(&[Act::Say("hel"), Act::Break(FaultClass::Transient)])],
    )
    .relaying();
    let b = Scripted::new("b", vec![says("hello")]).relaying();
    let served = serve(&World::of(&[&a, &b]), wire(false)).await.unwrap();
    assert_eq!(&*served.by.provider, "b");
    assert_eq!(seen(served.answer).await.0, ["helloend"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_early_or_stalls_is_a_fault() {
    for last in [None, Some(Act::Hang)] {
        let acts: Vec<Act> = [Some(Act::Say("hel")), last].into_iter().flatten().collect();
        let a = Scripted::new("a", vec![streams(&acts)]).relaying();
        let served = serve(&World::of(&[&a]), wire(true)).await.unwrap();
        let (seen, failure) = seen(served.answer).await;
        assert_eq!(seen, ["hel"]);
        assert_eq!(failure.unwrap().fault.unwrap().class, FaultClass::Transient);
    }
}

#[tokio::test(start_paused = true)]
async fn lifecycle_alone_keeps_no_try_alive() {
    let mut acts = Vec::new();
    for _ in 0..1_000 {
        acts.extend([Act::Wait(SECOND), Act::Work]);
    }
    let a = Scripted::new("a", vec![streams(&acts)]).relaying();
    let b = Scripted::new("b", vec![says("hello")]).relaying();
    let world = World::of(&[&a, &b]);
    let began = tokio::time::Instant::now();
    let served = serve(&world, wire(true)).await.unwrap();
    assert_eq!(seen(served.answer).await.0, ["hello", "end"]);
    assert!(began.elapsed() <= 61 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn behind_content_lifecycle_alone_keeps_no_try_alive_either() {
    let mut acts = vec![Act::Say("hel")];
    for _ in 0..1_000 {
        acts.extend([Act::Wait(SECOND), Act::Work]);
    }
    let a = Scripted::new("a", vec![streams(&acts)]).relaying();
    let began = tokio::time::Instant::now();
    let served = serve(&World::of(&[&a]), wire(true)).await.unwrap();
    let (_, failure) = seen(served.answer).await;
    assert_eq!(failure.unwrap().fault.unwrap().class, FaultClass::Transient);
    assert!(began.elapsed() <= 31 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_not_there_opens_no_breaker() {
    let a = Scripted::new("a", vec![]).relaying();
    let mut refused = refuses(FaultClass::HardDown);
    refused.opening = vec![Act::NotFound];
    *a.otherwise.lock() = refused;
    let world = World::of(&[&a]);
    for _ in 0..20 {
        assert!(serve(&world, wire(true)).await.is_err());
    }
    assert_eq!(a.calls().len(), 20, "each was tried");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_opens_no_breaker() {
    let acts = [Act::Say("a"), Act::Say("b"), Act::End(Some(USED))];
    let a = Scripted::new("a", vec![streams(&acts)]).relaying();
    let world = World::of(&[&a]);
    let served = serve(&world, wire(true)).await.unwrap();
    let ServedAnswer::Relayed { mut pieces, .. } = served.answer else {
        panic!("not relayed");
    };
    let mut seen = 0;
    while let Some(piece) = pieces.next().await {
        piece.unwrap();
        seen += 1;
        tokio::time::sleep(100 * SECOND).await;
    }
    assert_eq!(seen, 3);
    assert_eq!(world.classes(), pairs(&[("a", "ok")]));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_ends_the_call_and_it_is_billed() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("12345678"), Act::Hang])]).relaying();
    let world = World::of(&[&a]);
    let served = serve(&world, wire(true)).await.unwrap();
    assert_eq!(a.open.load(Ordering::SeqCst), 1);
    drop(served);
    assert_eq!(a.open.load(Ordering::SeqCst), 0);
    assert_eq!(world.classes(), pairs(&[("a", "cancelled")]));
    assert_eq!(world.tried()[0].usage.output_tokens, 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_words_elsewhere_is_the_caller_s_mistake_at_another_family_alone() {
    let unreadable = |stream| WireCall {
        readable: Arc::new(Reads(false)),
        ..wire(stream)
    };
    let a = Scripted::new("a", vec![says("hello")]).relaying();
    assert!(serve(&World::of(&[&a]), unreadable(true)).await.is_ok());
    let b = Scripted::new("b", vec![says("hello")]);
    let Err(failure) = serve(&World::of(&[&b]), unreadable(true)).await else {
        panic!("served");
    };
    assert_eq!(failure.failure.code, ErrorCode::BadUserInput);
    assert!(failure.failure.message.contains("it has no words here"));
    assert!(b.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_brings_the_fault_of_its_last_try() {
    let a = Scripted::new("a", vec![refuses(FaultClass::BadRequest)]).relaying();
    let Err(failure) = serve(&World::of(&[&a]), wire(true)).await else {
        panic!("served");
    };
    assert_eq!(failure.fault.unwrap().class, FaultClass::BadRequest);
}

#[tokio::test(start_paused = true)]
async fn a_long_retry_after_is_told_and_a_short_one_waited_for() {
    for (asked, served_by_a_retry) in [(SECOND, true), (17 * SECOND, false)] {
        let a = Scripted::new("a", vec![refuses(FaultClass::Throttled), says("hello")]).relaying();
        *a.retry_after.lock() = Some(asked);
        let began = tokio::time::Instant::now();
        let served = serve(&World::of(&[&a]), wire(true)).await;
        assert_eq!(served.is_ok(), served_by_a_retry);
        if let Err(failure) = served {
            assert_eq!(began.elapsed(), Duration::ZERO);
            assert_eq!(failure.failure.code, ErrorCode::ResourceExhausted);
            assert_eq!(failure.failure.retry_after_ms, Some(17_000));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_call_of_a_provider_that_asked_for_a_while_waits_for_it_or_is_told_how_long() {
    for (asked, waited_for) in [(7 * SECOND, true), (17 * SECOND, false)] {
        let a = Scripted::new("a", vec![refuses(FaultClass::Throttled)]).relaying();
        *a.retry_after.lock() = Some(asked);
        let world = World::of(&[&a]);
        let hung_up = tokio::time::timeout(SECOND, serve(&world, wire(true))).await;
        assert_eq!(hung_up.is_err(), waited_for);
        let served = serve(&world, wire(true)).await;
        assert_eq!(served.is_ok(), waited_for);
        if let Err(failure) = served {
            assert_eq!(failure.failure.code, ErrorCode::ResourceExhausted);
            assert!(failure.failure.retry_after_ms.unwrap() >= 16_000);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_ends_at_once() {
    let a = Scripted::new("a", vec![streams(&[Act::Hang])]).relaying();
    let world = World::of(&[&a]);
    let context = context();
    let cancel = context.cancel.clone();
    let serving = Arc::clone(&world.router).serve(wire(true), context);
    let leaving = async {
        tokio::task::yield_now().await;
        cancel.cancel();
    };
    let (served, ()) = tokio::join!(serving, leaving);
    let failure = served.map(drop).unwrap_err();
    assert_eq!(failure.failure.code, ErrorCode::Cancelled);
    assert_eq!(a.open.load(Ordering::SeqCst), 0);
}
