//! An agent that pays, which takes its time and must not happen twice.

use std::sync::Arc;
use std::time::Duration;

use greenroom_agent_sdk::AgentHost;
use greenroom_agent_sdk::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::support::Ledger;

/// How long a payment takes: long enough that somebody leaves in the middle of it.
const BANK: Duration = Duration::from_millis(300);

/// Pays twice for each task, writes down each time, and answers.
struct Payer(Ledger);

#[async_trait]
impl Agent for Payer {
    fn card(&self) -> Card {
        Card::new("payer", "1.0.0", "Pays")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let bill = task.text()?;
        for part in ["first", "second"] {
            let (ledger, what) = (self.0.clone(), format!("{bill}, {part} half"));
            let paying = async move {
                ledger.add("pay", &what);
                tokio::time::sleep(BANK).await;
                Ok(())
            };
            ctx.step(part, Effect::NonIdempotent, paying).await?;
        }
        Ok(Output::text(format!("paid {bill}")))
    }
}

/// Its host in this process, which ends with this.
pub(super) struct PayerHost {
    pub(super) url: String,
    stop: CancellationToken,
}

impl PayerHost {
    pub(super) async fn start(ledger: Ledger) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, host) = (
            CancellationToken::new(),
            AgentHost::new().agent(Arc::new(Payer(ledger))),
        );
        let stopped = stop.clone();
        tokio::spawn(async move { host.serve(listener, stopped).await.unwrap() });
        Self { url, stop }
    }
}

impl Drop for PayerHost {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
