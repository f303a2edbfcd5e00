//! A first agent with tools, whole: one looks, one charges, and a person is asked between them.

use std::time::Duration;

use greenroom_agent_sdk::prelude::*;
use serde_json::{Value, json};

/// Sells a ticket: looks, asks, charges.
struct BoxOffice;

fn seats() -> FnTool {
    let parameters = json!({ "type": "object", "properties": { "show": { "type": "string" } } });
    FnTool::new(
        "seats",
        "Free seats of a show",
        Effect::ReadOnly,
        parameters,
        |_: Value, _call| async { Ok(json!({ "free": 12, "price": 40 })) },
    )
}

fn charge() -> FnTool {
    let parameters = json!({ "type": "object", "properties": { "euros": { "type": "integer" } } });
    FnTool::new(
        "charge",
        "Charges the card",
        Effect::NonIdempotent,
        parameters,
        |_: Value, _call| async {
            tokio::time::sleep(Duration::from_secs(10)).await; // a slow bank: time to pull the plug
            Ok(json!({ "receipt": 17 }))
        },
    )
}

#[async_trait]
impl Agent for BoxOffice {
    fn card(&self) -> Card {
        Card::new("box-office", "1.0.0", "Sells tickets, with permission")
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        vec![Arc::new(seats()), Arc::new(charge())]
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let show = task.text()?;
        let seats = ctx.tool("seats", json!({ "show": show })).await?;
        let question = format!("Charge {} euros for {show}?", seats["price"]);
        if !ctx.approval(question).await?.approved {
            return Ok(Output::text("Nothing was charged."));
        }
        let charged = ctx.tool("charge", json!({ "euros": seats["price"] })).await?;
        Ok(Output::text(format!(
            "Your ticket. Receipt {}.",
            charged["receipt"]
        )))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = AgentHost::new().agent(Arc::new(BoxOffice));
    if std::env::args().any(|argument| argument == "--serve") {
        host.serve_at("127.0.0.1:7071").await?;
    }
    Ok(())
}
