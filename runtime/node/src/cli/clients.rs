//! What the commands take that ask a running gateway.

use std::time::Duration;

use clap::Args;

/// Which gateway.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// The gateway.
    #[arg(
        long,
        value_name = "URL",
        env = "GREENROOM_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) url: String,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// Goes on with this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// The agent to chat with [default: the gateway's].
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// The model: a route, `provider/model`, or a model's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Sends this, prints the answer and ends.
    #[arg(long, value_name = "TEXT")]
    pub(crate) once: Option<String>,
    /// Prints each answer as one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// How long it may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "3000", value_parser = millis)]
    pub(crate) timeout: Duration,
}

fn millis(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}
