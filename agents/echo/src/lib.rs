//! The agent that does nothing: it answers with what it was given. For tests, and to measure everything around it.

use greenroom_agent_sdk::prelude::*;
use serde_json::value::RawValue;

/// Answers with its input: as data always, and as content where the input is text or has a `content`. Takes no
/// steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

/// Its name.
pub const NAME: &str = "echo";

#[async_trait]
impl Agent for Echo {
    fn card(&self) -> Card {
        let says = "Answers with its input and does nothing else: for tests and measurements";
        Card::new(NAME, env!("CARGO_PKG_VERSION"), says).skill("echo")
    }

    async fn run(&self, task: Task, _: Context) -> Result<Output, AgentError> {
        let output = match task.text() {
            Ok(content) => Output::text(content),
            Err(_) => Output::default(),
        };
        // The very bytes: numbers too large for us survive.
        let input: &RawValue = serde_json::from_str(task.input_json())?;
        output.with_data(&input)
    }
}
