//! An agent with a bit of everything, whole: tools, an approval, an effect of its own, a hand-off.

use std::time::Duration;

use greenroom_agent_sdk::Approval;
use greenroom_agent_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
struct Order {
    item: String,
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Receipt {
    number: u32,
}

/// Buys what it is told to, after asking.
struct Buyer;

#[async_trait]
impl Agent for Buyer {
    fn card(&self) -> Card {
        Card::new("buyer", "1.0.0", "Buys things, with permission")
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let stock = FnTool::new(
            "stock",
            "How many there are of an item",
            Effect::ReadOnly,
            json!({ "type": "object", "properties": { "item": { "type": "string" } } }),
            |arguments: serde_json::Value, _call| async move {
                Ok(json!({ "item": arguments["item"], "count": 3 }))
            },
        );
        vec![Arc::new(stock)]
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let order: Order = task.input()?;
        let stock = ctx.tool("stock", json!({ "item": order.item })).await?;
        if stock["count"] == 0 {
            return Ok(Output::text("There is none left."));
        }
        ctx.emit(format!("Asking whether {} may be bought. ", order.item))
            .await?;
        let question = json!({ "buy": order.item, "cents": order.cents });
        let approval: Approval = ctx.approval_within(question, Duration::from_secs(3_600)).await?;
        if !approval.approved {
            return Ok(Output::text("Not bought."));
        }
        // Fired at most once. If nobody knows whether it happened, the task stops and asks.
        let receipt: Receipt = ctx
            .step("pay", Effect::NonIdempotent, async { Ok(Receipt { number: 17 }) })
            .await?;
        let greeting = ctx.agent("echo", json!({ "content": "Thank you!" })).await?;
        Output::text(greeting.content.unwrap_or_default()).with_data(&receipt)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = AgentHost::new().agent(Arc::new(Buyer));
    if std::env::args().any(|argument| argument == "--serve") {
        host.serve_at("127.0.0.1:7071").await?;
    }
    Ok(())
}
