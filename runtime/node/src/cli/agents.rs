//! What `agents` takes.

use std::time::Duration;

use clap::Args;
use greenroom_kernel::AgentName;

use super::stored::StoredArgs;

#[derive(Debug, Args)]
pub(crate) struct AgentsArgs {
    /// The agent whose history is told [default: all agents as they are now].
    #[arg(value_parser = AgentName::parse)]
    pub(crate) name: Option<AgentName>,
    /// How far back, as 90s, 30m, 12h, 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ago, requires = "name")]
    pub(crate) since: Duration,
    /// At most this many lines of a history, 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "name", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
}

/// A whole number of seconds, minutes, hours or days.
fn ago(text: &str) -> Result<Duration, String> {
    let unit = |letter| match letter {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let read = || {
        let seconds = unit(text.chars().last()?)?;
        let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
        number.checked_mul(seconds).map(Duration::from_secs)
    };
    read().ok_or_else(|| "say a number of s, m, h or d, such as 30m".to_owned())
}
