//! Summaries of long texts by scripted models of any window, and through crashes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use greenroom_agent_sdk::testkit::{Bench, Ran, Reply, StepRan};
use greenroom_agent_sdk::{ErrorCode, Failure, FinishReason, ModelRequest, Timestamp, Usage};
use greenroom_agent_summarizer::Summarizer;
use serde::Serialize;
use serde_json::{Value, json};

/// Sentences that can be told apart.
fn text(sentences: usize) -> String {
    (0..sentences)
        .map(|i| format!("Fact {i} is that number {i} follows the one before it. "))
        .collect()
}

fn summarize(input: impl Serialize) -> Bench {
    Bench::new(Summarizer {
        chunk_tokens: 1_000,
        at_once: 3,
    })
    .input(input)
}

fn said(request: &ModelRequest) -> Cow<'_, str> {
    request.messages[1].content.text()
}

/// What of the text a request holds.
fn material(request: &ModelRequest) -> String {
    let said = said(request);
    let (_, inside) = said.split_once("<text>\n").unwrap();
    inside.split_once("\n</text>").unwrap().0.to_owned()
}

/// A model that refuses what has more bytes than its window.
fn window(bytes: usize, request: &ModelRequest) -> Reply {
    let material = material(request);
    match material.len() > bytes {
        true => Reply::failed(Failure::bad_input("the conversation does not fit")),
        false => {
            let begin: Vec<&str> = material.split(' ').take(2).collect();
            Reply::text(format!("[{}] as said.", begin.join(" ")))
        }
    }
}

/// An answer cut off after so many tokens.
fn cut(content: &str, output_tokens: u64) -> Reply {
    let usage = Usage {
        input_tokens: 1,
        output_tokens,
        ..Usage::default()
    };
    Reply::text(content).finish(FinishReason::Length).usage(usage)
}

fn content(ran: &Ran) -> &str {
    ran.content()
        .unwrap_or_else(|| panic!("no summary: {:?}", ran.end()))
}

fn was_refused(step: &StepRan) -> bool {
    matches!(step.outcome, Some(Err(_)))
}

#[tokio::test]
async fn a_short_text_is_one_visible_call() {
    let input = json!({ "content": text(3), "maxWords": 9, "focus": "facts", "language": "Latin" });
    let ran = summarize(input).reply(Reply::text("Facta.")).run().await;
    assert_eq!(content(&ran), "Facta.");
    assert_eq!(ran.data(), Some(json!({ "pieces": 1, "rounds": 0 })));
    assert_eq!(ran.steps().len(), 1);
    assert!(ran.steps()[0].visible);
    let request = ran.steps()[0].request().unwrap();
    for part in ["at most 9 words", "facts", "in Latin", "Fact 2"] {
        assert!(said(&request).contains(part), "{request:?}");
    }
}

#[tokio::test]
async fn a_long_text_is_read_whole_in_pieces_and_only_the_last_summary_is_shown() {
    let all = text(600);
    let bench = summarize(&all).reply_by(|request| window(3_000, request));
    let ran = bench.run().await;
    assert!(content(&ran).contains("as said."), "{ran:?}");
    let mut read = String::new();
    for step in ran.steps().iter().filter(|step| !was_refused(step)) {
        let request = step.request().unwrap();
        if said(&request).contains("this part of a longer text") {
            read.push_str(&material(&request));
        }
    }
    let facts = |text: &str| -> BTreeSet<String> {
        let facts = text.split("Fact ").skip(1);
        facts
            .map(|fact| fact.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let (seen, expected) = (facts(&read), facts(&all));
    assert!(
        seen == expected,
        "{} of {} facts were read",
        seen.len(),
        expected.len()
    );
    let shown: Vec<bool> = ran.steps().iter().map(|step| step.visible).collect();
    assert!(shown.last() == Some(&true) && shown.iter().filter(|shown| **shown).count() == 1);
    assert_eq!(ran.emitted(), content(&ran));
    let data: Value = ran.data().unwrap();
    assert!(
        data["pieces"].as_u64() >= Some(all.len() as u64 / 3_000),
        "{data}"
    );
    assert!(data["rounds"].as_u64() >= Some(1), "{data}");
}

#[tokio::test]
async fn a_megabyte_takes_half_the_steps_of_a_task_at_most_and_twenty_windows_are_enough() {
    let usual = |sentences| Bench::new(Summarizer::default()).input(text(sentences));
    let large = usual(20_000).reply_by(|request| window(100_000, request));
    let ran = large.run().await;
    assert!(content(&ran).contains("as said."));
    assert!(ran.steps().len() < 500, "{}", ran.steps().len());
    // The first piece finds a small window: a few calls are refused, not one a piece.
    let small = usual(1_600).reply_by(|request| window(4_000, request));
    let ran = small.run().await;
    assert!(content(&ran).contains("as said."));
    let refused = ran.steps().iter().filter(|step| was_refused(step)).count();
    let all = ran.steps().len();
    assert!(refused <= 4 && all < 100, "{refused} of {all}");
}

#[tokio::test]
async fn a_piece_that_is_denser_than_the_first_is_halved_alone() {
    let bench = summarize(text(300)).reply_by(|request| {
        let dense = material(request).contains("Fact 200 ");
        window(if dense { 800 } else { 3_000 }, request)
    });
    assert!(content(&bench.run().await).contains("as said."));
}

#[tokio::test]
async fn a_model_without_room_to_finish_gets_less_and_one_that_talks_too_long_does_not() {
    let all = text(200);
    let has_no_room = |request: &ModelRequest| material(request).len() > 1_000;
    let bench = summarize(&all).reply_by(move |request| match has_no_room(request) {
        true => cut("Fact", 3),
        false => Reply::text("Fine."),
    });
    let ran = bench.run().await;
    assert_eq!(content(&ran), "Fine.");
    let mut requests = ran.steps().iter().filter_map(StepRan::request);
    assert!(requests.any(|request| has_no_room(&request)));
    let data: Value = ran.data().unwrap();
    assert!(
        data["pieces"].as_u64() >= Some(all.len() as u64 / 1_000),
        "{data}"
    );
    let talks = summarize(text(30)).reply_by(|_| cut("and so on", 1_024));
    let ran = talks.run().await;
    let data: Value = ran.data().unwrap();
    assert_eq!((content(&ran), &data["finish"]), ("and so on", &json!("length")));
    assert_eq!(ran.steps().len(), 1);
}

#[tokio::test]
async fn no_summary_is_made_twice_whatever_is_lost_on_the_way() {
    let bench = summarize(text(250)).reply_by(|request| window(1_500, request));
    let ran = bench.run().await;
    let made = ran.steps().len();
    assert!(made > 8 && content(&ran).contains("as said."), "{ran:?}");
    let survival = bench.crashes().await;
    assert!(survival.is_whole(), "{survival}");
    assert_eq!(survival.steps, made..=made);
}

#[tokio::test]
async fn a_provider_that_is_busy_is_waited_for_a_bounded_number_of_times() {
    let busy = Failure::new(ErrorCode::ResourceExhausted, "busy").retryable();
    let after = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    let bench = summarize(text(3)).starts_at(after(0));
    let twice = bench
        .clone()
        .reply(Reply::failed(busy.clone()))
        .reply(Reply::failed(busy.clone()))
        .reply(Reply::text("Fine."));
    let ran = twice.run().await;
    assert_eq!((content(&ran), ran.ended_at()), ("Fine.", after(2 + 8)));
    twice.assert_survives_crashes().await;
    // Three waits and four calls. It is not asked before it says it should be.
    for (busy, waited) in [
        (busy.clone(), 2 + 8 + 32),
        (busy.retry_after(Duration::from_secs(20)), 20 + 20 + 32),
    ] {
        let reply = Reply::failed(busy.clone());
        let never = bench.clone().reply_by(move |_| reply.clone());
        let ran = never.run().await;
        assert_eq!((ran.failure(), ran.steps().len()), (Some(&busy), 7));
        assert_eq!(ran.ended_at(), after(waited));
    }
}

#[tokio::test]
async fn a_refusal_for_another_reason_and_a_missing_model_fail_as_they_are() {
    let always = |text: String, reply: Reply| summarize(text).reply_by(move |_| reply.clone());
    let refusal = Failure::bad_input("no such parameter");
    let ran = always(text(200), Reply::failed(refusal.clone())).run().await;
    assert_eq!(ran.failure(), Some(&refusal));
    assert!(ran.steps().len() < 10);
    let missing = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
    let ran = always("text".to_owned(), Reply::failed(missing.clone()))
        .run()
        .await;
    assert_eq!((ran.failure(), ran.steps().len()), (Some(&missing), 1));
    let ran = always(text(200), Reply::text(" ")).run().await;
    let code = ran.failure().map(|failure| failure.code);
    assert_eq!(code, Some(ErrorCode::AgentFailed));
}

#[tokio::test]
async fn bad_input_asks_no_model() {
    for input in [
        json!(""),
        json!(7),
        json!({ "content": "t", "maxWords": -1 }),
        json!({ "text": "t" }),
    ] {
        let ran = summarize(input).run().await;
        assert_eq!(ran.steps(), []);
        let code = ran.failure().map(|failure| failure.code);
        assert_eq!(code, Some(ErrorCode::BadUserInput), "{:?}", ran.end());
    }
}
