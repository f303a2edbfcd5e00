use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use greenroom_agent_sdk::{
    AgentError, AgentHost, Effect, ErrorCode, Failure, FnTool, ModelMessage, ModelRequest, ModelRole, Output,
};
use greenroom_kernel::{FromAgent, Payload, StepAnswer, StepKind, StepOutcome, ToAgent};
use serde_json::{Value, json};

use crate::support::{agent, serve, serve_one, start};

const ANSWER: &str = r#"{"content":"hello","finish":"stop","usage":{"input_tokens":3,"output_tokens":1},"provider":"p","model":"m"}"#;

fn ask(text: &str) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, text)],
        ..ModelRequest::default()
    }
}

#[tokio::test]
async fn a_model_step_goes_to_the_supervisor_and_its_answer_comes_back() {
    let served = serve_one(|task, ctx| async move {
        let answer = ctx.model(ask(&task.text()?)).visible().await?;
        let tokens = answer.usage.total_tokens();
        Ok(Output::text(format!("{} {tokens}", answer.content)))
    })
    .await;
    let mut from = start();
    from.model = Some("small".into());
    let mut run = served.run(from).await;
    let call = run.call().await;
    assert_eq!(
        (call.path.as_str(), call.kind, call.effect),
        ("0", StepKind::Model, Effect::ReadOnly)
    );
    assert!(call.visible);
    assert_eq!(call.name.as_deref(), Some("small"));
    let input: ModelRequest = serde_json::from_str(&call.input).unwrap();
    assert_eq!(
        (input.model.as_deref(), input.messages[0].content.text().as_ref()),
        (Some("small"), "hi")
    );
    run.finish(&call.path, ANSWER);
    assert_eq!(run.completed().await.0.as_deref(), Some("hello 4"));
    assert!(run.hear().await.is_none());
}

#[tokio::test]
async fn an_effect_begins_after_go_and_is_reported() {
    let effects = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&effects);
    let served = serve_one(move |_, ctx| {
        let effects = Arc::clone(&counted);
        async move {
            let work = async move { Ok(effects.fetch_add(1, Ordering::SeqCst) + 1) };
            let count: u32 = ctx.step("charge", Effect::NonIdempotent, work).await?;
            Output::data(&json!({ "count": count, "key": ctx.key("charge") }))
        }
    })
    .await;
    let mut run = served.run(start()).await;
    let call = run.call().await;
    assert_eq!(
        (call.kind, call.name.as_deref()),
        (StepKind::Effect, Some("charge"))
    );
    assert_eq!(call.effect, Effect::NonIdempotent);
    assert_eq!(effects.load(Ordering::SeqCst), 0, "the effect waits for the go");
    run.answer(&call.path, StepAnswer::Go);
    let report = FromAgent::Report {
        path: call.path,
        outcome: StepOutcome::Done(Payload::inline("1")),
    };
    assert_eq!(run.frame().await, report);
    let data = run.completed().await.1.unwrap();
    assert_eq!(data, r#"{"count":1,"key":"s-1.2/charge"}"#);
}

#[tokio::test]
async fn a_finished_effect_is_not_run_again() {
    let served = serve_one(|_, ctx| async move {
        let work = async { panic!("run a second time") };
        let count: u32 = ctx.step("charge", Effect::NonIdempotent, work).await?;
        Output::data(&count)
    })
    .await;
    let mut run = served.run(start()).await;
    let call = run.call().await;
    run.finish(&call.path, "7");
    assert_eq!(run.completed().await.1.as_deref(), Some("7"));
}

#[tokio::test]
async fn a_tool_gets_its_arguments_and_a_key_and_its_failure_is_reported_and_returned() {
    let parameters = json!({ "type": "object" });
    let half = FnTool::new(
        "half",
        "Halves",
        Effect::Idempotent,
        parameters,
        |n: u32, call| async move {
            if n.is_multiple_of(2) {
                Ok(json!([n / 2, call.key]))
            } else {
                Err(AgentError::bad_input("odd"))
            }
        },
    );
    let host = AgentHost::new()
        .tool(Arc::new(half))
        .agent(agent("a", |_, ctx| async move {
            assert_eq!(ctx.tools()[0].name, "half");
            assert_eq!(
                ctx.tool("double", 1).await.unwrap_err().code(),
                ErrorCode::NotFound
            );
            let good = ctx.tool("half", 4).await?;
            let bad = ctx.tool("half", 3).await.unwrap_err();
            Output::data(&json!([good, bad.code()]))
        }));
    let served = serve(host).await;
    let mut run = served.run(start()).await;

    let call = run.call().await;
    assert_eq!(
        (call.kind, call.effect, call.input.as_str()),
        (StepKind::Tool, Effect::Idempotent, "4")
    );
    assert_eq!(call.path.as_str(), "1", "the unknown tool kept its place");
    run.answer(&call.path, StepAnswer::Go);
    let outcome = StepOutcome::Done(Payload::inline(r#"[2,"s-1.2/1"]"#));
    assert_eq!(
        run.frame().await,
        FromAgent::Report {
            path: call.path,
            outcome
        }
    );

    let call = run.call().await;
    run.answer(&call.path, StepAnswer::Go);
    let outcome = StepOutcome::Failed(Failure::bad_input("odd"));
    assert_eq!(
        run.frame().await,
        FromAgent::Report {
            path: call.path,
            outcome
        }
    );
    let data = run.completed().await.1.unwrap();
    assert_eq!(data, r#"[[2,"s-1.2/1"],"BAD_USER_INPUT"]"#);
}

#[tokio::test]
async fn children_timers_and_approvals_are_the_supervisors() {
    let served = serve_one(|_, ctx| async move {
        let reply = ctx.agent("other", json!({ "b": 1, "a": 2 })).await?;
        ctx.sleep(Duration::from_secs(3)).await?;
        let decision = ctx.approval_within("sure?", Duration::from_secs(60)).await?;
        Output::data(&json!([
            reply.content,
            reply.data,
            decision.approved,
            decision.value
        ]))
    })
    .await;
    let mut run = served.run(start()).await;
    let call = run.call().await;
    assert_eq!(
        (call.kind, call.name.as_deref()),
        (StepKind::Agent, Some("other"))
    );
    assert_eq!(call.input, r#"{"a":2,"b":1}"#);
    run.finish(&call.path, r#"{"content":"done","data":5}"#);
    let call = run.call().await;
    assert_eq!(
        (call.kind, call.input.as_str()),
        (StepKind::Timer, r#"{"ms":3000}"#)
    );
    run.finish(&call.path, "null");
    let call = run.call().await;
    assert_eq!(call.kind, StepKind::Approval);
    assert_eq!(call.input, r#"{"prompt":"sure?","timeoutMs":60000}"#);
    run.finish(&call.path, r#"{"approved":true,"value":{"x":1}}"#);
    let data: Value = serde_json::from_str(&run.completed().await.1.unwrap()).unwrap();
    assert_eq!(data, json!(["done", 5, true, { "x": 1 }]));
}

#[tokio::test]
async fn parallel_steps_keep_their_paths_whatever_order_the_answers_come_in() {
    let served = serve_one(|_, ctx| async move {
        let (left, right) = (ctx.scope(), ctx.scope());
        let branch = |ctx: greenroom_agent_sdk::Context, name: &'static str| async move {
            let a = ctx.agent(name, "first").await?.content;
            let b = ctx.agent(name, "second").await?.content;
            Ok::<_, AgentError>(a.unwrap_or_default() + &b.unwrap_or_default())
        };
        let (a, b) = futures::try_join!(branch(left, "l"), branch(right, "r"))?;
        let (c, d) = futures::try_join!(ctx.agent("c", 1), ctx.agent("d", 1))?;
        Output::data(&json!([a, b, c.content, d.content]))
    })
    .await;
    let mut run = served.run(start()).await;
    let (a, b) = (run.call().await, run.call().await);
    assert_eq!((a.path.as_str(), b.path.as_str()), ("0.0", "1.0"));
    run.finish(&b.path, r#"{"content":"r1"}"#);
    let second_b = run.call().await;
    assert_eq!(second_b.path.as_str(), "1.1");
    run.finish(&second_b.path, r#"{"content":"r2"}"#);
    run.finish(&a.path, r#"{"content":"l1"}"#);
    let second_a = run.call().await;
    assert_eq!(second_a.path.as_str(), "0.1");
    run.finish(&second_a.path, r#"{"content":"l2"}"#);
    let (c, d) = (run.call().await, run.call().await);
    assert_eq!((c.path.as_str(), d.path.as_str()), ("2", "3"));
    run.finish(&d.path, r#"{"content":"d"}"#);
    run.finish(&c.path, r#"{"content":"c"}"#);
    assert_eq!(run.completed().await.1.unwrap(), r#"["l1l2","r1r2","c","d"]"#);
}

#[tokio::test]
async fn no_more_calls_are_open_than_credit_allows() {
    let served = serve_one(|_, ctx| async move {
        let calls: Vec<_> = (0..5).map(|n| ctx.agent("x", n)).collect();
        ctx.emit("asking").await?;
        futures::future::try_join_all(calls).await?;
        Ok(Output::text("done"))
    })
    .await;
    let mut from = start();
    from.credit = 2;
    // Heartbeats mark that the agent has said all it can.
    from.heartbeat = Duration::from_millis(30);
    let mut run = served.run(from).await;
    assert_eq!(run.frame().await, FromAgent::Emit("asking".into()));
    let first = run.call().await;
    assert_eq!(run.call().await.path.as_str(), "1");
    assert_eq!(run.frame().await, FromAgent::Heartbeat, "no third call");

    run.finish(&first.path, "{}");
    let next = loop {
        match run.frame().await {
            FromAgent::Heartbeat => {}
            FromAgent::Call(call) => break call,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(next.path.as_str(), "2", "an answer gives its credit back");
    assert_eq!(run.frame().await, FromAgent::Heartbeat, "no fourth call");

    run.say(ToAgent::Credit(2));
    let mut open = vec![1, 2];
    while open.len() < 4 {
        if let FromAgent::Call(call) = run.frame().await {
            open.push(call.path.as_str().parse().unwrap());
        }
    }
    assert_eq!(open, [1, 2, 3, 4]);
}

#[tokio::test]
async fn text_is_sent_in_order_and_beyond_what_may_wait() {
    let served = serve_one(|_, ctx| async move {
        for n in 0..200 {
            ctx.emit(n.to_string()).await?;
        }
        Ok(Output::default())
    })
    .await;
    let mut run = served.run(start()).await;
    for n in 0..200 {
        assert_eq!(run.frame().await, FromAgent::Emit(n.to_string()));
    }
    assert_eq!(run.completed().await, (None, None));
}

#[tokio::test]
async fn a_step_given_up_before_its_go_is_reported_as_not_begun_and_gives_its_credit_back() {
    let served = serve_one(|_, ctx| async move {
        let never = ctx.step("never", Effect::NonIdempotent, async { Ok(1) });
        let other = ctx.agent("x", 1);
        // Both are asked for; the second answer wins.
        futures::future::select(never, other).await;
        ctx.agent("y", 1).await?;
        Ok(Output::text("done"))
    })
    .await;
    let mut from = start();
    from.credit = 2;
    let mut run = served.run(from).await;
    let (never, other) = (run.call().await, run.call().await);
    run.finish(&other.path, "{}");
    let next = run.call().await;
    run.answer(&never.path, StepAnswer::Go);
    match run.frame().await {
        FromAgent::Report {
            path,
            outcome: StepOutcome::Failed(failure),
        } => assert_eq!((path, failure.code), (never.path, ErrorCode::Cancelled)),
        other => panic!("{other:?}"),
    }
    run.finish(&next.path, "{}");
    assert_eq!(run.completed().await.0.as_deref(), Some("done"));
}

#[tokio::test]
async fn a_step_that_only_the_supervisor_can_run_fails_when_it_is_handed_back() {
    let served = serve_one(|_, ctx| async move {
        ctx.model(ask("hi")).await?;
        Ok(Output::default())
    })
    .await;
    let mut run = served.run(start()).await;
    let call = run.call().await;
    run.answer(&call.path, StepAnswer::Go);
    assert_eq!(run.failed().await.code, ErrorCode::Internal);
}
