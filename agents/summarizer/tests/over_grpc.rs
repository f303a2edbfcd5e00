//! Summaries of long texts by models of any window, with losses on the way.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

use std::collections::BTreeSet;

use greenroom_agent_rehearsal::{Rehearsal, StepCall, ends, request, says};
use greenroom_agent_sdk::{ErrorCode, Failure};
use greenroom_agent_summarizer::Summarizer;
use greenroom_kernel::StepKind;
use serde_json::{Value, json};

/// Sentences that can be told apart.
fn text(sentences: usize) -> String {
    (0..sentences)
        .map(|i| format!("Fact {i} is that number {i} follows the one before it. "))
        .collect()
}

fn summarize(input: &Value) -> Rehearsal {
    Rehearsal::of(
        Summarizer {
            chunk_tokens: 1_000,
            at_once: 3,
        },
        input,
    )
}

fn said(call: &StepCall) -> String {
    request(call).messages[1].content.clone()
}

/// What of the text a call holds.
fn material(call: &StepCall) -> String {
    let said = said(call);
    let inside = said
        .split("<text>\n")
        .nth(1)
        .unwrap()
        .split("\n</text>")
        .next()
        .unwrap();
    inside.to_owned()
}

/// A model that refuses what has more bytes than its window.
fn window(bytes: usize, call: &StepCall) -> Result<String, Failure> {
    let material = material(call);
    match material.len() > bytes {
        true => Err(Failure::bad_input("the conversation does not fit")),
        false => says(&format!(
            "[{}] as said.",
            material.split(' ').take(2).collect::<Vec<_>>().join(" ")
        )),
    }
}

#[tokio::test]
async fn a_short_text_is_one_visible_call() {
    let mut task =
        summarize(&json!({ "content": text(3), "maxWords": 9, "focus": "facts", "language": "Latin" }));
    let end = task
        .attempt(|call| {
            assert!(call.visible);
            let said = said(call);
            for part in ["at most 9 words", "facts", "in Latin", "Fact 2"] {
                assert!(said.contains(part), "{said}");
            }
            Some(says("Facta."))
        })
        .await;
    assert_eq!(end.content(), "Facta.");
    assert_eq!(*end.data(), json!({ "pieces": 1, "rounds": 0 }));
}

#[tokio::test]
async fn a_long_text_is_read_whole_in_pieces_and_only_the_last_summary_is_shown() {
    let all = text(600);
    let mut task = summarize(&json!(all));
    let mut read = String::new();
    let end = task
        .attempt(|call| {
            if said(call).contains("this part of a longer text") {
                read.push_str(&material(call));
            }
            Some(window(3_000, call))
        })
        .await;
    assert!(end.content().contains("as said."), "{end:?}");
    let facts = |text: &str| {
        text.split("Fact ")
            .skip(1)
            .map(|f| f.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let (seen, expected): (BTreeSet<String>, BTreeSet<String>) = (facts(&read), facts(&all));
    assert!(
        seen == expected,
        "{} of {} facts were read",
        seen.len(),
        expected.len()
    );
    let shown: Vec<bool> = task.asked.iter().map(|call| call.visible).collect();
    assert!(shown.last() == Some(&true) && shown.iter().filter(|shown| **shown).count() == 1);
    assert!(
        end.data()["pieces"].as_u64() >= Some(all.len() as u64 / 3_000),
        "{end:?}"
    );
    assert!(end.data()["rounds"].as_u64() >= Some(1), "{end:?}");
}

#[tokio::test]
async fn a_megabyte_takes_half_the_steps_of_a_task_at_most_and_twenty_windows_are_enough() {
    let mut large = Rehearsal::of(Summarizer::default(), &json!(text(20_000)));
    let end = large.attempt(|call| Some(window(100_000, call))).await;
    assert!(end.content().contains("as said."));
    assert!(large.asked.len() < 500, "{}", large.asked.len());
    // The first piece finds a small window: a few calls are refused, not one a piece.
    let mut small = Rehearsal::of(Summarizer::default(), &json!(text(1_600)));
    let mut refused = 0;
    let end = small
        .attempt(|call| {
            let answer = window(4_000, call);
            refused += usize::from(answer.is_err());
            Some(answer)
        })
        .await;
    assert!(end.content().contains("as said."));
    assert!(
        refused <= 4 && small.asked.len() < 100,
        "{refused} of {}",
        small.asked.len()
    );
}

#[tokio::test]
async fn a_piece_that_is_denser_than_the_first_is_halved_alone() {
    let mut task = summarize(&json!(text(300)));
    let end = task
        .attempt(|call| {
            let limit = if material(call).contains("Fact 200 ") {
                800
            } else {
                3_000
            };
            Some(window(limit, call))
        })
        .await;
    assert!(end.content().contains("as said."));
}

#[tokio::test]
async fn a_model_without_room_to_finish_gets_less_and_one_that_talks_too_long_does_not() {
    let mut task = summarize(&json!(text(200)));
    let mut cut = 0;
    let end = task
        .attempt(|call| {
            let full = material(call).len() > 1_000;
            cut += usize::from(full);
            Some(if full {
                ends("Fact", "length", 3)
            } else {
                says("Fine.")
            })
        })
        .await;
    assert_eq!(end.content(), "Fine.");
    assert!(cut > 0);
    let mut talks = summarize(&json!(text(3)));
    let end = talks.attempt(|_| Some(ends("and so on", "length", 1_024))).await;
    assert_eq!(
        (end.content(), &end.data()["finish"]),
        ("and so on", &json!("length"))
    );
    assert_eq!(talks.asked.len(), 1);
}

#[tokio::test]
async fn no_summary_is_made_twice_whatever_is_lost_on_the_way() {
    let mut task = summarize(&json!(text(250)));
    let mut made = Vec::new();
    let end = task
        .survives_every_loss(|call| {
            assert!(!made.contains(&call.path.to_string()), "{call:?} again");
            made.push(call.path.to_string());
            window(1_500, call)
        })
        .await;
    assert!(made.len() > 8 && end.content().contains("as said."), "{made:?}");
    let mut whole = summarize(&json!(text(250)));
    assert_eq!(whole.attempt(|call| Some(window(1_500, call))).await, end);
}

#[tokio::test]
async fn a_provider_that_is_busy_is_waited_for_a_bounded_number_of_times() {
    let busy = Failure::new(ErrorCode::ResourceExhausted, "busy").retryable();
    let mut task = summarize(&json!(text(3)));
    let mut left = 2;
    let end = task
        .attempt(|call| {
            if call.kind == StepKind::Timer {
                return Some(Ok("null".to_owned()));
            }
            left -= 1;
            Some(if left >= 0 {
                Err(busy.clone())
            } else {
                says("Fine.")
            })
        })
        .await;
    assert_eq!(end.content(), "Fine.");
    let mut never = summarize(&json!(text(3)));
    let end = never
        .attempt(|call| {
            Some(if call.kind == StepKind::Timer {
                Ok("null".to_owned())
            } else {
                Err(busy.clone())
            })
        })
        .await;
    assert_eq!((end.failure(), never.asked.len()), (&busy, 7));
}

#[tokio::test]
async fn a_refusal_for_another_reason_and_a_missing_model_fail_as_they_are() {
    let refusal = Failure::bad_input("no such parameter");
    let mut task = summarize(&json!(text(200)));
    let end = task.attempt(|_| Some(Err(refusal.clone()))).await;
    assert_eq!(*end.failure(), refusal);
    assert!(task.asked.len() < 10);
    let missing = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
    let mut without = summarize(&json!("text"));
    let end = without.attempt(|_| Some(Err(missing.clone()))).await;
    assert_eq!((end.failure(), without.asked.len()), (&missing, 1));
    let mut silent = summarize(&json!(text(200)));
    let end = silent.attempt(|_| Some(says(" "))).await;
    assert_eq!(end.failure().code, ErrorCode::AgentFailed);
}

#[tokio::test]
async fn bad_input_asks_no_model() {
    for input in [
        json!(""),
        json!(7),
        json!({ "content": "t", "maxWords": -1 }),
        json!({ "text": "t" }),
    ] {
        let end = summarize(&input).attempt(|call| panic!("asked: {call:?}")).await;
        assert_eq!(end.failure().code, ErrorCode::BadUserInput, "{end:?}");
    }
}
