//! The providers that `dev` would take, and the model in this process.

use std::sync::Arc;
use std::time::Duration;

use super::report::Line;
use crate::config::Config;
use crate::failed::chain;
use crate::parts::{Remote, choose, ollama_answers};
use crate::ports::MachineClock;

const PROVIDER: &str = "provider";
const MODEL: &str = "local model";
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn check(config: &Config) -> Vec<Line> {
    let looking = config.clone();
    let chosen = tokio::task::spawn_blocking(move || {
        choose(&looking, &|name| std::env::var(name).ok(), &ollama_answers)
    });
    let choice = match chosen.await {
        Ok(Ok(choice)) => choice,
        Ok(Err(why)) => return vec![Line::fail(PROVIDER, why, "set it, or change the configuration")],
        Err(error) => return vec![Line::fail(PROVIDER, chain(&error), "report this as a defect")],
    };
    let mut lines = Vec::new();
    for (remote, _) in &choice.remote {
        lines.push(reachable(remote, &choice.why).await);
    }
    if choice.remote.is_empty() && !choice.local {
        let remedy = "set OPENAI_API_KEY, ANTHROPIC_API_KEY or AWS credentials with a region, start Ollama, or set \
                      local.enabled to true";
        lines.push(Line::fail(PROVIDER, format!("none: {}", choice.why), remedy));
    }
    for unused in choice.unused {
        lines.push(Line::warn(
            PROVIDER,
            unused,
            "name the providers that you mean in [providers]",
        ));
    }
    if choice.local {
        lines.push(local(config).await);
    }
    lines
}

async fn reachable(remote: &Remote, why: &str) -> Line {
    let (name, url) = (remote.name(), remote.base_url());
    let backend = match remote.backend(Arc::new(MachineClock::new())) {
        Ok(backend) => backend,
        Err(error) => return Line::fail(PROVIDER, chain(&error), "mend the provider's configuration"),
    };
    match tokio::time::timeout(PATIENCE, backend.probe()).await {
        Ok(Ok(())) => {
            let models = backend.models().len();
            Line::ok(
                PROVIDER,
                format!("{name} at {url} {} ({models} models): {why}", remote.probed()),
            )
        }
        Ok(Err(fault)) => Line::fail(
            PROVIDER,
            format!("{name}: {}", fault.message),
            "check its address, its key and its network",
        ),
        Err(_) => Line::fail(
            PROVIDER,
            format!("{name} at {url} does not answer"),
            "check its address and network",
        ),
    }
}

#[cfg(feature = "local-model")]
async fn local(config: &Config) -> Line {
    use greenroom_provider_local::ModelSource;

    let source = crate::parts::local_source(&config.local);
    let fetchable = source.model.url.is_some() || source.model.pip.is_some();
    let cached = source.cache_file();
    let looked = tokio::task::spawn_blocking(move || ModelSource::new(source).find_local()).await;
    match looked {
        Ok(Ok(Some(found))) => Line::ok(MODEL, format!("{} ({})", found.path.display(), found.origin)),
        Ok(Ok(None)) if fetchable => Line::warn(
            MODEL,
            format!(
                "it is not at {} yet: the first start fetches it (100 MB)",
                cached.display()
            ),
            "run `greenroom dev` once, or set GREENROOM_MODEL_PATH to a GGUF file",
        ),
        Ok(Ok(None)) => Line::fail(
            MODEL,
            format!(
                "it is not at {} and local.offline forbids fetching it",
                cached.display()
            ),
            "set GREENROOM_MODEL_PATH to a GGUF file, or put the model there",
        ),
        Ok(Err(error)) => Line::fail(
            MODEL,
            chain(&error),
            "set GREENROOM_MODEL_PATH to a GGUF file that can be read",
        ),
        Err(error) => Line::fail(MODEL, chain(&error), "report this as a defect"),
    }
}

#[cfg(not(feature = "local-model"))]
async fn local(_: &Config) -> Line {
    Line::fail(
        MODEL,
        "this binary was built without it",
        "build it with the feature local-model",
    )
}
