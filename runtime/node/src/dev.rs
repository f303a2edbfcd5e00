//! `greenroom dev`: the composition root. Everything is built unstarted with its collaborators as arguments, then
//! the ports are bound, then it starts; it ends in the opposite order.

mod banner;
mod run;
mod stop;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::DevArgs;
use crate::config::{Config, Flags, RunAs};
use crate::failed::Failed;
use crate::parts::{self, choose, configured, ollama_answers};

/// Runs until it is told to stop.
pub(crate) fn run(file: Option<PathBuf>, args: DevArgs) -> Result<(), Failed> {
    let flags = Flags {
        listen: args.listen.clone(),
        store: args.store.clone(),
        agents: args.agents.clone(),
        ..Flags::default()
    };
    let config = configured(RunAs::Dev, file, flags)?;
    admit_addresses(&config, args.insecure)?;
    let choice =
        choose(&config, &|name| std::env::var(name).ok(), &ollama_answers).map_err(Failed::because)?;
    parts::run(config, choice.local, async |config| {
        run::Dev::start(config, &choice, &args).await
    })
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
