//! `greenroom doctor`: what is wrong here, and how to mend it.

mod discovery;
mod gateway;
mod models;
mod report;
mod store;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::cli::DoctorArgs;
use crate::config::{self, Flags, Sources};
use crate::failed::{Failed, chain};
use crate::output;
use crate::ports::MachineClock;
use report::{Line, State};

/// Checks everything and fails if anything failed.
pub(crate) fn run(file: Option<PathBuf>, args: &DoctorArgs) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let lines = runtime.block_on(examine(file, args));
    let failed = lines.iter().any(|line| line.state == State::Fail);
    if args.stored.json {
        output::json(&json!({ "ok": !failed, "checks": lines }))?;
    } else {
        let shown: Vec<String> = lines.iter().map(Line::shown).collect();
        output::text(&shown.join("\n"))?;
    }
    if failed { Err(Failed::silently()) } else { Ok(()) }
}

async fn examine(file: Option<PathBuf>, args: &DoctorArgs) -> Vec<Line> {
    let flags = Flags {
        store: args.stored.store.clone(),
        ..Flags::default()
    };
    let loaded = match config::load(&Sources::of_process(file, flags)) {
        Ok(loaded) => loaded,
        Err(error) => {
            return vec![Line::fail(
                "configuration",
                chain(&error),
                "mend it, then ask again",
            )];
        }
    };
    let mut lines = vec![Line::ok(
        "configuration",
        match &loaded.file {
            Some(file) => format!("{} can be used", file.display()),
            None => "defaults and environment".to_owned(),
        },
    )];
    let clock = Arc::new(MachineClock::new());
    let (certificates, links) = tls::check(&loaded.config, args.role, clock).await;
    lines.extend(certificates);
    lines.extend(store::check(&loaded.config.store).await);
    lines.extend(models::check(&loaded.config).await);
    lines.extend(discovery::check(&loaded.config).await);
    lines.extend(gateway::check(&loaded.config, &links, &args.gateway.url).await);
    lines
}
