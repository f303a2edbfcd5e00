//! Agents made of closures.

use futures::future::BoxFuture;
use greenroom_agent_sdk::testkit::Bench;
use greenroom_agent_sdk::{Agent, AgentError, Card, Context, Output, Task, async_trait};

type Body = dyn Fn(Task, Context) -> BoxFuture<'static, Result<Output, AgentError>> + Send + Sync;

pub(crate) struct Scripted(Box<Body>);

#[async_trait]
impl Agent for Scripted {
    fn card(&self) -> Card {
        Card::new("a", "1.0.0", "A test's")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        (self.0)(task, ctx).await
    }
}

pub(crate) fn scripted<Fut>(body: impl Fn(Task, Context) -> Fut + Send + Sync + 'static) -> Scripted
where
    Fut: Future<Output = Result<Output, AgentError>> + Send + 'static,
{
    Scripted(Box::new(move |task, ctx| Box::pin(body(task, ctx))))
}

pub(crate) fn bench<Fut>(body: impl Fn(Task, Context) -> Fut + Send + Sync + 'static) -> Bench
where
    Fut: Future<Output = Result<Output, AgentError>> + Send + 'static,
{
    Bench::new(scripted(body))
}
