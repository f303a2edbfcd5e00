use std::sync::Arc;
use std::time::Duration;

use greenroom_agent_sdk::{AgentError, ErrorCode, Failure, ModelRequest, Output};
use greenroom_kernel::{FromAgent, StepAnswer, ToAgent};
use tokio::sync::{Notify, mpsc};

use crate::support::{SOON, serve_one, start};

#[tokio::test]
async fn an_error_fails_the_task_with_the_agents_code() {
    let served = serve_one(|_, _| async { Err(AgentError::new("out of ideas")) }).await;
    let mut run = served.run(start()).await;
    assert_eq!(
        run.failed().await,
        Failure::new(ErrorCode::AgentFailed, "out of ideas")
    );
    assert!(run.hear().await.is_none());
}

#[tokio::test]
async fn a_steps_failure_keeps_its_code_and_remedy_through_the_agent() {
    let served = serve_one(|_, ctx| async move {
        let answer = ctx.model(ModelRequest::default()).await?;
        Ok(Output::text(answer.content))
    })
    .await;
    let mut run = served.run(start()).await;
    let call = run.call().await;
    let remedy =
        Failure::unavailable("no model: set GREENROOM_MODEL_PATH").retry_after(Duration::from_secs(2));
    run.answer(&call.path, StepAnswer::Finished(Err(remedy.clone())));
    assert_eq!(run.failed().await, remedy);
}

#[tokio::test]
async fn a_cancelled_childs_failure_passed_on_is_not_taken_for_a_host_that_leaves() {
    let served = serve_one(|_, ctx| async move {
        let reply = ctx.agent("child", 1).await?;
        Ok(Output::text(reply.content.unwrap_or_default()))
    })
    .await;
    let mut run = served.run(start()).await;
    let call = run.call().await;
    let cancelled = Failure::new(ErrorCode::Cancelled, "cancelled by its owner");
    run.answer(&call.path, StepAnswer::Finished(Err(cancelled)));
    let expected = Failure::new(ErrorCode::AgentFailed, "cancelled by its owner");
    assert_eq!(run.failed().await, expected);
}

#[tokio::test]
async fn a_panic_loses_the_attempt_and_the_process_lives() {
    let served = serve_one(|task, ctx| async move {
        if task.attempt == 1 {
            ctx.emit("before").await?;
            let index = ctx.history().len();
            let nothing: [u8; 0] = [];
            return Output::data(&nothing[index]);
        }
        Ok(Output::text("again"))
    })
    .await;
    let mut run = served.run(start()).await;
    assert_eq!(run.frame().await, FromAgent::Emit("before".into()));
    match run.frame().await {
        FromAgent::Panicked(message) => assert!(message.contains("index out of bounds"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert!(run.hear().await.is_none());
    let mut second = start();
    second.attempt = 2;
    assert_eq!(
        served.run(second).await.completed().await.0.as_deref(),
        Some("again")
    );
}

#[tokio::test]
async fn a_cancelled_agent_is_told_and_may_end_by_itself() {
    let served = serve_one(|_, ctx| async move {
        ctx.emit("on").await?;
        ctx.cancelled().await;
        assert!(ctx.is_cancelled());
        let error = ctx.agent("x", 1).await.unwrap_err();
        Err(error)
    })
    .await;
    let mut run = served.run(start()).await;
    run.frame().await;
    run.say(ToAgent::Cancel("the deadline passed".into()));
    let failure = run.failed().await;
    assert_eq!(failure.code, ErrorCode::Cancelled);
    assert_eq!(failure.message, "cancelled: the deadline passed");
}

#[tokio::test]
async fn an_agent_that_ignores_cancellation_is_dropped_after_its_grace() {
    let served = serve_one(|_, ctx| async move {
        ctx.emit("on").await?;
        std::future::pending().await
    })
    .await;
    let mut run = served.run(start()).await;
    run.frame().await;
    run.say(ToAgent::Cancel("enough".into()));
    assert!(run.hear().await.is_none(), "the stream ends without a last word");
}

#[tokio::test]
async fn an_open_call_fails_when_the_run_is_cancelled() {
    let served = serve_one(|_, ctx| async move {
        ctx.agent("x", 1).await?;
        Ok(Output::default())
    })
    .await;
    let mut run = served.run(start()).await;
    run.call().await;
    run.say(ToAgent::Cancel("enough".into()));
    assert_eq!(run.failed().await.code, ErrorCode::Cancelled);
}

/// Says when it is dropped.
struct Bell(mpsc::UnboundedSender<&'static str>);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.send("dropped").ok();
    }
}

#[tokio::test]
async fn a_lost_stream_cancels_the_agent_which_may_clean_up_within_its_grace() {
    let (said, mut hears) = mpsc::unbounded_channel();
    let polite = Arc::new(Notify::new());
    let stay = Arc::clone(&polite);
    let served = serve_one(move |task, ctx| {
        let (said, stay) = (said.clone(), Arc::clone(&stay));
        async move {
            let _bell = Bell(said.clone());
            ctx.emit("on").await?;
            ctx.cancelled().await;
            said.send("cancelled").ok();
            if task.attempt == 1 {
                tokio::task::yield_now().await;
                said.send("cleaned up").ok();
                return Ok(Output::default());
            }
            stay.notified().await;
            Ok(Output::default())
        }
    })
    .await;
    let mut heard = async || tokio::time::timeout(SOON, hears.recv()).await.unwrap().unwrap();

    let mut run = served.run(start()).await;
    run.frame().await;
    run.hang_up();
    assert_eq!(
        [heard().await, heard().await, heard().await],
        ["cancelled", "cleaned up", "dropped"]
    );

    let mut second = start();
    second.attempt = 2;
    let mut run = served.run(second).await;
    run.frame().await;
    run.hang_up();
    assert_eq!(
        [heard().await, heard().await],
        ["cancelled", "dropped"],
        "nothing but its grace ends it"
    );
}

#[tokio::test]
async fn a_waiting_agent_is_heard_at_least_as_often_as_asked() {
    let served = serve_one(|_, _| std::future::pending()).await;
    let mut from = start();
    from.heartbeat = Duration::from_millis(60);
    let mut run = served.run(from).await;
    let begin = std::time::Instant::now();
    for _ in 0..6 {
        assert_eq!(run.frame().await, FromAgent::Heartbeat);
    }
    let passed = begin.elapsed();
    assert!(
        passed >= Duration::from_millis(100),
        "a third of the time is a period: {passed:?}"
    );
}

#[tokio::test]
async fn answers_too_large_for_a_message_fail_by_name() {
    let served = serve_one(|_, _| async { Ok(Output::text("x".repeat(17 << 20))) }).await;
    let failure = served.run(start()).await.failed().await;
    assert_eq!(failure.code, ErrorCode::LimitExceeded);
    assert!(
        failure.message.starts_with("the answer's content has"),
        "{failure}"
    );
}
