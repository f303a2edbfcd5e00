//! A turn of a conversation, over gRPC, with the supervisor's side played by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use greenroom_agent_assistant::Assistant;
use greenroom_agent_sdk::AgentHost;
use greenroom_kernel::{
    AgentEndpoint as _, AgentName, AgentRun, Failure, FromAgent, HistoryMessage, ModelRequest, Principal,
    Role, RunStart, StepAnswer, StepCall, Subject, TaskId, TenantId, Timestamp, ToAgent,
};
use greenroom_wire::GrpcAgent;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

fn turn() -> RunStart {
    let said = |role, content: &str| HistoryMessage {
        role,
        content: content.into(),
    };
    RunStart {
        task: TaskId::parse("s.1").unwrap(),
        agent: AgentName::parse("assistant").unwrap(),
        attempt: 1,
        principal: Principal {
            tenant: TenantId::parse("dev").unwrap(),
            subject: Subject::parse("me").unwrap(),
            scopes: Vec::new(),
            tier: String::new(),
        },
        input: r#"{"content":"and now?"}"#.into(),
        history: vec![said(Role::User, "hello"), said(Role::Assistant, "hi")],
        model: Some("small".into()),
        deadline: None,
        accepted_at: Timestamp::from_millis(0),
        seed: 0,
        credit: 1,
        heartbeat: Duration::from_secs(60),
        trace: None,
    }
}

async fn begin() -> (AgentRun, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let host = AgentHost::new().agent(Arc::new(Assistant::default()));
    let mut hosts = JoinSet::new();
    hosts.spawn(async move { host.serve(listener, CancellationToken::new()).await.unwrap() });
    (
        GrpcAgent::new(&address).unwrap().run(turn()).await.unwrap(),
        hosts,
    )
}

async fn frame(run: &mut AgentRun) -> FromAgent {
    let next = tokio::time::timeout(Duration::from_secs(10), run.inbound.next());
    next.await.unwrap().unwrap().unwrap()
}

async fn model_call(run: &mut AgentRun) -> (StepCall, Vec<String>) {
    let FromAgent::Call(call) = frame(run).await else {
        panic!("a model call")
    };
    let request: ModelRequest = serde_json::from_str(&call.input).unwrap();
    assert_eq!(request.model.as_deref(), Some("small"));
    let said = request
        .messages
        .into_iter()
        .map(|message| message.content)
        .collect();
    (call, said)
}

fn answer(run: &AgentRun, call: StepCall, result: Result<String, Failure>) {
    let answer = StepAnswer::Finished(result);
    run.outbound
        .send(ToAgent::Answer {
            path: call.path,
            answer,
        })
        .unwrap();
}

fn says(content: &str, finish: &str) -> Result<String, Failure> {
    Ok(format!(
        r#"{{"content":"{content}","finish":"{finish}","usage":{{"input_tokens":1,"output_tokens":1}},"provider":"p","model":"m"}}"#
    ))
}

#[tokio::test]
async fn a_turn_sends_the_conversation_visibly_and_answers_with_the_models_words() {
    let (mut run, _host) = begin().await;
    let (call, said) = model_call(&mut run).await;
    assert!(call.visible);
    assert_eq!(said[1..], ["hello", "hi", "and now?"]);
    answer(&run, call, says("later", "stop"));
    let done = FromAgent::Completed {
        content: Some("later".into()),
        data: None,
    };
    assert_eq!(frame(&mut run).await, done);
}

#[tokio::test]
async fn a_conversation_too_long_for_the_model_is_tried_again_shorter_then_fails_as_it_did() {
    let (mut run, _host) = begin().await;
    let (call, _) = model_call(&mut run).await;
    answer(&run, call, Err(Failure::bad_input("too long")));
    let (call, said) = model_call(&mut run).await;
    assert_eq!(call.path.as_str(), "1");
    assert_eq!(said[1..], ["and now?"]);
    answer(&run, call, Err(Failure::bad_input("still too long")));
    assert_eq!(
        frame(&mut run).await,
        FromAgent::Failed(Failure::bad_input("still too long"))
    );
}

#[tokio::test]
async fn an_answer_cut_by_its_limit_says_so_to_programs() {
    let (mut run, _host) = begin().await;
    let (call, _) = model_call(&mut run).await;
    answer(&run, call, says("once upon", "length"));
    let done = FromAgent::Completed {
        content: Some("once upon".into()),
        data: Some(r#"{"finish":"length"}"#.into()),
    };
    assert_eq!(frame(&mut run).await, done);
}

#[tokio::test]
async fn a_missing_model_fails_the_turn_with_its_remedy() {
    let (mut run, _host) = begin().await;
    let (call, _) = model_call(&mut run).await;
    let remedy = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
    answer(&run, call, Err(remedy.clone()));
    assert_eq!(frame(&mut run).await, FromAgent::Failed(remedy));
}
