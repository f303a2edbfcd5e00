//! What `spend` takes.

use clap::{Args, ValueEnum};

use super::stored::StoredArgs;

#[derive(Debug, Args)]
pub(crate) struct SpendArgs {
    /// One sum for each of these, the dearest first: day, month, model, provider, subject, key, kind.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "model")]
    pub(crate) by: Vec<By>,
    /// The first day, in UTC [default: the first of this month].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) from: Option<String>,
    /// The last day, itself included [default: today].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) to: Option<String>,
    /// At most this many sums, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
}

/// What sums are kept apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The day, in UTC.
    Day,
    /// The month, in UTC.
    Month,
    /// The provider and its model.
    Model,
    /// The provider.
    Provider,
    /// The caller.
    Subject,
    /// The credential.
    Key,
    /// Why tries were made: first, retry, failover, hedge, recovery, joined.
    Kind,
}
