//! `greenroom dev`: the composition root. Everything is built unstarted with its collaborators as arguments, then
//! the ports are bound, then it starts; it ends in the opposite order.

mod agents;
mod banner;
mod costs;
mod failpoint;
mod found;
mod hooks;
#[cfg(feature = "local-model")]
mod local;
mod models;
mod ollama;
mod open;
mod providers;
mod ready;
mod run;
mod signals;
mod stop;
mod telemetry;
mod who;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::cli::DevArgs;
use crate::config::{self, Config, ConfigError, Flags, Sources};
use crate::failed::Failed;
use crate::output;

#[cfg(feature = "local-model")]
pub(crate) use local::source as local_source;
pub(crate) use ollama::answers as ollama_answers;
pub(crate) use providers::{Remote, choose};
pub(crate) use who::dev_principal;

/// How long the runtime's last tasks and blocking calls may take once everything was stopped.
const LEAVE: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub(crate) fn run(file: Option<PathBuf>, args: DevArgs) -> Result<(), Failed> {
    let flags = Flags {
        listen: args.listen.clone(),
        store: args.store.clone(),
        agents: args.agents.clone(),
    };
    let flagged = [
        ("gateway.listen", flags.listen.is_some()),
        ("store.path", flags.store.is_some()),
        ("agent.join", !flags.agents.is_empty()),
    ];
    let config = match config::load(&Sources::of_process(file, flags)) {
        Ok(loaded) => loaded.config,
        Err(ConfigError::Value { key, why }) if flagged.contains(&(key.as_str(), true)) => {
            return Err(Failed::misused(why));
        }
        Err(error) => return Err(error.into()),
    };
    admit_addresses(&config, args.insecure)?;
    let choice =
        choose(&config, &|name| std::env::var(name).ok(), &ollama_answers).map_err(Failed::because)?;
    #[cfg(feature = "local-model")]
    if choice.local {
        local::restart_with_thread_variables();
    }
    if !choice.local {
        small_pages();
    }
    let runtime = Runtime::new()?;
    let done = runtime.block_on(run::until_stopped(config, choice, args));
    runtime.shutdown_timeout(LEAVE);
    done
}

/// Huge pages pay for a model's weights. Without one they only keep four times the memory that is used.
fn small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        output::complaint(&format!("greenroom: huge pages stay on: {error}"));
    }
}

/// Without identity only this machine is let in.
fn admit_addresses(config: &Config, insecure: bool) -> Result<(), Failed> {
    let all: [(&str, SocketAddr); 3] = [
        ("gateway.listen", config.gateway_listen),
        ("agent.listen", config.agent_listen),
        ("operator.listen", config.operator_listen),
    ];
    // Who comes there shows a certificate.
    let proven = |key: &str| key == "agent.listen" && config.tls.is_some();
    let reached = |(key, address): &&(&str, SocketAddr)| !address.ip().is_loopback() && !proven(key);
    match all.iter().find(reached) {
        Some((key, address)) if !insecure => Err(Failed::misused(format!(
            "{key} is {address}, which other machines can reach, and dev knows no identities: listen on 127.0.0.1, \
             or pass --insecure and let everybody do everything"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
