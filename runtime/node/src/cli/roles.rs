//! What the roles of their own processes take.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args, Default)]
pub(crate) struct DevArgs {
    /// Where the gateway listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Joins an agent host in any language and follows its restarts; may be repeated.
    #[arg(long = "agent", value_name = "URL")]
    pub(crate) agents: Vec<String>,
    /// Allows listening where other machines can reach it: whoever can connect may do everything.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Writes the bound addresses there as JSON once it serves; removed at the end.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// What every role of its own process takes.
#[derive(Debug, Args, Default)]
pub(crate) struct RoleArgs {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// Writes the bound addresses there as JSON once it serves; removed at the end.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Debug, Args, Default)]
pub(crate) struct ServeGatewayArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    /// A supervisor; may be repeated. None: those that are found in [discovery].
    #[arg(long = "supervisor", value_name = "HOST:PORT")]
    pub(crate) supervisors: Vec<String>,
    /// Allows listening where other machines can reach it: whoever can connect may do everything.
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Which: assistant, summarizer, extractor, researcher, echo.
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) role: RoleArgs,
}
