//! Which providers `dev` takes, and why.

mod aws;
mod remote;
#[cfg(test)]
mod tests;

pub(crate) use remote::Remote;

use crate::config::{Config, RawProvider, RawProviderKind};

const OLLAMA: &str = "http://127.0.0.1:11434/v1";

/// The providers to take, in the order they are preferred.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) remote: Vec<(Remote, Option<u32>)>,
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
/// A configured key's variable that is not set, or a provider that this binary was built without.
pub(crate) fn choose(
    config: &Config,
    variable: &dyn Fn(&str) -> Option<String>,
    ollama_answers: &dyn Fn() -> bool,
) -> Result<Choice, String> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let mut choice = found(config, &set, ollama_answers)?;
    choice.unused.extend(aws::unusable(&set));
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
    Ok(choice)
}

/// The same for a process of a fleet, which takes what it is given: nothing is looked for on its machine, and the model of
/// this process only where it is asked for.
///
/// # Errors
/// As [`choose`].
pub(crate) fn choose_given(
    config: &Config,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Choice, String> {
    let mut choice = choose(config, variable, &|| false)?;
    choice.local &= config.local.enabled == Some(true);
    if choice.remote.is_empty() {
        choice.why = match choice.local {
            true => "configured".to_owned(),
            false => "none is configured, and the environment names none: model calls fail".to_owned(),
        };
    }
    Ok(choice)
}

fn found(
    config: &Config,
    set: &dyn Fn(&str) -> Option<String>,
    ollama_answers: &dyn Fn() -> bool,
) -> Result<Choice, String> {
    let one = |remote: Remote, why: &str| Choice {
        remote: vec![(remote, None)],
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
    let anthropic = set("ANTHROPIC_API_KEY");
    let (key, url) = (set("OPENAI_API_KEY"), set("OPENAI_BASE_URL"));
    if key.is_some() || url.is_some() {
        let why = match (&key, &url) {
            (Some(_), Some(_)) => "OPENAI_API_KEY and OPENAI_BASE_URL are set",
            (Some(_), None) => "OPENAI_API_KEY is set",
            _ => "OPENAI_BASE_URL is set",
        };
        let remote = Remote::openai("openai", url.as_deref(), key.as_deref(), &[]);
        let passed_over = anthropic.map(|_| {
            "ANTHROPIC_API_KEY is set too, but OpenAI's comes first: name both in [providers]".to_owned()
        });
        return Ok(Choice {
            unused: passed_over
                .into_iter()
                .chain(aws::passed_over(set, "OpenAI's"))
                .collect(),
            ..one(remote, why)
        });
    }
    if anthropic.is_some() {
        let url = set("ANTHROPIC_BASE_URL");
        let why = match &url {
            Some(_) => "ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL are set",
            None => "ANTHROPIC_API_KEY is set",
        };
        let remote = Remote::anthropic("anthropic", url.as_deref(), anthropic.as_deref(), &[]);
        return Ok(Choice {
            unused: aws::passed_over(set, "Anthropic's").into_iter().collect(),
            ..one(remote, why)
        });
    }
    #[cfg(feature = "bedrock")]
    if let Some(why) = aws::found(set) {
        return Ok(one(aws::bedrock("bedrock", &RawProvider::default(), set), &why));
    }
    if ollama_answers() {
        return Ok(one(
            Remote::openai("ollama", Some(OLLAMA), None, &[]),
            "Ollama answers on its standard port",
        ));
    }
    let why = "no provider is configured, neither OPENAI_API_KEY nor ANTHROPIC_API_KEY nor AWS credentials with a region \
               are set, and no Ollama answers"
        .to_owned();
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
) -> Result<(Remote, Option<u32>), String> {
    let of_variable = |variable: &String| {
        set(variable).ok_or_else(|| format!("provider {name}: its key's variable {variable} is not set"))
    };
    let variables = raw.api_key_env.iter().chain(&raw.api_key_envs);
    let mut keys: Vec<String> = variables.map(of_variable).collect::<Result<_, _>>()?;
    keys.extend(raw.api_key.iter().chain(&raw.api_keys).cloned());
    let (url, key) = (raw.base_url.as_deref(), keys.first().map(String::as_str));
    let remote = match raw.kind {
        RawProviderKind::OpenAi => Remote::openai(name, url, key, &raw.models),
        RawProviderKind::Anthropic => Remote::anthropic(name, url, key, &raw.models),
        #[cfg(feature = "bedrock")]
        RawProviderKind::Bedrock => aws::bedrock(name, raw, set),
        #[cfg(not(feature = "bedrock"))]
        RawProviderKind::Bedrock => {
            return Err(format!(
                "provider {name}: this binary was built without Bedrock: build it with the feature bedrock"
            ));
        }
    };
    let remote = remote
        .called_in(raw.api)
        .with_more_keys(keys.get(1..).unwrap_or_default());
    Ok((remote, raw.concurrency))
}
