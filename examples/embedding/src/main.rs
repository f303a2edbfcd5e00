//! Greenroom inside one's own program, whole.

use std::io::Write;
use std::time::Duration;

use greenroom_agent_sdk::SystemClock;
use greenroom_agent_sdk::prelude::*;
use greenroom_kernel::{
    AcceptCall, AcceptRequest, AgentName, Clock, IdempotencyKey, NodeId, Principal, Randomness, Subject,
    Supervisor, TenantId, Writer,
};
use greenroom_models::{ModelRouter, ModelsConfig, NoMetrics, Ports, ProviderSpec};
use greenroom_orchestrator::{Orchestrator, OrchestratorConfig, Parts};
use greenroom_provider_openai::{OpenAiBackend, OpenAiConfig};
use greenroom_store::{SqliteOptions, SqliteStore};
use greenroom_supervision::{Environment, Root};
use greenroom_telemetry::Metrics;
use greenroom_wire::{GrpcAgent, in_process};
use rand::RngCore;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

struct Greeter;

#[async_trait]
impl Agent for Greeter {
    fn card(&self) -> Card {
        Card::new("greeter", "1.0.0", "Greets whoever writes")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, task.text()?)],
            ..ModelRequest::default()
        };
        Ok(Output::text(ctx.model(request).await?.content))
    }
}

struct Dice;

impl Randomness for Dice {
    fn next_u64(&self) -> u64 {
        rand::rng().next_u64()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The outside world: time, chance, a disk.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let random: Arc<dyn Randomness> = Arc::new(Dice);
    let environment = Environment::new(clock.clone(), random.clone());
    let open = || SqliteStore::open("embedded.sqlite", SqliteOptions::default());
    let store = Arc::new(spawn_blocking(open).await??);

    // Models: one server, which lists what it serves.
    let server = OpenAiConfig::new("mine", std::env::var("OPENAI_BASE_URL")?);
    let backend = OpenAiBackend::new(server, clock.clone())?;
    let mut config = ModelsConfig::new("embedded");
    config.providers.push(ProviderSpec::new(Arc::new(backend)));
    let ports = Ports {
        clock: clock.clone(),
        random: random.clone(),
        metrics: Arc::new(NoMetrics),
        accounts: None,
    };
    let (models, supervisor) = ModelRouter::build(config, ports)?;
    let providers = Root::start(&environment, supervisor).map_err(|cause| cause.to_string())?;

    // The supervisor. It goes on with whatever an earlier process left open in the store.
    let greeter = AgentName::parse("greeter")?;
    let supervisor = Orchestrator::start(Parts {
        config: OrchestratorConfig {
            default_agent: greeter.clone(),
            ..OrchestratorConfig::default()
        },
        store: store.clone(),
        models: Arc::new(models),
        clock,
        random: random.clone(),
        metrics: Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))),
        writer: Writer {
            node: NodeId::parse("embedded")?,
            incarnation: random.next_u64() >> 1, // another one at each start
        },
        environment,
        membership: None, // one process
        history: None,    // nothing is kept of what agents were like
    })
    .await?;

    // Agents of this process: gRPC too, over a pipe. Others may join at the port.
    let (pipe, listener) = in_process();
    let (port, stop) = (TcpListener::bind("127.0.0.1:0").await?, CancellationToken::new());
    let host = AgentHost::new().agent(Arc::new(Greeter)).in_process(listener);
    let mut hosts = JoinSet::new();
    hosts.spawn(host.serve(port, stop.clone()));
    supervisor
        .join(Arc::new(GrpcAgent::in_process(pipe, "this process")))
        .await?;
    supervisor.knows(&greeter, Duration::from_secs(5)).await?;

    // A call. What it is accepted as is on disk before this returns.
    let me = Principal {
        tenant: TenantId::parse("mine")?,
        subject: Subject::parse("me")?,
        scopes: Vec::new(),
        tier: String::new(),
    };
    let request = AcceptRequest {
        call: AcceptCall::Task {
            agent: greeter,
            input: r#"{"content":"I am Ada."}"#.to_owned(),
        },
        session: None,
        key: IdempotencyKey::mint(&*random), // or yours, to find the same task again
        timeout: None,
        wait: Duration::from_secs(60),
        trace: None,
    };
    let task = supervisor.accept(&me, request).await?.task;
    if let Some(failure) = task.error {
        return Err(failure.into());
    }
    let content = task.output.and_then(|output| output.content);
    let text = content.as_ref().and_then(|content| content.as_inline());
    writeln!(
        std::io::stdout(),
        "{:?}: {}",
        task.status,
        text.unwrap_or_default()
    )?;

    // From the inside out: nothing accepted is lost if this is never reached.
    supervisor.stop().await;
    stop.cancel();
    while let Some(ended) = hosts.join_next().await {
        ended??;
    }
    providers.stop().await;
    Ok(())
}
