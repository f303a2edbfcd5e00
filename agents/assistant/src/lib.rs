//! The agent one chats with: it hands the conversation to a model and shows the answer as it comes.

mod earlier;
mod window;

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::{ErrorCode, FinishReason, ModelAnswer};
use serde_json::json;

use earlier::Earlier;

use window::conversation;

/// Its name.
pub const NAME: &str = "assistant";

/// Chats within the session's history, or within the `messages` of its input: `[{"role": "USER", "content": "…"}]`,
/// oldest first. Of those the system's that come first are instructions, and never left out.
///
/// The oldest messages are left out where the history is larger than [`Self::context_tokens`]. A model that
/// still finds the conversation too long is asked again with half of it, down to the caller's message alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Assistant {
    /// What the model is told before the conversation; empty for nothing.
    pub system_prompt: String,
    /// How much of a conversation a model is sent at first, in tokens, approximately.
    pub context_tokens: usize,
    /// Most tokens to answer with; none leaves it to the model.
    pub answer_tokens: Option<u32>,
}

impl Default for Assistant {
    fn default() -> Self {
        Self {
            system_prompt: "You are a helpful assistant. Answer briefly and truthfully.".to_owned(),
            context_tokens: 6_000,
            answer_tokens: None,
        }
    }
}

#[async_trait]
impl Agent for Assistant {
    fn card(&self) -> Card {
        let says = "Chats: answers in the light of the conversation so far";
        Card::new(NAME, env!("CARGO_PKG_VERSION"), says).skill("chat")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let text = task.text()?;
        let Earlier { system, history } = Earlier::of(&task, &self.system_prompt, ctx.history())?;
        let mut budget = self.context_tokens;
        loop {
            let sent = conversation(&system, &history, &text, budget);
            let request = ModelRequest {
                messages: sent.messages,
                max_tokens: self.answer_tokens,
                ..ModelRequest::default()
            };
            match ctx.model(request).visible().await {
                Ok(answer) => return finished(answer),
                // Most likely too long for this model, whose window nobody here knows.
                Err(error) if error.code() == ErrorCode::BadUserInput && sent.history > 0 => {
                    budget = sent.tokens / 2;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn finished(answer: ModelAnswer) -> Result<Output, AgentError> {
    match answer.finish {
        FinishReason::Stop | FinishReason::ToolCalls => Ok(Output::text(answer.content)),
        // Not passed off as whole: programs see where it was cut.
        FinishReason::Length => Output::text(answer.content).with_data(&json!({ "finish": "length" })),
        FinishReason::ContentFilter if answer.content.is_empty() => Err(AgentError::new(
            "the model's provider filtered the answer away: ask differently",
        )),
        FinishReason::ContentFilter => {
            Output::text(answer.content).with_data(&json!({ "finish": "content_filter" }))
        }
    }
}
