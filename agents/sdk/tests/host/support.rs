//! A host with agents made of closures, and the supervisor's half of a run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use greenroom_agent_sdk::{
    Agent, AgentError, AgentHost, Card, Context, HostError, Output, Task, async_trait,
};
use greenroom_kernel::{
    AgentEndpoint as _, AgentName, AgentRun, Failure, FromAgent, Principal, RunStart, StepAnswer, StepCall,
    StepPath, Subject, TaskId, TenantId, Timestamp, ToAgent,
};
use greenroom_wire::GrpcAgent;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Long enough for any machine, short enough to fail.
pub(crate) const SOON: Duration = Duration::from_secs(10);

type Body = dyn Fn(Task, Context) -> BoxFuture<'static, Result<Output, AgentError>> + Send + Sync;

struct Scripted {
    name: &'static str,
    body: Box<Body>,
}

#[async_trait]
impl Agent for Scripted {
    fn card(&self) -> Card {
        Card::new(self.name, "1.2.3", "A test's")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        (self.body)(task, ctx).await
    }
}

pub(crate) fn agent<Fut>(
    name: &'static str,
    body: impl Fn(Task, Context) -> Fut + Send + Sync + 'static,
) -> Arc<dyn Agent>
where
    Fut: Future<Output = Result<Output, AgentError>> + Send + 'static,
{
    let body = Box::new(move |task, ctx| -> BoxFuture<'static, _> { Box::pin(body(task, ctx)) });
    Arc::new(Scripted { name, body })
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) agent: GrpcAgent,
    pub(crate) shutdown: CancellationToken,
    pub(crate) host: JoinSet<Result<(), HostError>>,
}

pub(crate) async fn serve(host: AgentHost) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(host.serve(listener, shutdown.clone()));
    Served {
        address,
        agent: GrpcAgent::new(&address.to_string()).unwrap(),
        shutdown,
        host: tasks,
    }
}

/// One agent named `a`, with a short grace.
pub(crate) async fn serve_one<Fut>(body: impl Fn(Task, Context) -> Fut + Send + Sync + 'static) -> Served
where
    Fut: Future<Output = Result<Output, AgentError>> + Send + 'static,
{
    serve(
        AgentHost::new()
            .agent(agent("a", body))
            .grace(Duration::from_millis(50)),
    )
    .await
}

impl Served {
    pub(crate) async fn run(&self, start: RunStart) -> Conversation {
        Conversation(Some(self.agent.run(start).await.unwrap()))
    }
}

pub(crate) fn start() -> RunStart {
    RunStart {
        task: TaskId::parse("s-1.2").unwrap(),
        agent: AgentName::parse("a").unwrap(),
        attempt: 1,
        principal: Principal {
            tenant: TenantId::parse("dev").unwrap(),
            subject: Subject::parse("me").unwrap(),
            scopes: Vec::new(),
            tier: "free".into(),
        },
        input: r#""hi""#.into(),
        history: Vec::new(),
        model: None,
        deadline: None,
        accepted_at: Timestamp::from_millis(0),
        seed: 42,
        credit: 16,
        heartbeat: Duration::from_secs(60),
        trace: None,
    }
}

/// The supervisor's half.
pub(crate) struct Conversation(Option<AgentRun>);

impl Conversation {
    fn half(&mut self) -> &mut AgentRun {
        self.0.as_mut().unwrap()
    }

    /// The next frame, none at the end.
    pub(crate) async fn hear(&mut self) -> Option<Result<FromAgent, Failure>> {
        let next = self.half().inbound.next();
        tokio::time::timeout(SOON, next)
            .await
            .expect("the agent says something")
    }

    pub(crate) async fn frame(&mut self) -> FromAgent {
        self.hear().await.expect("a frame").expect("no failure")
    }

    pub(crate) async fn call(&mut self) -> StepCall {
        match self.frame().await {
            FromAgent::Call(call) => call,
            other => panic!("expected a call, heard {other:?}"),
        }
    }

    pub(crate) async fn completed(&mut self) -> (Option<String>, Option<String>) {
        match self.frame().await {
            FromAgent::Completed { content, data } => (content, data),
            other => panic!("expected the end, heard {other:?}"),
        }
    }

    pub(crate) async fn failed(&mut self) -> Failure {
        match self.frame().await {
            FromAgent::Failed(failure) => failure,
            other => panic!("expected a failure, heard {other:?}"),
        }
    }

    pub(crate) fn say(&mut self, frame: ToAgent) {
        self.half().outbound.send(frame).unwrap();
    }

    pub(crate) fn answer(&mut self, path: &StepPath, answer: StepAnswer) {
        let path = path.clone();
        self.say(ToAgent::Answer { path, answer });
    }

    pub(crate) fn finish(&mut self, path: &StepPath, result: &str) {
        self.answer(path, StepAnswer::Finished(Ok(result.to_owned())));
    }

    /// Loses the stream, as a dying supervisor does.
    pub(crate) fn hang_up(&mut self) {
        self.0 = None;
    }
}
