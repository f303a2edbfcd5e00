//! An agent with a mistake that only a crash shows, and the test kit that finds it.

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::testkit::{Bench, Probe, Reply};
use serde_json::{Value, json};

/// Sells what is asked for. Its cash desk stands in for somebody's payment service.
pub struct Seller {
    /// Counts what it takes.
    pub desk: Probe,
    /// Whether the money is taken in a step, as it should be.
    pub careful: bool,
}

#[async_trait]
impl Agent for Seller {
    fn card(&self) -> Card {
        Card::new("seller", "1.0.0", "Sells things")
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let prices = FnTool::new(
            "lookup",
            "What an item costs",
            Effect::ReadOnly,
            json!({ "type": "object", "properties": { "item": { "type": "string" } } }),
            |_: Value, _| async { Ok(json!({ "cents": 250 })) },
        );
        vec![Arc::new(prices)]
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let price = ctx.tool("lookup", json!({ "item": task.text()? })).await?;
        if self.careful {
            let desk = self.desk.clone();
            let charge = async move {
                desk.fire("charge");
                Ok(())
            };
            ctx.step("charge", Effect::NonIdempotent, charge).await?;
        } else {
            self.desk.fire("charge"); // the mistake: every attempt comes by here
        }
        let words = ModelMessage::text(ModelRole::User, format!("Thank for {price}"));
        let request = ModelRequest {
            messages: vec![words],
            ..ModelRequest::default()
        };
        Ok(Output::text(ctx.model(request).await?.content))
    }
}

/// The bench that both sellers are tried on.
pub fn bench(careful: bool) -> Bench {
    let desk = Probe::new();
    let seller = Seller {
        desk: desk.clone(),
        careful,
    };
    Bench::new(seller)
        .input("a lamp")
        .reply(Reply::text("Thank you!"))
        .probe(&desk)
}

#[allow(
    dead_code,
    clippy::print_stdout,
    reason = "a test takes the rest of this file; an example tells what it found"
)]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("careful: {}", bench(true).crashes().await);
    println!("careless: {}", bench(false).crashes().await);
}
