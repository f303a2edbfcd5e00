//! The whole hop: supervisor's client, gRPC over loopback, host, agent and back.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use greenroom_agent_echo::Echo;
use greenroom_agent_sdk::AgentHost;
use greenroom_kernel::{
    AgentEndpoint as _, AgentName, FromAgent, Principal, RunStart, Subject, TaskId, TenantId, Timestamp,
};
use greenroom_wire::GrpcAgent;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

fn start(input: &str) -> RunStart {
    RunStart {
        task: TaskId::parse("s.0").unwrap(),
        agent: AgentName::parse("echo").unwrap(),
        attempt: 1,
        principal: Principal {
            tenant: TenantId::parse("dev").unwrap(),
            subject: Subject::parse("me").unwrap(),
            scopes: Vec::new(),
            tier: String::new(),
        },
        input: input.into(),
        history: Vec::new(),
        model: None,
        deadline: None,
        accepted_at: Timestamp::from_millis(0),
        seed: 0,
        credit: 1,
        heartbeat: Duration::from_secs(5),
        trace: None,
    }
}

#[tokio::test]
async fn echo_answers_with_its_input_byte_for_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    let mut host = JoinSet::new();
    host.spawn(
        AgentHost::new()
            .agent(Arc::new(Echo))
            .serve(listener, shutdown.clone()),
    );
    let agent = GrpcAgent::new(&address).unwrap();

    let cards = agent.describe().await.unwrap();
    assert_eq!(cards[0].name.as_str(), "echo");

    let cases = [
        (r#""hi""#, Some("hi")),
        (r#"{"content":"hi","z":1,"a":2}"#, Some("hi")),
        (r#"{"big":123456789012345678901234567890}"#, None),
        ("[1, 2]", None),
    ];
    for (input, content) in cases {
        let mut run = agent.run(start(input)).await.unwrap();
        let done = FromAgent::Completed {
            content: content.map(str::to_owned),
            data: Some(input.to_owned()),
        };
        assert_eq!(run.inbound.next().await.unwrap().unwrap(), done);
        assert!(run.inbound.next().await.is_none());
    }

    shutdown.cancel();
    drop(agent);
    host.join_next().await.unwrap().unwrap().unwrap();
}
