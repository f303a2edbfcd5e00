//! Which providers `dev` takes, and why.

use greenroom_kernel::ModelInfo;
use greenroom_provider_openai::{ApiKey, OpenAiConfig};

use crate::config::{Config, RawProvider};

const OPENAI: &str = "https://api.openai.com/v1";
const OLLAMA: &str = "http://127.0.0.1:11434/v1";
/// OpenAI lists its models in no order that tells a good default.
const OPENAI_MODEL: &str = "gpt-4.1-mini";

/// The providers to take, in the order they are preferred.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) remote: Vec<(OpenAiConfig, Option<u32>)>,
    /// The model in this process, behind all others.
    pub(crate) local: bool,
    /// Why these.
    pub(crate) why: String,
    /// What was seen and can't be used.
    pub(crate) unused: Vec<String>,
}

/// Looks at the configuration, then the environment, then at this machine.
///
/// # Errors
/// A configured key's variable that is not set.
pub(crate) fn choose(
    config: &Config,
    variable: &dyn Fn(&str) -> Option<String>,
    ollama_answers: &dyn Fn() -> bool,
) -> Result<Choice, String> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let mut choice = found(config, &set, ollama_answers)?;
    let possible = cfg!(feature = "local-model");
    match config.local.enabled {
        Some(wanted) => {
            choice.local = wanted && possible;
            if !wanted && choice.remote.is_empty() {
                choice.why = "nothing else was found and local.enabled is false".to_owned();
            }
        }
        None => choice.local = choice.remote.is_empty() && possible,
    }
    if choice.remote.is_empty() && !possible {
        choice.why = "nothing was found, and this binary was built without the local model".to_owned();
    }
    choice.unused = unused(&set);
    Ok(choice)
}

fn found(
    config: &Config,
    set: &dyn Fn(&str) -> Option<String>,
    ollama_answers: &dyn Fn() -> bool,
) -> Result<Choice, String> {
    let one = |openai: OpenAiConfig, why: &str| Choice {
        remote: vec![(openai, None)],
        local: false,
        why: why.to_owned(),
        unused: Vec::new(),
    };
    if !config.providers.is_empty() {
        let configured = config
            .providers
            .iter()
            .map(|(name, raw)| configured(name, raw, set));
        let remote = configured.collect::<Result<_, _>>()?;
        return Ok(Choice {
            remote,
            local: false,
            why: "configured".to_owned(),
            unused: Vec::new(),
        });
    }
    let (key, url) = (set("OPENAI_API_KEY"), set("OPENAI_BASE_URL"));
    if key.is_some() || url.is_some() {
        let why = match (&key, &url) {
            (Some(_), Some(_)) => "OPENAI_API_KEY and OPENAI_BASE_URL are set",
            (Some(_), None) => "OPENAI_API_KEY is set",
            _ => "OPENAI_BASE_URL is set",
        };
        return Ok(one(openai("openai", url.as_deref(), key.as_deref(), &[]), why));
    }
    if ollama_answers() {
        return Ok(one(
            OpenAiConfig::new("ollama", OLLAMA),
            "Ollama answers on its standard port",
        ));
    }
    let why = "no provider is configured, OPENAI_API_KEY is not set, and no Ollama answers".to_owned();
    Ok(Choice {
        remote: Vec::new(),
        local: false,
        why,
        unused: Vec::new(),
    })
}

fn configured(
    name: &str,
    raw: &RawProvider,
    set: &dyn Fn(&str) -> Option<String>,
) -> Result<(OpenAiConfig, Option<u32>), String> {
    let key = match &raw.api_key_env {
        Some(variable) => {
            let missing = || format!("provider {name}: its key's variable {variable} is not set");
            Some(set(variable).ok_or_else(missing)?)
        }
        None => raw.api_key.clone(),
    };
    Ok((
        openai(name, raw.base_url.as_deref(), key.as_deref(), &raw.models),
        raw.concurrency,
    ))
}

fn openai(name: &str, url: Option<&str>, key: Option<&str>, models: &[String]) -> OpenAiConfig {
    let url = url.unwrap_or(OPENAI);
    let info = |name: &str| ModelInfo {
        name: name.to_owned(),
        context_window: None,
    };
    let models: Vec<ModelInfo> = models.iter().map(|name| info(name)).collect();
    let preset = models.is_empty() && url.starts_with("https://api.openai.com");
    OpenAiConfig {
        api_key: key.map(ApiKey::new),
        models: if preset { vec![info(OPENAI_MODEL)] } else { models },
        ..OpenAiConfig::new(name, url)
    }
}

fn unused(set: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut seen = Vec::new();
    if set("ANTHROPIC_API_KEY").is_some() {
        seen.push("ANTHROPIC_API_KEY is set, but this version has no Anthropic adapter".to_owned());
    }
    let keys = set("AWS_ACCESS_KEY_ID").is_some() || set("AWS_PROFILE").is_some();
    if keys && (set("AWS_REGION").is_some() || set("AWS_DEFAULT_REGION").is_some()) {
        seen.push("AWS credentials are set, but this version has no Bedrock adapter".to_owned());
    }
    seen
}

#[cfg(test)]
mod tests;
