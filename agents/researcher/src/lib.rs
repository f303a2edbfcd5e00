//! The agent that asks others: it hands the parts of a question to other agents, and answers from what they said, with
//! a number behind each statement that says who it is from.
//!
//! A part that fails is told and costs only itself. A model too weak to make a plan is no hindrance: then every agent
//! gets the whole question.

mod citations;
mod inquiry;
mod plan;
mod wish;

use greenroom_agent_sdk::prelude::*;
use serde_json::json;

use inquiry::{ask_all, conclude};
use plan::plan;
use wish::{Wish, input_schema};

pub use wish::{MOST_AGENTS, MOST_PARTS};

/// Its name.
pub const NAME: &str = "researcher";

/// Answers questions by asking other agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Researcher {
    /// Who is asked where the caller names nobody: at most [`MOST_AGENTS`] names, not its own.
    pub agents: Vec<String>,
    /// How many parts a question has at most where the caller doesn't say: up to [`MOST_PARTS`].
    pub max_parts: usize,
    /// How much of the parts' answers a model is sent at once at first, in tokens, approximately.
    pub context_tokens: usize,
}

impl Default for Researcher {
    fn default() -> Self {
        Self {
            agents: vec!["assistant".to_owned(), "summarizer".to_owned()],
            max_parts: 4,
            context_tokens: 6_000,
        }
    }
}

#[async_trait]
impl Agent for Researcher {
    fn card(&self) -> Card {
        let says = "Asks other agents the parts of a question and answers with numbered sources";
        let mut card = Card::new(NAME, env!("CARGO_PKG_VERSION"), says).skill("research");
        card.input_schema = Some(input_schema());
        card.output_schema = Some(json!({
            "type": "object",
            "properties": {
                "answer": { "type": "string", "description": "Cites its sources as [1]" },
                "sources": { "type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "n": { "type": "integer" },
                        "agent": { "type": "string" },
                        "question": { "type": "string" },
                        "content": { "type": "string", "description": "What the agent said" },
                        "error": { "type": "string", "description": "Why it said nothing" },
                        "taskId": { "type": "string", "description": "The child task that answered" },
                    },
                    "required": ["n", "agent", "question"],
                } },
            },
            "required": ["answer", "sources"],
        }));
        card
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let wish = Wish::of(&task, self)?;
        let parts = plan(&ctx, &wish).await?;
        let sources = ask_all(&ctx, parts).await?;
        conclude(&ctx, &wish, &sources, self.context_tokens).await
    }
}
