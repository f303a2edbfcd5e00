//! What the agent protocol costs: runs a second through the whole hop (client, host, an agent that does nothing)
//! against a bare tonic bidirectional stream opened and closed a call, in one process, in turns.
//!
//! `cargo run --release -p greenroom-agent-sdk --example hop [seconds] [callers]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark prints its figures and stops at the first surprise"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use greenroom_agent_sdk::prelude::*;
use greenroom_kernel::{
    AgentEndpoint as _, AgentName, FromAgent, Principal, RunStart, Subject, TaskId, TenantId, Timestamp,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::agent_service_client::AgentServiceClient;
use greenroom_proto::v1::agent_service_server::{AgentService, AgentServiceServer};
use greenroom_wire::{GrpcAgent, encode_start};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

struct Still;

#[async_trait]
impl Agent for Still {
    fn card(&self) -> Card {
        Card::new("still", "1", "Does nothing")
    }

    async fn run(&self, task: Task, _: Context) -> Result<Output, AgentError> {
        Ok(Output::text(task.text()?))
    }
}

/// The floor: reads one message, answers one, ends.
struct Bare;

#[tonic::async_trait]
impl AgentService for Bare {
    type RunStream = futures::stream::Once<std::future::Ready<Result<pb::RunResponse, Status>>>;

    async fn describe(
        &self,
        _: Request<pb::DescribeRequest>,
    ) -> Result<Response<pb::DescribeResponse>, Status> {
        Ok(Response::new(pb::DescribeResponse::default()))
    }

    async fn run(
        &self,
        request: Request<Streaming<pb::RunRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        request.into_inner().message().await?;
        let frame = pb::run_response::Frame::Completed(pb::Completed {
            content: Some("hi".into()),
            data_json: None,
        });
        let answer = pb::RunResponse { frame: Some(frame) };
        Ok(Response::new(futures::stream::once(std::future::ready(Ok(
            answer,
        )))))
    }
}

fn start() -> RunStart {
    RunStart {
        task: TaskId::parse("01JD0000000000000000000000.0").unwrap(),
        agent: AgentName::parse("still").unwrap(),
        attempt: 1,
        principal: Principal {
            tenant: TenantId::parse("dev").unwrap(),
            subject: Subject::parse("me").unwrap(),
            scopes: Vec::new(),
            tier: "dev".into(),
        },
        input: r#"{"content":"hi"}"#.into(),
        history: Vec::new(),
        model: None,
        deadline: None,
        accepted_at: Timestamp::from_millis(0),
        seed: 1,
        credit: 16,
        heartbeat: Duration::from_secs(5),
        trace: None,
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Calls a second of `callers` that call one after another for `time`.
async fn rate<F, Fut>(time: Duration, callers: usize, call: F) -> f64
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let calls = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (call, calls) = (call.clone(), Arc::clone(&calls));
        tasks.spawn(async move {
            while begin.elapsed() < time {
                call().await;
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    calls.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number"));
    let time = Duration::from_secs(arguments.next().unwrap_or(2));
    let callers = usize::try_from(arguments.next().unwrap_or(64)).unwrap();
    let mut servers = JoinSet::new();

    let (listener, bare) = listen().await;
    servers.spawn(async move {
        let server = Server::builder().add_service(AgentServiceServer::new(Bare));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        server.serve_with_incoming(incoming).await.unwrap();
    });
    let (listener, hosted) = listen().await;
    servers.spawn(async move {
        let host = AgentHost::new().agent(Arc::new(Still));
        host.serve(listener, CancellationToken::new()).await.unwrap();
    });

    let channel = Endpoint::from_shared(format!("http://{bare}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let bare = move || {
        let mut client = AgentServiceClient::new(channel.clone());
        async move {
            // Both halves as a conversation has them: the request stays open until the answer is there.
            let (keep_open, open) = futures::channel::mpsc::channel::<pb::RunRequest>(0);
            let requests = futures::stream::iter([encode_start(start())]).chain(open);
            let mut answers = client.run(requests).await.unwrap().into_inner();
            answers.message().await.unwrap().unwrap();
            drop(keep_open);
            assert!(answers.message().await.unwrap().is_none());
        }
    };
    let agent = Arc::new(GrpcAgent::new(&hosted.to_string()).unwrap());
    let hop = move || {
        let agent = Arc::clone(&agent);
        async move {
            let mut run = agent.run(start()).await.unwrap();
            let done = run.inbound.next().await.unwrap().unwrap();
            assert!(matches!(done, FromAgent::Completed { .. }));
        }
    };

    let (mut floor, mut reached) = (Vec::new(), Vec::new());
    for round in 0..4 {
        let (a, b) = (
            rate(time, callers, bare.clone()).await,
            rate(time, callers, hop.clone()).await,
        );
        // The first round warms up.
        if round > 0 {
            println!(
                "round {round}: bare stream {a:.0}/s, agent hop {b:.0}/s, ratio {:.2}",
                b / a
            );
            floor.push(a);
            reached.push(b);
        }
    }
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
    let (floor, reached) = (mean(&floor), mean(&reached));
    println!(
        "{callers} callers: bare stream {floor:.0}/s, agent hop {reached:.0}/s, ratio {:.2}",
        reached / floor
    );
}
