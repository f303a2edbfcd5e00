//! From a logical model name to its targets. Pure: what is kept of them and in which order is decided by what stands in
//! this folder, too; resilience sits above, and gets an order, no more.

mod flow;
mod narrow;
mod strategy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use greenroom_kernel::{Capabilities, ErrorCode, Failure, ModelInfo, Strategy};
use serde_json::json;

pub use flow::{Batch, HedgeAfter, RouteFlow};
pub(crate) use narrow::{Standing, Unfit, unfit};
pub(crate) use strategy::{Contender, rank};

/// The route of calls that name no model.
pub(crate) const DEFAULT: &str = "default";

/// How many known names an error lists.
const NAMES_AT_MOST: usize = 20;

/// One target of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTarget {
    /// Which provider.
    pub provider: String,
    /// Which of its models; none takes its default.
    pub model: Option<String>,
    /// Its share among the targets where the strategy goes by weight. One of weight 0 is taken when no other is left.
    pub weight: u32,
}

impl RouteTarget {
    /// Reads `provider` or `provider/model`; its weight is 1.
    pub fn parse(text: &str) -> Self {
        let (provider, model) = match text.split_once('/') {
            Some((provider, model)) => (provider, Some(model.to_owned())),
            None => (text, None),
        };
        Self {
            provider: provider.to_owned(),
            model,
            weight: 1,
        }
    }
}

/// The targets of a logical name, and how they are ordered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// Who comes first.
    pub strategy: Strategy,
    /// The targets, the preferred first.
    pub targets: Vec<RouteTarget>,
    /// What its calls may do beside going from target to target.
    pub flow: RouteFlow,
}

impl From<Vec<RouteTarget>> for Route {
    /// Targets in the order of their priority.
    fn from(targets: Vec<RouteTarget>) -> Self {
        Self {
            targets,
            ..Self::default()
        }
    }
}

/// A provider, as routing sees it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) models: &'a [ModelInfo],
}

/// A target with its provider found, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) provider: usize,
    pub(crate) model: String,
    /// What the provider says that it can do.
    pub(crate) can: Capabilities,
    pub(crate) weight: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(
        "no model provider is configured: set OPENAI_API_KEY or ANTHROPIC_API_KEY, start Ollama, or set GREENROOM_MODEL_PATH to a GGUF file"
    )]
    NoProvider,
    #[error("no model is known yet at {}: is it running, and does it have a model?", providers.join(", "))]
    NothingServed { providers: Vec<String> },
    #[error("no model is named {}; known are: {}", json!(asked), known.join(", "))]
    Unknown { asked: String, known: Vec<String> },
}

impl From<RouteError> for Failure {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NoProvider | RouteError::NothingServed { .. } => Self::unavailable(error.to_string()),
            RouteError::Unknown { .. } => Self::new(ErrorCode::NotFound, error.to_string()),
        }
    }
}

/// Finds the targets of a logical name: a configured route, `provider/model`, or a model that providers list.
pub(crate) fn resolve(
    logical: Option<&str>,
    routes: &BTreeMap<String, Route>,
    providers: &[Candidate<'_>],
) -> Result<(Strategy, Vec<Placed>), RouteError> {
    if providers.is_empty() {
        return Err(RouteError::NoProvider);
    }
    let name = logical.unwrap_or(DEFAULT);
    let (strategy, targets) = if let Some(route) = routes.get(name) {
        let index = |t: &RouteTarget| providers.iter().position(|p| p.name == t.provider);
        let placed = |t| place(index(t)?, t.model.as_deref(), t.weight, providers);
        (route.strategy, route.targets.iter().filter_map(placed).collect())
    } else if name == DEFAULT {
        let all = (0..providers.len()).filter_map(|i| place(i, None, 1, providers));
        (Strategy::Priority, all.collect())
    } else {
        let found = by_model(name, providers);
        if found.is_empty() {
            return Err(unknown(name, routes, providers));
        }
        (Strategy::Priority, found)
    };
    if targets.is_empty() {
        return Err(RouteError::NothingServed {
            providers: providers.iter().map(|p| p.name.to_owned()).collect(),
        });
    }
    Ok((strategy, targets))
}

fn place(provider: usize, model: Option<&str>, weight: u32, providers: &[Candidate<'_>]) -> Option<Placed> {
    let served = providers.get(provider)?;
    let listed = match model {
        Some(name) => served.models.iter().find(|m| m.name == name),
        None => served.models.first(),
    };
    Some(Placed {
        provider,
        model: model.or(listed.map(|m| m.name.as_str()))?.to_owned(),
        can: listed.map(|m| m.can).unwrap_or_default(),
        weight,
    })
}

fn by_model(name: &str, providers: &[Candidate<'_>]) -> Vec<Placed> {
    if let Some((provider, model)) = name.split_once('/')
        && !model.is_empty()
        && let Some(index) = providers.iter().position(|p| p.name == provider)
    {
        return place(index, Some(model), 1, providers).into_iter().collect();
    }
    let lists = |p: &Candidate<'_>| p.models.iter().any(|m| m.name == name);
    (0..providers.len())
        .filter(|i| providers.get(*i).is_some_and(lists))
        .filter_map(|i| place(i, Some(name), 1, providers))
        .collect()
}

fn unknown(asked: &str, routes: &BTreeMap<String, Route>, providers: &[Candidate<'_>]) -> RouteError {
    let listed = providers.iter().flat_map(|p| p.models.iter().map(|m| &m.name));
    let mut known: Vec<String> = Vec::new();
    for name in routes.keys().chain(listed) {
        if known.len() < NAMES_AT_MOST && !known.contains(name) {
            known.push(name.clone());
        }
    }
    if known.is_empty() {
        known.push(DEFAULT.to_owned());
    }
    RouteError::Unknown {
        asked: asked.chars().take(100).collect(),
        known,
    }
}
