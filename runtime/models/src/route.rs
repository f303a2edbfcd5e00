//! From a logical model name to targets in order. Pure: resilience sits above, and gets an order, no more.

use std::collections::BTreeMap;

use greenroom_kernel::{Failure, ModelInfo};
use serde_json::json;

/// The route of calls that name no model.
const DEFAULT: &str = "default";

/// How many known names an error lists.
const NAMES_AT_MOST: usize = 20;

/// One target of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTarget {
    /// Which provider.
    pub provider: String,
    /// Which of its models; none takes its default.
    pub model: Option<String>,
}

/// A provider, as routing sees it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) models: &'a [ModelInfo],
    /// It didn't answer when it was last probed.
    pub(crate) ailing: bool,
}

/// A target with its provider found, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) provider: usize,
    pub(crate) model: String,
    pub(crate) window: Option<u32>,
    pub(crate) ailing: bool,
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
            RouteError::Unknown { .. } => Self::bad_input(error.to_string()),
        }
    }
}

/// Finds the targets of a logical name: a configured route, `provider/model`, or a model that providers list.
pub(crate) fn resolve(
    logical: Option<&str>,
    routes: &BTreeMap<String, Vec<RouteTarget>>,
    providers: &[Candidate<'_>],
) -> Result<Vec<Placed>, RouteError> {
    if providers.is_empty() {
        return Err(RouteError::NoProvider);
    }
    let name = logical.unwrap_or(DEFAULT);
    let targets = if let Some(route) = routes.get(name) {
        let index = |t: &RouteTarget| providers.iter().position(|p| p.name == t.provider);
        route
            .iter()
            .filter_map(|t| place(index(t)?, t.model.as_deref(), providers))
            .collect()
    } else if name == DEFAULT {
        (0..providers.len())
            .filter_map(|i| place(i, None, providers))
            .collect()
    } else {
        let found = by_model(name, providers);
        if found.is_empty() {
            return Err(unknown(name, routes, providers));
        }
        found
    };
    if targets.is_empty() {
        return Err(RouteError::NothingServed {
            providers: providers.iter().map(|p| p.name.to_owned()).collect(),
        });
    }
    Ok(targets)
}

/// Orders targets by priority: as they were named, those whose provider is known to be away last.
pub(crate) fn by_priority(targets: &mut [Placed]) {
    targets.sort_by_key(|t| t.ailing);
}

fn place(provider: usize, model: Option<&str>, providers: &[Candidate<'_>]) -> Option<Placed> {
    let served = providers.get(provider)?;
    let listed = match model {
        Some(name) => served.models.iter().find(|m| m.name == name),
        None => served.models.first(),
    };
    Some(Placed {
        provider,
        model: model.or(listed.map(|m| m.name.as_str()))?.to_owned(),
        window: listed.and_then(|m| m.can.context_window),
        ailing: served.ailing,
    })
}

fn by_model(name: &str, providers: &[Candidate<'_>]) -> Vec<Placed> {
    if let Some((provider, model)) = name.split_once('/')
        && !model.is_empty()
        && let Some(index) = providers.iter().position(|p| p.name == provider)
    {
        return place(index, Some(model), providers).into_iter().collect();
    }
    let lists = |p: &Candidate<'_>| p.models.iter().any(|m| m.name == name);
    (0..providers.len())
        .filter(|i| providers.get(*i).is_some_and(lists))
        .filter_map(|i| place(i, Some(name), providers))
        .collect()
}

fn unknown(
    asked: &str,
    routes: &BTreeMap<String, Vec<RouteTarget>>,
    providers: &[Candidate<'_>],
) -> RouteError {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, context_window: Option<u32>) -> ModelInfo {
        ModelInfo::named(name).with_window(context_window)
    }

    type Named<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    struct World {
        a: Vec<ModelInfo>,
        b: Vec<ModelInfo>,
    }

    impl World {
        fn new() -> Self {
            Self {
                a: vec![info("big", Some(1000)), info("small", None)],
                b: vec![info("small", Some(10))],
            }
        }

        fn served(&self, a_ailing: bool) -> Vec<Candidate<'_>> {
            vec![
                Candidate {
                    name: "a",
                    models: &self.a,
                    ailing: a_ailing,
                },
                Candidate {
                    name: "b",
                    models: &self.b,
                    ailing: false,
                },
                Candidate {
                    name: "bare",
                    models: &[],
                    ailing: false,
                },
            ]
        }

        fn names(&self, logical: Option<&str>, routes: &[Named<'_>]) -> Vec<String> {
            let routes = routes
                .iter()
                .map(|(name, targets)| {
                    let target = |(p, m): &(&str, Option<&str>)| RouteTarget {
                        provider: (*p).into(),
                        model: m.map(Into::into),
                    };
                    ((*name).to_owned(), targets.iter().map(target).collect())
                })
                .collect();
            let served = self.served(false);
            let placed = resolve(logical, &routes, &served).unwrap();
            placed
                .iter()
                .map(|p| format!("{}/{}", served[p.provider].name, p.model))
                .collect()
        }
    }

    #[test]
    fn the_default_route_is_every_provider_in_order_with_its_first_model() {
        let world = World::new();
        assert_eq!(world.names(None, &[]), ["a/big", "b/small"]);
        assert_eq!(world.names(Some("default"), &[]), ["a/big", "b/small"]);
        assert_eq!(world.names(None, &[("default", &[("b", None)])]), ["b/small"]);
    }

    #[test]
    fn a_name_is_a_route_or_a_provider_with_its_model_or_a_listed_model() {
        let world = World::new();
        let routes: &[Named<'_>] = &[("fast", &[("b", None), ("a", Some("small")), ("bare", Some("x"))])];
        assert_eq!(
            world.names(Some("fast"), routes),
            ["b/small", "a/small", "bare/x"]
        );
        assert_eq!(world.names(Some("small"), routes), ["a/small", "b/small"]);
        assert_eq!(world.names(Some("a/unlisted"), routes), ["a/unlisted"]);
    }

    #[test]
    fn an_unknown_name_is_the_callers_mistake_and_the_known_ones_are_named() {
        let world = World::new();
        let error = resolve(Some("gpt-9"), &BTreeMap::new(), &world.served(false)).unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.code, greenroom_kernel::ErrorCode::BadUserInput);
        assert!(failure.message.contains("gpt-9") && failure.message.contains("big, small"));
    }

    #[test]
    fn no_provider_and_no_model_are_unavailable_and_name_the_remedy() {
        let failure = Failure::from(resolve(None, &BTreeMap::new(), &[]).unwrap_err());
        assert_eq!(failure.code, greenroom_kernel::ErrorCode::Unavailable);
        for remedy in ["OPENAI_API_KEY", "Ollama", "GREENROOM_MODEL_PATH"] {
            assert!(failure.message.contains(remedy), "{failure}");
        }
        let bare = [Candidate {
            name: "ollama",
            models: &[],
            ailing: true,
        }];
        let failure = Failure::from(resolve(None, &BTreeMap::new(), &bare).unwrap_err());
        assert_eq!(failure.code, greenroom_kernel::ErrorCode::Unavailable);
        assert!(failure.message.contains("ollama"));
    }

    #[test]
    fn priority_is_the_named_order_with_those_known_to_be_away_last() {
        let world = World::new();
        let mut placed = resolve(None, &BTreeMap::new(), &world.served(true)).unwrap();
        assert_eq!((placed[0].provider, placed[0].window), (0, Some(1000)));
        by_priority(&mut placed);
        assert_eq!((placed[0].provider, placed[1].provider), (1, 0));
    }
}
