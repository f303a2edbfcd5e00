//! Agents outside the process, whose effects are counted where no crash of the server can reach.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::{AgentReply, Approval};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// What happened in the world, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<(String, String)>>>);

impl Ledger {
    pub(crate) fn add(&self, what: &str, task: &str) {
        self.0.lock().push((what.to_owned(), task.to_owned()));
    }

    /// How often something happened to each task.
    pub(crate) fn counts(&self, what: &str) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for (_, task) in self.0.lock().iter().filter(|(kind, _)| kind == what) {
            *counts.entry(task.clone()).or_default() += 1;
        }
        counts
    }

    /// Everything, in order.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        self.0.lock().clone()
    }
}

/// A host with the agents of these tests.
pub(crate) struct ToolHost {
    pub(crate) url: String,
    pub(crate) ledger: Ledger,
    stop: CancellationToken,
}

impl ToolHost {
    pub(crate) async fn start() -> Self {
        Self::start_with(Ledger::default()).await
    }

    /// One that writes into a ledger shared with others.
    pub(crate) async fn start_with(ledger: Ledger) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let host = AgentHost::new()
            .drain(Duration::from_millis(100))
            .agent(Arc::new(Worker(ledger.clone())))
            .agent(Arc::new(Asker(ledger.clone())))
            .agent(Arc::new(Parent))
            .agent(Arc::new(Moody(ledger.clone())));
        let stopped = stop.clone();
        tokio::spawn(async move { host.serve(listener, stopped).await.unwrap() });
        Self { url, ledger, stop }
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for ToolHost {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A model call, a payment that must not happen twice, a keyed write, a nap, and an answer.
struct Worker(Ledger);

#[async_trait]
impl Agent for Worker {
    fn card(&self) -> Card {
        Card::new("worker", "1.0.0", "Asks a model, pays, writes and naps")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let name = task.text()?;
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, name.clone())],
            ..ModelRequest::default()
        };
        let answer = ctx.model(request).await?;
        let ledger = self.0.clone();
        let paid = name.clone();
        let to = ledger.clone();
        let receipt: String = ctx
            .step("pay", Effect::NonIdempotent, async move {
                to.add("pay", &paid);
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(format!("receipt for {paid}"))
            })
            .await?;
        let (wrote, to) = (name.clone(), ledger.clone());
        ctx.step("write", Effect::Idempotent, async move {
            to.add("write", &wrote);
            Ok(())
        })
        .await?;
        ctx.sleep(Duration::from_millis(10)).await?;
        ledger.add("finish", &name);
        Ok(Output::text(format!("{receipt}; {}", answer.content)))
    }
}

/// Asks a person before it acts.
struct Asker(Ledger);

#[async_trait]
impl Agent for Asker {
    fn card(&self) -> Card {
        Card::new("asker", "1.0.0", "Asks for an approval")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let name = task.text()?;
        let approval: Approval = ctx.approval(format!("may I do {name}?")).await?;
        self.0
            .add(if approval.approved { "approved" } else { "refused" }, &name);
        let note = approval.note.unwrap_or_default();
        Ok(Output::text(if approval.approved {
            format!("done: {note}")
        } else {
            "left alone".to_owned()
        }))
    }
}

/// Hands its work to another agent.
struct Parent;

#[async_trait]
impl Agent for Parent {
    fn card(&self) -> Card {
        Card::new("parent", "1.0.0", "Hands work to echo")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let reply: AgentReply = ctx
            .agent("echo", serde_json::json!({ "content": task.text()? }))
            .await?;
        Ok(Output::text(format!(
            "echo said {}",
            reply.content.unwrap_or_default()
        )))
    }
}

/// Panics, hangs or fails, as it is told; the first time only when told "once".
struct Moody(Ledger);

#[async_trait]
impl Agent for Moody {
    fn card(&self) -> Card {
        Card::new("moody", "1.0.0", "Panics, hangs or fails")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let mood = task.text()?;
        self.0.add("try", &mood);
        let tries = self.0.counts("try")[&mood];
        match mood.split(' ').next().unwrap_or_default() {
            "panic-once" if tries == 1 => panic!("as told"),
            "panic" => panic!("as told"),
            "block-once" if tries == 1 => {
                // Blocks the thread: no heartbeat leaves.
                std::thread::sleep(Duration::from_secs(14));
                Err(AgentError::bad_input("too late"))
            }
            "fail" => Err(AgentError::bad_input("as told")),
            "hang" => {
                ctx.cancelled().await;
                Err(AgentError::bad_input("cancelled"))
            }
            _ => Ok(Output::text(format!("well after {tries}"))),
        }
    }
}
