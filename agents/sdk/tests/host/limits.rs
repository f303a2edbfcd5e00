//! What is too large to be journaled fails here as it would there.

use greenroom_agent_sdk::{AgentError, Effect, ErrorCode, Failure, Output};
use greenroom_kernel::{FromAgent, PAYLOAD_LIMIT, StepAnswer, StepOutcome};
use serde_json::json;

use crate::support::{serve_one, start};

/// A text whose JSON has this many bytes.
fn text_of(bytes: usize) -> String {
    "x".repeat(bytes - 2)
}

#[tokio::test]
async fn a_steps_result_over_the_limit_fails_the_step_live_as_in_a_replay() {
    let served = serve_one(|task, ctx| async move {
        let bytes: usize = task.text()?.parse()?;
        let made: Result<String, AgentError> = ctx
            .step("make", Effect::Idempotent, async move { Ok(text_of(bytes)) })
            .await;
        Output::data(&match made {
            Ok(text) => json!(text.len()),
            Err(error) => json!([error.code(), error.failure().message]),
        })
    })
    .await;
    let mut from = start();
    from.input = format!("\"{}\"", PAYLOAD_LIMIT + 1);
    let mut run = served.run(from.clone()).await;
    let call = run.call().await;
    run.answer(&call.path, StepAnswer::Go);
    let reported: Failure = match run.frame().await {
        FromAgent::Report {
            outcome: StepOutcome::Failed(failure),
            ..
        } => failure,
        other => panic!("{:.200}", format!("{other:?}")),
    };
    assert_eq!(reported.code, ErrorCode::LimitExceeded);
    let live = run.completed().await.1.unwrap();
    assert_eq!(live, json!([reported.code, reported.message]).to_string());

    let mut run = served.run(from.clone()).await;
    let call = run.call().await;
    run.answer(&call.path, StepAnswer::Finished(Err(reported)));
    assert_eq!(run.completed().await.1.unwrap(), live);

    // The largest that is kept.
    from.input = format!("\"{PAYLOAD_LIMIT}\"");
    let mut run = served.run(from).await;
    let call = run.call().await;
    run.answer(&call.path, StepAnswer::Go);
    match run.frame().await {
        FromAgent::Report {
            outcome: StepOutcome::Done(result),
            ..
        } => assert_eq!(result.as_inline().unwrap().len(), PAYLOAD_LIMIT),
        other => panic!("{other:?}"),
    }
    assert_eq!(run.completed().await.1, Some((PAYLOAD_LIMIT - 2).to_string()));
}

#[tokio::test]
async fn an_input_over_the_limit_is_refused_before_anybody_is_asked() {
    let served = serve_one(|_, ctx| async move {
        let error = ctx.agent("other", text_of(PAYLOAD_LIMIT + 1)).await.unwrap_err();
        Output::data(&error.code())
    })
    .await;
    let mut run = served.run(start()).await;
    assert_eq!(run.completed().await.1.as_deref(), Some("\"LIMIT_EXCEEDED\""));
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_the_task() {
    for field in ["content", "data"] {
        let served = serve_one(move |_, _| async move {
            let over = text_of(PAYLOAD_LIMIT + 3);
            match field {
                "content" => Ok(Output::text(over)),
                _ => Output::data(&over),
            }
        })
        .await;
        let mut run = served.run(start()).await;
        let failure = run.failed().await;
        assert_eq!(failure.code, ErrorCode::LimitExceeded);
        assert!(failure.message.contains(field), "{failure}");
    }
}
