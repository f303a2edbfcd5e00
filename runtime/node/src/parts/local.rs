//! The model in this process: how the process must be started for it, and its progress where people see it.

use std::io::IsTerminal;
use std::sync::Arc;

use greenroom_provider_local::{LocalConfig, LocalProvider, LocalState, SourceConfig, thread_variables};
use tokio::sync::watch;

use crate::config::{RawLocal, cache_folder};
use crate::failed::Failed;
use crate::output;

/// The provider with what there is to know about it.
pub(crate) struct Watched {
    pub(crate) backend: Arc<LocalProvider>,
    pub(crate) model: String,
    pub(crate) at_once: u32,
}

/// Where the model comes from, by the configuration.
pub(crate) fn source(local: &RawLocal) -> SourceConfig {
    let folder = local
        .cache_folder
        .clone()
        .or_else(cache_folder)
        .unwrap_or_else(std::env::temp_dir);
    let mut source = SourceConfig::new(folder.join("models"));
    source.model_path.clone_from(&local.model_path);
    if let Some(url) = &local.model_url {
        source.model.url = Some(url.clone());
    }
    if let Some(sha256) = &local.model_sha256 {
        // Another file: pip has only ours.
        source.model.sha256 = sha256.to_ascii_lowercase();
        source.model.pip = None;
        source.model.file = format!("{}.gguf", source.model.sha256);
        source.model.name = "local".to_owned();
    }
    if local.offline == Some(true) {
        source.model.url = None;
        source.model.pip = None;
    }
    source
}

/// Starts the provider; it loads in the background.
pub(crate) fn start(local: &RawLocal) -> Result<Watched, Failed> {
    let config = LocalConfig::new(source(local));
    let model = config.source.model_name();
    // One answers, as many wait as its queue holds.
    let at_once = u32::try_from(config.queue.saturating_add(1)).unwrap_or(u32::MAX);
    let backend = Arc::new(LocalProvider::start(config)?);
    Ok(Watched {
        backend,
        model,
        at_once,
    })
}

/// The tensor library reads these variables once and can't be told otherwise: the process is executed again with
/// them, before it has done anything. What an operator has set is left alone.
pub(crate) fn restart_with_thread_variables() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let variables = thread_variables(cores);
    if variables.iter().any(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    execute_again(&variables);
}

fn execute_again(variables: &[(&str, String)]) {
    use std::os::unix::process::CommandExt;
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)));
    // Only a failure returns: then the model runs with more threads than are good for it.
    let error = command.exec();
    output::complaint(&format!("greenroom: could not set the model's threads: {error}"));
}

/// Shows the model's progress until it is there or not to be had: on a terminal one line that changes, else log
/// lines.
pub(crate) async fn show_progress(mut state: watch::Receiver<LocalState>) {
    let terminal = std::io::stderr().is_terminal();
    let mut told = String::new();
    loop {
        let now = state.borrow_and_update().clone();
        let last = matches!(now, LocalState::Ready { .. } | LocalState::Failed { .. });
        let step = if terminal { now.to_string() } else { step(&now) };
        if step != told {
            match terminal {
                true => output::progress(&format!("  local     {now}"), last),
                false => tracing::info!(model = "local", "{now}"),
            }
            told = step;
        }
        if last || state.changed().await.is_err() {
            return;
        }
    }
}

/// What is worth a line of its own: each tenth of the way.
fn step(state: &LocalState) -> String {
    match state {
        LocalState::Downloading {
            done,
            total: Some(total),
            ..
        } if *total > 0 => format!("fetch {}", done * 10 / total),
        LocalState::Downloading { done, .. } => format!("fetch {} B", done / 10_000_000),
        LocalState::Loading { fraction } => format!("load {:.0}", (fraction * 2.0).floor()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_decides_where_the_model_comes_from() {
        let ours = source(&RawLocal::default());
        assert!(ours.model.url.is_some() && ours.model.pip.is_some() && ours.model_path.is_none());
        let mirror = source(&RawLocal {
            model_url: Some("http://m/x.gguf".into()),
            ..RawLocal::default()
        });
        assert_eq!(mirror.model.url.as_deref(), Some("http://m/x.gguf"));
        assert_eq!(mirror.model.sha256, ours.model.sha256);
        let other = source(&RawLocal {
            model_url: Some("http://m/y.gguf".into()),
            model_sha256: Some("AB".repeat(32)),
            ..RawLocal::default()
        });
        assert_eq!(other.model.sha256, "ab".repeat(32));
        assert!(other.model.pip.is_none() && other.model.file != ours.model.file);
        let offline = source(&RawLocal {
            offline: Some(true),
            ..RawLocal::default()
        });
        assert!(offline.model.url.is_none() && offline.model.pip.is_none());
    }

    #[test]
    fn progress_is_told_in_tenths() {
        let at = |done| {
            step(&LocalState::Downloading {
                origin: greenroom_provider_local::Origin::Url,
                done,
                total: Some(1000),
            })
        };
        assert_eq!(at(100), at(199));
        assert_ne!(at(199), at(200));
    }
}
