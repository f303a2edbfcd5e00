//! Reads the sources in their order and lays one over the other.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use serde_json::json;

use super::error::ConfigError;
use super::mistake::explain;
use super::raw::Raw;
use super::{Config, RunAs, endpoint, paths};

/// The file that is read where nobody names one, if it is there.
const DEFAULT_FILE: &str = "greenroom.toml";
const PREFIX: &str = "GREENROOM__";

/// What flags set; what is none they leave alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Flags {
    /// Where the role listens.
    pub(crate) listen: Option<String>,
    pub(crate) store: Option<PathBuf>,
    pub(crate) agents: Vec<String>,
    pub(crate) supervisors: Vec<String>,
}

/// Where configuration comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The file `--config` names; none takes `greenroom.toml` in `folder` if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The folder that `greenroom.toml` is looked for in.
    pub(crate) folder: PathBuf,
    /// The environment.
    pub(crate) variables: BTreeMap<String, String>,
    /// The flags.
    pub(crate) flags: Flags,
    /// Whose defaults count.
    pub(crate) role: RunAs,
}

impl Sources {
    /// This process's environment and working folder.
    pub(crate) fn of_process(file: Option<PathBuf>, flags: Flags) -> Self {
        Self::of_role(RunAs::Dev, file, flags)
    }

    /// The same with the defaults of a role.
    pub(crate) fn of_role(role: RunAs, file: Option<PathBuf>, flags: Flags) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            file,
            folder: PathBuf::new(),
            variables: std::env::vars_os().filter_map(text).collect(),
            flags,
            role,
        }
    }
}

/// A configuration and where it came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    raw: Raw,
}

impl Loaded {
    /// Everything that is set, as TOML without its secrets.
    ///
    /// # Errors
    /// A value that TOML can't hold.
    pub(crate) fn shown(&self) -> Result<String, toml_edit::ser::Error> {
        toml_edit::ser::to_string_pretty(&self.redacted())
    }

    /// The same as JSON.
    pub(crate) fn shown_json(&self) -> serde_json::Value {
        json!(self.redacted())
    }

    fn redacted(&self) -> Raw {
        let mut raw = self.raw.clone();
        for provider in raw.providers.values_mut() {
            for key in provider.api_key.iter_mut().chain(&mut provider.api_keys) {
                *key = "…".to_owned();
            }
        }
        if raw.store.path.is_none() {
            raw.store.path = paths::default_store();
        }
        raw
    }
}

/// Reads and checks the configuration.
///
/// # Errors
/// The first mistake found, with its place.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let file = read_file(sources)?;
    let mut figment = Figment::from(Serialized::defaults(Raw::defaults_of(sources.role)));
    if let Some((_, text)) = &file {
        figment = figment.merge(Toml::string(text));
    }
    figment = figment.merge(Serialized::defaults(environment(&sources.variables)));
    figment = figment.merge(Serialized::defaults(flags(&sources.flags, sources.role)));
    let mut raw: Raw = figment
        .extract()
        .map_err(|error| explain(&error, file.as_ref(), &sources.variables))?;
    if let Some(path) = sources
        .variables
        .get("GREENROOM_MODEL_PATH")
        .filter(|path| !path.is_empty())
    {
        raw.local.model_path = Some(path.into());
    }
    endpoint::check(&raw, &sources.variables)?;
    let config = Config::of(&raw)?;
    Ok(Loaded {
        config,
        file: file.map(|(path, _)| path),
        raw,
    })
}

fn read_file(sources: &Sources) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let read = |path: &Path| match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && sources.file.is_none() => Ok(None),
        Err(source) => Err(ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    };
    match &sources.file {
        Some(path) => read(path),
        None => read(&sources.folder.join(DEFAULT_FILE)),
    }
}

/// `GREENROOM__STORE__PATH=x` as `{store: {path: x}}`. A value is what it looks like, and text where it looks like
/// nothing else.
fn environment(variables: &BTreeMap<String, String>) -> Dict {
    let mut all = Dict::new();
    for (name, value) in variables {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
        insert(&mut all, &path, parsed(&path, value));
    }
    all
}

fn insert(into: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            into.insert(key.clone(), value);
        }
        [section, rest @ ..] => {
            let inner = into
                .entry(section.clone())
                .or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Keys whose values are text whatever they look like.
const TEXT: [&str; 19] = [
    "path",
    "authority",
    "certificate",
    "secret",
    "table_prefix",
    "region",
    "endpoint",
    "listen",
    "advertise",
    "model_path",
    "model_url",
    "model_sha256",
    "cache_folder",
    "api_key",
    "system_prompt",
    "filter",
    "namespace",
    "service",
    "endpoint",
];

fn parsed(path: &[String], text: &str) -> Value {
    match path.last() {
        Some(key) if TEXT.contains(&key.as_str()) || path == ["tls", "key"] => Value::from(text),
        // figment's own reading of variables: numbers, booleans, lists, tables, else text.
        _ => text.parse().unwrap_or_else(|_| Value::from(text)),
    }
}

fn flags(flags: &Flags, role: RunAs) -> Dict {
    let mut all = Dict::new();
    let mut set = |section: &str, key: &str, value: Value| {
        insert(&mut all, &[section.to_owned(), key.to_owned()], value);
    };
    if let Some(listen) = &flags.listen {
        set(role.section(), "listen", Value::from(listen.as_str()));
    }
    if let Some(store) = &flags.store {
        set("store", "path", Value::from(store.to_string_lossy().into_owned()));
        // A file is meant, whatever else is configured.
        set("store", "kind", Value::from("sqlite"));
    }
    if !flags.agents.is_empty() {
        set("agent", "join", Value::from(flags.agents.clone()));
    }
    if !flags.supervisors.is_empty() {
        set("gateway", "supervisors", Value::from(flags.supervisors.clone()));
    }
    all
}
