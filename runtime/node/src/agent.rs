//! `greenroom agent`: the agents that come with the binary, hosted in a process of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{AgentName, MemberRole};

use crate::cli::AgentArgs;
use crate::config::{self, Config, Flags, RunAs, Sources};
use crate::failed::Failed;
use crate::operator::Operator;
use crate::output;
use crate::parts::{
    self, Books, Life, NAMES, Ready, ReadyFile, Registration, Role, World, advertised, bind, host, member,
    registry, within_stop,
};

/// How long a cancelled agent may clean up.
const GRACE: Duration = Duration::from_secs(1);

/// Runs until it is told to stop.
pub(crate) fn run(file: Option<PathBuf>, args: &AgentArgs) -> Result<(), Failed> {
    let names = args.names.iter().map(|name| known(name)).collect::<Result<Vec<_>, _>>()?;
    let flags = Flags {
        listen: args.role.listen.clone(),
        ..Flags::default()
    };
    let config = config::load_for(RunAs::Agent, file, flags)?;
    parts::run(config, false, async |config| Host::start(&config, &names, args).await)
}

fn known(name: &str) -> Result<&'static str, Failed> {
    NAMES.into_iter().find(|known| *known == name).ok_or_else(|| {
        Failed::misused(format!(
            "no agent called `{name}` comes with this binary: there are {}. Your own are hosts of their own: see \
             `greenroom new agent`",
            NAMES.join(", ")
        ))
    })
}
