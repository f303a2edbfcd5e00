use std::sync::Arc;
use std::time::Duration;

use greenroom_agent_sdk::testkit::{End, Probe, Reply, StepKind};
use greenroom_agent_sdk::{
    AgentReply, Effect, ErrorCode, Failure, FinishReason, FnTool, HistoryMessage, ModelMessage, ModelRequest,
    ModelRole, Output, Role, Usage,
};
use serde_json::{Value, json};

use crate::support::bench;

fn ask(text: impl Into<String>) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, text)],
        ..ModelRequest::default()
    }
}

fn tool(name: &str, answer: Value) -> Arc<FnTool> {
    let call = move |_: Value, _| {
        let answer = answer.clone();
        async move { Ok(answer) }
    };
    Arc::new(FnTool::new(name, "A test's", Effect::ReadOnly, json!({}), call))
}

#[tokio::test]
async fn a_run_shows_its_end_its_steps_its_text_and_its_effects() {
    let world = Probe::new();
    let inside = world.clone();
    let bench = bench(move |task, ctx| {
        let world = inside.clone();
        async move {
            let answer = ctx.model(ask(task.text()?)).visible().await?;
            ctx.emit("; ").await?;
            let found = ctx.tool("find", json!({ "b": 1, "a": 2 })).await?;
            let child = ctx.agent("echo", json!({ "content": "hi" })).await?;
            let paid: u32 = ctx
                .step("pay", Effect::NonIdempotent, async move {
                    world.fire("pay");
                    Ok(17)
                })
                .await?;
            Output::text(answer.content).with_data(&json!([found, child.content, paid]))
        }
    })
    .input("hello")
    .model_name("fast")
    .reply(Reply::pieces(["Good ", "day"]))
    .tool(tool("find", json!("nothing")))
    .agent(
        "echo",
        AgentReply {
            content: Some("ho".into()),
            data: None,
            task_id: None,
        },
    )
    .probe(&world);
    let ran = bench.run().await;
    assert_eq!(ran.content(), Some("Good day"));
    assert_eq!(ran.data::<Value>(), Some(json!(["nothing", "ho", 17])));
    assert_eq!(ran.emitted(), "Good day; ");
    assert_eq!(
        (ran.attempts(), ran.effects()),
        (1, [("pay".to_owned(), 1)].into())
    );
    let kinds: Vec<_> = ran.steps().iter().map(|step| (step.number, step.kind)).collect();
    let expected = [
        (0, StepKind::Model),
        (1, StepKind::Tool),
        (2, StepKind::Agent),
        (3, StepKind::Effect),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(ran.steps()[0].name.as_deref(), Some("fast"));
    assert_eq!(ran.steps()[1].input, json!({ "a": 2, "b": 1 }));
    assert_eq!(ran.steps()[3].outcome, Some(Ok(json!(17))));
    let asked = ran.steps()[0].request().unwrap();
    assert_eq!(
        (
            asked.messages[0].content.text().as_ref(),
            ran.steps()[1].request()
        ),
        ("hello", None)
    );
    let shown: Vec<bool> = ran.steps().iter().map(|step| step.visible).collect();
    assert_eq!(shown, [true, false, false, false]);
    assert_eq!((ran.steps_named("pay"), ran.steps_named("sing")), (1, 0));
    let survival = bench.crashes().await;
    assert!(survival.is_whole(), "{survival}");
    assert!(survival.runs > 60 && survival.places > 20, "{survival}");
}

#[tokio::test]
async fn models_answer_in_order_or_by_the_request_and_may_fail_or_ask_for_tools() {
    let talk = |_, ctx: greenroom_agent_sdk::Context| async move {
        let first = ctx.model(ask("one")).await?;
        let second = ctx.model(ask("two")).await;
        let third = ctx.model(ask("three")).await.err().map(|error| error.to_string());
        let called = first.tool_calls.first().map(|call| call.arguments.clone());
        Output::data(&json!([called, second.err().map(|error| error.code()), third]))
    };
    let ran = bench(talk)
        .reply(Reply::tool_call("find", json!({ "what": 1 })))
        .reply(Reply::failure(ErrorCode::ProviderFailed, "no"))
        .run()
        .await;
    let data: Vec<Value> = ran.data().unwrap();
    assert_eq!(data[..2], [json!(r#"{"what":1}"#), json!("PROVIDER_FAILED")]);
    assert!(
        data[2]
            .as_str()
            .unwrap()
            .contains("2 model answers, and this is call 3"),
        "{data:?}"
    );

    let ran = bench(|_, ctx| async move {
        let (a, b) = futures::try_join!(ctx.model(ask("a")), ctx.model(ask("b")))?;
        Ok(Output::text(format!("{} {}", a.content, b.content)))
    })
    .reply_by(|request| Reply::text(format!("<{}>", request.messages[0].content.text())))
    .run()
    .await;
    assert_eq!(ran.content(), Some("<a> <b>"));
}

#[tokio::test]
async fn a_models_answer_may_be_cut_and_have_its_price_and_a_failure_comes_as_it_is() {
    let busy = Failure::new(ErrorCode::ResourceExhausted, "busy")
        .retryable()
        .retry_after(Duration::from_secs(3));
    let usage = Usage {
        input_tokens: 1,
        output_tokens: 7,
        ..Usage::default()
    };
    let expected = busy.clone();
    let ran = bench(|_, ctx| async move {
        let answer = ctx.model(ask("one")).await?;
        let error = ctx.model(ask("two")).await.err();
        let failure = error.map(greenroom_agent_sdk::AgentError::into_failure);
        Output::data(&json!([answer.content, answer.finish, answer.usage, failure]))
    })
    .reply(Reply::text("half").finish(FinishReason::Length).usage(usage))
    .reply(Reply::failed(busy).finish(FinishReason::Length).usage(usage))
    .run()
    .await;
    let told: (String, FinishReason, Usage, Failure) = ran.data().unwrap();
    assert_eq!(told, ("half".to_owned(), FinishReason::Length, usage, expected));
}

#[tokio::test]
async fn an_agent_sees_its_history_and_who_asks_and_its_tools_may_be_replaced() {
    let said = HistoryMessage {
        role: Role::User,
        content: "before".into(),
    };
    let ran = bench(|task, ctx| async move {
        let found = ctx.tool("find", ()).await?;
        Output::data(&json!([ctx.history()[0].content, task.principal.subject, found]))
    })
    .history([said])
    .tool(tool("find", json!(1)))
    .tool(tool("find", json!(2)))
    .run()
    .await;
    assert_eq!(ran.data::<Value>(), Some(json!(["before", "dev", 2])));
}

#[tokio::test]
async fn approvals_are_answered_in_order_and_rest_where_the_script_has_no_answer() {
    let decide = |_, ctx: greenroom_agent_sdk::Context| async move {
        let first = ctx.approval(json!("first?")).await?;
        let second = ctx.approval(json!("second?")).await?;
        Output::data(&json!([first.value, second.approved]))
    };
    let both = bench(decide).approve(json!({ "limit": 3 })).reject();
    let ran = both.run().await;
    assert_eq!(ran.data::<Value>(), Some(json!([{ "limit": 3 }, false])));
    assert_eq!(ran.attempts(), 3);
    both.assert_survives_crashes().await;

    let ran = bench(decide).approve(Value::Null).run().await;
    assert_eq!(*ran.end(), End::Waiting);
    assert_eq!(ran.steps().len(), 2);
}

#[tokio::test]
async fn failures_and_panics_are_ends() {
    let ran = bench(|task, _| async move { Ok(Output::text(task.text()?)) })
        .run()
        .await;
    assert_eq!(ran.failure().unwrap().code, ErrorCode::BadUserInput);
    let ran = bench(|_, _| async move { panic!("for the test") }).run().await;
    let failure = ran.failure().unwrap();
    assert_eq!((failure.code, ran.attempts()), (ErrorCode::AgentFailed, 2));
    assert!(failure.message.contains("for the test"), "{failure}");
}

#[tokio::test]
async fn work_of_the_agents_own_is_waited_for_in_real_time() {
    let bench = bench(|_, ctx| async move {
        let slept = ctx
            .step("slow", Effect::ReadOnly, async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(tokio::task::spawn_blocking(|| 4).await?)
            })
            .await?;
        Output::data(&slept)
    });
    assert_eq!(bench.run().await.data::<u32>(), Some(4));
    bench.assert_survives_crashes().await;
}
