//! The agent that makes long texts short: it summarizes pieces that a model can hold, then the summaries, until one
//! is left.
//!
//! A model's window is not known here. The first piece finds it: it is halved until the model takes it, and the
//! others are cut to that size. Every summary is a step of its own, so that a crash repeats none that was finished.

mod digest;
mod pieces;
mod wish;

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::{FinishReason, ModelAnswer};
use serde_json::json;

use digest::{Digest, Made};
use wish::{Wish, input_schema};

/// Its name.
pub const NAME: &str = "summarizer";

/// Summarizes texts of any length. The final summary is shown to the caller as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summarizer {
    /// How much of a text a model is sent at once at first, in tokens, approximately. A model that finds it too much
    /// gets less.
    pub chunk_tokens: usize,
    /// How many pieces are summarized at once, at least 1.
    pub at_once: usize,
}

impl Default for Summarizer {
    fn default() -> Self {
        Self {
            // The largest payload, 4 MiB, is then some 500 steps: half of what a task may take by default.
            chunk_tokens: 3_000,
            at_once: 4,
        }
    }
}

#[async_trait]
impl Agent for Summarizer {
    fn card(&self) -> Card {
        let says = "Summarizes a text of any length";
        let mut card = Card::new(NAME, env!("CARGO_PKG_VERSION"), says).skill("summarize");
        card.input_schema = Some(input_schema());
        card.output_schema = Some(json!({
            "type": "object",
            "properties": {
                "pieces": { "type": "integer", "description": "Into how many pieces the text was cut" },
                "rounds": { "type": "integer", "description": "How often summaries were summarized" },
                "finish": { "enum": ["length", "content_filter"], "description": "Where the summary was cut, why" },
            },
            "required": ["pieces", "rounds"],
        }));
        card
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let wish = Wish::of(&task)?;
        let digest = Digest::new(*self, &wish, ctx);
        finished(digest.make().await?)
    }
}

fn finished(made: Made) -> Result<Output, AgentError> {
    let Made {
        answer: ModelAnswer { content, finish, .. },
        pieces,
        rounds,
    } = made;
    if content.trim().is_empty() {
        return Err(AgentError::new(match finish {
            FinishReason::ContentFilter => "the model's provider filtered the summary away",
            _ => "the model answered without a word: ask another one",
        }));
    }
    let mut data = json!({ "pieces": pieces, "rounds": rounds });
    // Not passed off as whole: programs see where it was cut.
    match finish {
        FinishReason::Length => data["finish"] = json!("length"),
        FinishReason::ContentFilter => data["finish"] = json!("content_filter"),
        FinishReason::Stop | FinishReason::ToolCalls => {}
    }
    Output::text(content).with_data(&data)
}
