//! Calls whose target speaks other words than the caller.

use std::time::Duration;

use futures::StreamExt;
use greenroom_gateway::GatewayConfig;
use greenroom_kernel::{CallEvent, CallFailure, Failure};
use http_body_util::BodyExt;
use serde_json::json;

use crate::client::{SOON, start, start_with};
use crate::v1_fake::{Does, end};

const STREAMED: &str = r#"{"model":"m","stream":true}"#;

fn text(text: &str) -> Result<CallEvent, CallFailure> {
    Ok(CallEvent::Text(text.to_owned()))
}

fn speaks(events: Vec<Result<CallEvent, CallFailure>>) -> Does {
    Does::Speaks(futures::stream::iter(events).boxed())
}

#[tokio::test]
async fn each_event_is_out_before_there_is_a_next() {
    let gateway = start().await;
    let events = gateway.models.speaks();
    events.send(text("a")).await.unwrap();
    let mut answer = gateway.open(gateway.v1("/v1/messages", STREAMED, &[])).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-greenroom-tries"], "2");
    let mut next = async || {
        let frame = tokio::time::timeout(SOON, answer.body_mut().frame())
            .await
            .unwrap()?;
        Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    };
    assert_eq!(next().await.unwrap(), "begin m\ntext a\n");
    events
        .send(Ok(CallEvent::Thinking("hm".to_owned())))
        .await
        .unwrap();
    events.send(text("b")).await.unwrap();
    assert_eq!(next().await.unwrap(), "text b\n");
    events.send(Ok(end("ab"))).await.unwrap();
    assert_eq!(next().await.unwrap(), "end ab of 8\n");
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn a_whole_answer_is_gathered_to_its_end() {
    let gateway = start().await;
    gateway.models.will(speaks(vec![text("a"), Ok(end("ab"))]));
    let reply = gateway.chat("{}").await;
    // Without a name of the caller's it is the one that answered.
    let expected = json!({ "model": "large", "said": "ab", "finish": "Stop", "by": "large" });
    assert_eq!((reply.status.as_u16(), reply.json()), (200, expected));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn what_fails_before_anything_was_said_is_an_error_with_its_status() {
    let gateway = start().await;
    for body in [STREAMED, "{}"] {
        let failed = Failure::unavailable("it broke").retry_after(Duration::from_millis(1_200));
        gateway.models.will(speaks(vec![Err(failed.into())]));
        let reply = gateway.chat(body).await;
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "2"));
        gateway.models.will(speaks(vec![]));
        assert_eq!(gateway.chat(body).await.status, 502);
    }
    gateway.models.will(speaks(vec![text("a")]));
    assert_eq!(gateway.chat("{}").await.status, 502);
}

#[tokio::test]
async fn what_breaks_or_is_cut_never_looks_like_a_good_end() {
    let gateway = start().await;
    gateway.models.will(speaks(vec![
        text("a"),
        Err(Failure::unavailable("it broke").into()),
    ]));
    assert_eq!(
        gateway.chat(STREAMED).await.text,
        "begin m\ntext a\nfail Overloaded it broke\n"
    );
    gateway.models.will(speaks(vec![text("a")]));
    assert_eq!(
        gateway.chat(STREAMED).await.text,
        "begin m\ntext a\nfail Upstream the answer ended before it was whole: ask again\n"
    );
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_and_hanging_up_cancels() {
    let config = GatewayConfig {
        keep_alive: Duration::from_millis(20),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    let events = gateway.models.speaks();
    events.send(text("a")).await.unwrap();
    let mut answer = gateway.open(gateway.v1("/v1/responses", STREAMED, &[])).await;
    for expected in ["begin m\ntext a\n", ":\n\n", ":\n\n"] {
        let frame = tokio::time::timeout(SOON, answer.body_mut().frame())
            .await
            .unwrap();
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), expected);
    }
    drop(answer);
    let call = gateway.models.called().await;
    let both = async {
        call.context.cancel.cancelled().await;
        events.closed().await;
    };
    tokio::time::timeout(Duration::from_secs(1), both).await.unwrap();
}

#[tokio::test]
async fn vectors_are_put_into_the_caller_s_words() {
    let gateway = start().await;
    gateway.models.will(Does::Embeds(vec![vec![0.5]]));
    let reply = gateway
        .ask("/v1/embeddings", r#"{"model":"m","input":"x"}"#, &[])
        .await;
    assert_eq!(
        reply.json(),
        json!({ "model": "m", "of": "x", "vectors": [[0.5]] })
    );
    assert_eq!(reply.header("x-greenroom-model"), "large");
}
