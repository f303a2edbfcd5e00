//! A first agent, whole.

use greenroom_agent_sdk::prelude::*;

/// Greets whoever writes, in the words of a model.
struct Greeter;

#[async_trait]
impl Agent for Greeter {
    fn card(&self) -> Card {
        Card::new("greeter", "1.0.0", "Greets whoever writes")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let now = ctx.now().await?; // journaled: the same in every attempt
        let answer = ctx
            .model(ModelRequest {
                messages: vec![
                    ModelMessage::text(
                        ModelRole::System,
                        format!("It is {now}. Greet the user in one sentence."),
                    ),
                    ModelMessage::text(ModelRole::User, task.text()?),
                ],
                ..ModelRequest::default()
            })
            .visible() // the caller sees the text as it comes
            .await?;
        Ok(Output::text(answer.content))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = AgentHost::new().agent(Arc::new(Greeter));
    if std::env::args().any(|argument| argument == "--serve") {
        host.serve_at("127.0.0.1:7071").await?; // then: greenroom dev --agent http://127.0.0.1:7071
    }
    Ok(())
}
