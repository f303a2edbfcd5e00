//! A turn of a conversation, with a scripted model.

#![allow(clippy::expect_used, reason = "helpers of tests fail their test")]

use greenroom_agent_assistant::Assistant;
use greenroom_agent_sdk::testkit::{Bench, End, Ran, Reply};
use greenroom_agent_sdk::{Failure, FinishReason, HistoryMessage, Role};
use serde_json::json;

/// The third turn of a conversation, with the model that the caller asks for.
fn turn() -> Bench {
    let said = |role, content: &str| HistoryMessage {
        role,
        content: content.into(),
    };
    Bench::new(Assistant::default())
        .input(json!({ "content": "and now?" }))
        .history([said(Role::User, "hello"), said(Role::Assistant, "hi")])
        .model_name("small")
}

/// What each call told the model behind the system's prompt.
fn told(ran: &Ran) -> Vec<Vec<String>> {
    let requests = ran
        .steps()
        .iter()
        .map(|step| step.request().expect("a model call"));
    requests
        .map(|request| {
            assert_eq!(request.model.as_deref(), Some("small"));
            let said = request.messages.into_iter().skip(1);
            said.map(|message| message.content.text().into_owned()).collect()
        })
        .collect()
}

fn answered(content: &str, data: Option<serde_json::Value>) -> End {
    End::Completed {
        content: Some(content.to_owned()),
        data,
    }
}

#[tokio::test]
async fn a_turn_sends_the_conversation_visibly_and_answers_with_the_models_words() {
    let ran = turn().reply(Reply::pieces(["la", "ter"])).run().await;
    assert_eq!(*ran.end(), answered("later", None));
    assert_eq!(told(&ran), [["hello", "hi", "and now?"]]);
    assert!(ran.steps()[0].visible);
    assert_eq!(ran.emitted(), "later");
}

#[tokio::test]
async fn a_caller_who_keeps_the_conversation_tells_it_and_its_instructions_stay() {
    let bench = Bench::new(Assistant {
        context_tokens: 35,
        ..Assistant::default()
    });
    let told = json!([
        { "role": "SYSTEM", "content": "speak like a pirate" },
        { "role": "USER", "content": "hello" },
        { "role": "ASSISTANT", "content": "ahoy" },
        { "role": "USER", "content": "who?" },
        { "role": "ASSISTANT", "content": "me" },
    ]);
    let bench = bench.input(json!({ "content": "and now?", "messages": told }));
    let ran = bench.reply(Reply::pieces(["arr"])).run().await;
    assert_eq!(*ran.end(), answered("arr", None));
    let request = ran.steps()[0].request().expect("a model call");
    let said: Vec<_> = request
        .messages
        .iter()
        .map(|message| message.content.text())
        .collect();
    assert!(
        said[0].ends_with("Answer briefly and truthfully.\n\nspeak like a pirate"),
        "{said:?}"
    );
    assert_eq!(said[1..], ["and now?"]);
    let wrong =
        Bench::new(Assistant::default()).input(json!({ "content": "a", "messages": [{ "role": "user" }] }));
    let ran = wrong.run().await;
    let failure = ran.failure().expect("a failure");
    assert_eq!(failure.code, greenroom_agent_sdk::ErrorCode::BadUserInput);
    assert!(
        failure.message.starts_with("the input's messages must be a list"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_conversation_too_long_for_the_model_is_tried_again_shorter_then_fails_as_it_did() {
    let refused = |why: &str| Reply::failed(Failure::bad_input(why));
    let bench = turn().reply(refused("too long")).reply(refused("still too long"));
    let ran = bench.run().await;
    assert_eq!(*ran.end(), End::Failed(Failure::bad_input("still too long")));
    assert_eq!(told(&ran), [vec!["hello", "hi", "and now?"], vec!["and now?"]]);
    assert_eq!(ran.steps()[1].path, "1");
}

#[tokio::test]
async fn an_answer_cut_by_its_limit_says_so_to_programs() {
    let cut = Reply::text("once upon").finish(FinishReason::Length);
    let ran = turn().reply(cut).run().await;
    let finish = json!({ "finish": "length" });
    assert_eq!(*ran.end(), answered("once upon", Some(finish)));
}

#[tokio::test]
async fn a_missing_model_fails_the_turn_with_its_remedy() {
    let remedy = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
    let ran = turn().reply(Reply::failed(remedy.clone())).run().await;
    assert_eq!((ran.failure(), ran.steps().len()), (Some(&remedy), 1));
}

#[tokio::test]
async fn a_turn_and_its_shorter_second_try_survive_crashes_without_one_more_call() {
    let bench = turn()
        .reply(Reply::failed(Failure::bad_input("too long")))
        .reply(Reply::pieces(["la", "ter"]));
    assert_eq!(*bench.run().await.end(), answered("later", None));
    let survival = bench.crashes().await;
    assert!(survival.is_whole(), "{survival}");
    assert_eq!(survival.steps, 2..=2);
}
