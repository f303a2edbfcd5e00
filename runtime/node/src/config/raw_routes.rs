//! Routes as people write them: a list of targets, or a table with a strategy.

use std::fmt;

use greenroom_kernel::Strategy;
use greenroom_models::{Route, RouteFlow, RouteTarget};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::raw_flow::RawHedge;

/// `[models.routes]`: `NAME = ["provider/model", …]` or `NAME = { strategy = "…", targets = […] }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum RawRoute {
    /// In the order of their priority.
    List(Vec<RawTarget>),
    /// Ordered by a strategy.
    Table(RawRouteTable),
}

/// A route with its strategy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRouteTable {
    pub(crate) strategy: Strategy,
    pub(crate) targets: Vec<RawTarget>,
    /// A second try beside the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hedge: Option<RawHedge>,
    /// What one target's content filter refuses is asked of the next.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) reroute_filtered: bool,
}

/// `"provider/model"` or `{ target = "provider/model", weight = 3 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum RawTarget {
    /// Of weight 1.
    Named(String),
    /// Of its own weight.
    Weighted(RawWeighted),
}

/// A target with its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWeighted {
    pub(crate) target: String,
    #[serde(default = "one")]
    pub(crate) weight: u32,
}

fn one() -> u32 {
    1
}

impl RawRoute {
    /// The route, checked by whoever knows the providers.
    pub(crate) fn route(&self) -> Route {
        let (strategy, targets, flow) = match self {
            Self::List(targets) => (Strategy::Priority, targets, RouteFlow::default()),
            Self::Table(table) => (table.strategy, &table.targets, table.flow()),
        };
        Route {
            strategy,
            targets: targets.iter().map(RawTarget::target).collect(),
            flow,
        }
    }
}

impl RawRouteTable {
    fn flow(&self) -> RouteFlow {
        RouteFlow {
            hedge: self.hedge.map(|hedge| hedge.after.0),
            reroute_filtered: self.reroute_filtered,
            ..RouteFlow::default()
        }
    }
}

impl RawTarget {
    fn target(&self) -> RouteTarget {
        match self {
            Self::Named(name) => RouteTarget::parse(name),
            Self::Weighted(RawWeighted { target, weight }) => RouteTarget {
                weight: *weight,
                ..RouteTarget::parse(target)
            },
        }
    }
}

// By hand, since an untagged enum forgets where a mistake is and what would have been right.
impl<'de> Deserialize<'de> for RawRoute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawRoute;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of targets, or a table with strategy and targets")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawRoute, A::Error> {
                let mut targets = Vec::new();
                while let Some(target) = list.next_element()? {
                    targets.push(target);
                }
                Ok(RawRoute::List(targets))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<RawRoute, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(table)).map(RawRoute::Table)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for RawTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawTarget;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a target such as \"provider/model\", or a table with target and weight")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawTarget, E> {
                Ok(RawTarget::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<RawTarget, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(table)).map(RawTarget::Weighted)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
