use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use greenroom_agent_sdk::{AgentHost, ErrorCode, HostError, Output};
use greenroom_kernel::{AgentEndpoint as _, AgentName, FromAgent, HostState};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::agent_service_client::AgentServiceClient;
use greenroom_wire::{GrpcAgent, encode_start, failure_from_status, in_process};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{SOON, agent, serve, serve_one, start};

async fn channel(address: std::net::SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

async fn quick() -> crate::support::Served {
    serve_one(|_, _| async { Ok(Output::text("done")) }).await
}

#[tokio::test]
async fn a_host_describes_its_agents_and_is_healthy() {
    let served = quick().await;
    served.agent.check().await.unwrap();
    let cards = served.agent.describe().await.unwrap();
    assert_eq!(
        (cards.len(), cards[0].name.as_str(), cards[0].version.as_str()),
        (1, "a", "1.2.3")
    );
}

#[tokio::test]
async fn a_supervisor_of_the_same_process_is_served_without_a_socket_and_refused_afterwards() {
    let (dialer, listener) = in_process();
    let host = AgentHost::new().agent(agent(
        "a",
        |task, _| async move { Ok(Output::text(task.text()?)) },
    ));
    let mut served = serve(host.in_process(listener)).await;
    served.agent = GrpcAgent::in_process(dialer, "here");
    served.agent.check().await.unwrap();
    let mut run = served.run(start()).await;
    assert!(matches!(run.frame().await, FromAgent::Completed { .. }));
    drop(run);
    served.shutdown.cancel();
    let ended = tokio::time::timeout(SOON, served.host.join_next()).await;
    assert!(matches!(ended, Ok(Some(Ok(Ok(()))))), "{ended:?}");
    let failure = served.agent.check().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::Unavailable);
    assert!(failure.message.starts_with("here: "), "{failure}");
}

#[tokio::test]
async fn an_unknown_agent_is_not_found_and_the_known_ones_are_named() {
    let served = quick().await;
    let mut from = start();
    from.agent = AgentName::parse("nobody").unwrap();
    let failure = served.agent.run(from).await.err().unwrap();
    assert_eq!(failure.code, ErrorCode::NotFound);
    assert_eq!(failure.message, "no agent nobody on this host, which has: a");
}

#[tokio::test]
async fn input_that_is_no_json_is_refused() {
    let served = quick().await;
    let mut from = start();
    from.input = "{".into();
    let failure = served.agent.run(from).await.err().unwrap();
    assert_eq!(failure.code, ErrorCode::BadUserInput);
    assert!(failure.message.contains("start.input_json"), "{failure}");
}

#[tokio::test]
async fn frames_that_break_the_protocol_are_refused_precisely() {
    let served = quick().await;
    let mut client = AgentServiceClient::new(channel(served.address).await);
    let credit = || pb::RunRequest {
        frame: Some(pb::run_request::Frame::Credit(pb::Credit { calls: 1 })),
    };
    let cases: [(Vec<pb::RunRequest>, &str); 3] = [
        (vec![], "the stream ended before its start"),
        (
            vec![credit()],
            "malformed frame: the first frame of a run is not its start",
        ),
        (
            vec![pb::RunRequest { frame: None }],
            "malformed frame: the first frame of a run is not its start",
        ),
    ];
    for (frames, message) in cases {
        let status = client.run(futures::stream::iter(frames)).await.err().unwrap();
        let failure = failure_from_status(&status, "host");
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (ErrorCode::BadUserInput, message)
        );
    }
}

#[tokio::test]
async fn a_bad_frame_in_the_middle_ends_the_run_and_names_the_field() {
    let served = serve_one(|_, ctx| async move {
        ctx.cancelled().await;
        Ok(Output::default())
    })
    .await;
    let mut client = AgentServiceClient::new(channel(served.address).await);
    let answer = pb::Answer {
        path: "zero".into(),
        answer: None,
    };
    let bad = pb::RunRequest {
        frame: Some(pb::run_request::Frame::Answer(answer)),
    };
    for (second, field) in [(bad, "answer.path"), (encode_start(start()), "frame")] {
        let frames = futures::stream::iter([encode_start(start()), second]).chain(futures::stream::pending());
        let mut answers = client.run(frames).await.unwrap().into_inner();
        let status = tokio::time::timeout(SOON, answers.message())
            .await
            .unwrap()
            .unwrap_err();
        let failure = failure_from_status(&status, "host");
        assert_eq!(failure.code, ErrorCode::BadUserInput);
        assert!(
            failure.message.starts_with(&format!("malformed {field}: ")),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_host_that_is_gone_is_unavailable_and_worth_repeating() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let gone = GrpcAgent::new(&address).unwrap();
    for failure in [
        gone.describe().await.err().unwrap(),
        gone.check().await.err().unwrap(),
        gone.run(start()).await.err().unwrap(),
    ] {
        assert_eq!(
            (failure.code, failure.retryable),
            (ErrorCode::Unavailable, true),
            "{failure}"
        );
        assert!(failure.message.starts_with(&address), "{failure}");
    }
}

#[tokio::test]
async fn a_client_reaches_a_host_that_comes_back() {
    let served = quick().await;
    served.run(start()).await.completed().await;
    served.shutdown.cancel();
    let mut host = served.host;
    tokio::time::timeout(SOON, host.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
    let failure = served.agent.check().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::Unavailable);

    let listener = TcpListener::bind(served.address).await.unwrap();
    let again = AgentHost::new().agent(agent("a", |_, _| async { Ok(Output::text("back")) }));
    host.spawn(again.serve(listener, CancellationToken::new()));
    let back = async {
        while served.agent.check().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, back).await.unwrap();
    let mut run = served.agent.run(start()).await.unwrap();
    assert!(run.inbound.next().await.unwrap().is_ok());
}

#[tokio::test]
async fn a_draining_host_says_so_refuses_new_runs_and_lets_running_ones_end() {
    let served = serve_one(|_, ctx| async move {
        let reply = ctx.agent("x", 1).await?;
        Ok(Output::text(reply.content.unwrap_or_default()))
    })
    .await;
    let mut run = served.run(start()).await;
    let call = run.call().await;
    served.shutdown.cancel();
    let said = async {
        while served.agent.check().await.unwrap() != HostState::Draining {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, said).await.unwrap();
    let refused = served.agent.run(start()).await.err().unwrap();
    assert_eq!((refused.code, refused.retryable), (ErrorCode::Unavailable, true));
    assert_eq!(refused.message, "this agent host is shutting down");

    run.finish(&call.path, r#"{"content":"in time"}"#);
    assert_eq!(run.completed().await.0.as_deref(), Some("in time"));
    let mut host = served.host;
    tokio::time::timeout(SOON, host.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn runs_that_outlast_the_drain_are_cancelled() {
    let host = AgentHost::new()
        .agent(agent("a", |_, ctx| async move {
            ctx.emit("on").await?;
            let error = ctx.agent("never answered", 1).await.unwrap_err();
            Err(error)
        }))
        .drain(Duration::from_millis(20));
    let served = serve(host).await;
    let mut run = served.run(start()).await;
    run.frame().await;
    run.call().await;
    served.shutdown.cancel();
    let failure = run.failed().await;
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (ErrorCode::Cancelled, "the host is shutting down")
    );
    let mut host = served.host;
    tokio::time::timeout(SOON, host.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn hosts_that_make_no_sense_do_not_serve() {
    let agent_named = |name| agent(name, |_, _| async { Ok(Output::default()) });
    let serve = async |host: AgentHost| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        host.serve(listener, CancellationToken::new()).await.unwrap_err()
    };
    let twice = AgentHost::new().agent(agent_named("a")).agent(agent_named("a"));
    assert!(matches!(serve(twice).await, HostError::DuplicateAgent(_)));
    let nameless = AgentHost::new().agent(agent_named("a b"));
    assert!(matches!(serve(nameless).await, HostError::Name { .. }));
    let tool = || {
        Arc::new(greenroom_agent_sdk::FnTool::new(
            "t",
            "",
            greenroom_agent_sdk::Effect::ReadOnly,
            serde_json::Value::Null,
            |(): (), _| async { Ok(()) },
        ))
    };
    let tools = AgentHost::new().agent(agent_named("a")).tool(tool()).tool(tool());
    assert!(matches!(serve(tools).await, HostError::DuplicateTool { .. }));
}

#[tokio::test]
async fn reflection_answers_in_both_versions_with_what_is_served() {
    let served = quick().await;
    let channel = channel(served.address).await;
    let expected = [
        "greenroom.v1.AgentService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ];

    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let ask = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(ask))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort_unstable();
    assert_eq!(names, expected, "what is served, and nothing else");

    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let symbol = "greenroom.v1.AgentService".to_owned();
    let ask = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(symbol),
        ),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(ask))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files)) = answer
    else {
        panic!("{answer:?}");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}
