//! What an operation asks for, counted before anything is executed. Each field is visited once for every way a
//! fragment leads to it, and counting stops at the limit: a document can't make the count itself expensive.

use async_graphql::Value;
use async_graphql::Variables;
use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use greenroom_kernel::Failure;

use super::document::Kind;
use super::types::TypeMap;
use crate::config::QueryLimits;

/// Types of fields that return pages: what is below them is counted once for each row asked for.
const PAGED: &str = "Connection";
const DEFAULT_PAGE: usize = 20;
/// The one query that makes tasks.
const SPENDING: &str = "aggregateDataFromAgents";
/// Fragments within fragments.
const MAX_SPREADS: usize = 16;
/// Lists within lists of an introspection query, which would otherwise multiply without end.
const MAX_INTROSPECTION_LISTS: usize = 2;
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// Whether a variable says how many rows are asked for, so that each request has to be counted again.
    pub(super) varies: bool,
    /// Whether it makes tasks although it is a query.
    pub(super) spends: bool,
}

/// Counts one operation. `variables` are absent while the document is looked at for itself.
pub(super) fn measure(
    types: &TypeMap,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    kind: Kind,
    variables: Option<&Variables>,
    limits: &QueryLimits,
) -> Result<Cost, Failure> {
    let mut walk = Walk {
        types,
        document,
        variables,
        limits,
        visited: 0,
        aliases: 0,
        roots: Vec::new(),
        cost: Cost::default(),
    };
    let root = Place {
        parent: Some(kind.root()),
        ..Place::default()
    };
    let complexity = walk.selections(&operation.selection_set.node, root)?;
    if complexity > limits.complexity {
        return Err(walk.too_complex());
    }
    walk.check_roots(kind)?;
    Ok(walk.cost)
}

#[derive(Clone, Copy, Default)]
struct Place<'a> {
    /// The type the fields are of, as far as known.
    parent: Option<&'a str>,
    depth: usize,
    spreads: usize,
    introspection: bool,
    lists: usize,
}

struct Walk<'a> {
    types: &'a TypeMap,
    document: &'a ExecutableDocument,
    variables: Option<&'a Variables>,
    limits: &'a QueryLimits,
    visited: usize,
    aliases: usize,
    roots: Vec<&'a str>,
    cost: Cost,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet, place: Place<'a>) -> Result<usize, Failure> {
        let mut complexity = 0_usize;
        for item in &set.items {
            self.visited += 1;
            if self.visited > self.limits.complexity {
                return Err(self.too_complex());
            }
            let below = match &item.node {
                Selection::Field(field) => self.field(&field.node, place)?,
                Selection::InlineFragment(fragment) => {
                    self.selections(&fragment.node.selection_set.node, deeper_spread(place)?)?
                }
                Selection::FragmentSpread(spread) => {
                    match self.document.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment) => {
                            self.selections(&fragment.node.selection_set.node, deeper_spread(place)?)?
                        }
                        None => 0,
                    }
                }
            };
            complexity = complexity.saturating_add(below);
        }
        Ok(complexity)
    }

    fn field(&mut self, field: &'a Field, place: Place<'a>) -> Result<usize, Failure> {
        let name = field.name.node.as_str();
        if field.alias.is_some() {
            self.aliases += 1;
            if self.aliases > self.limits.aliases {
                return Err(Failure::bad_input(format!(
                    "the query has more than {} aliases",
                    self.limits.aliases
                )));
            }
        }
        if place.depth == 0 {
            self.roots.push(field.response_key().node.as_str());
            self.cost.spends |= name == SPENDING;
        }
        let ty = place.parent.and_then(|parent| self.types.named(parent, name));
        let mut below = Place {
            parent: ty,
            depth: place.depth + 1,
            spreads: 0,
            ..place
        };
        if below.depth > self.limits.depth {
            let depth = self.limits.depth;
            return Err(Failure::bad_input(format!(
                "the query is deeper than {depth} fields"
            )));
        }
        if name == "__schema" || name == "__type" {
            below.introspection = true;
        } else if place.introspection && INTROSPECTION_LISTS.contains(&name) {
            below.lists += 1;
            if below.lists > MAX_INTROSPECTION_LISTS {
                return Err(Failure::bad_input("the introspection query repeats itself"));
            }
        }
        let inner = self.selections(&field.selection_set.node, below)?;
        let rows = if ty.is_some_and(|ty| ty.ends_with(PAGED)) {
            self.rows(field)
        } else {
            1
        };
        Ok(inner.saturating_mul(rows).saturating_add(1))
    }

    /// How many rows a page is asked for.
    fn rows(&mut self, field: &Field) -> usize {
        let mut asked = None;
        for (name, argument) in &field.arguments {
            if name.node == "first" || name.node == "last" {
                let (variables, varies) = (self.variables, &mut self.cost.varies);
                let value = argument.node.clone().into_const_with(|variable| {
                    *varies = true;
                    let value = variables.and_then(|variables| variables.get(&variable));
                    Ok::<_, ()>(value.cloned().unwrap_or_default())
                });
                asked = match value {
                    Ok(Value::Number(number)) => number.as_u64(),
                    _ => None,
                };
            }
        }
        asked
            .map_or(DEFAULT_PAGE, |rows| usize::try_from(rows).unwrap_or(usize::MAX))
            .max(1)
    }

    fn check_roots(&mut self, kind: Kind) -> Result<(), Failure> {
        let asked = self.roots.len();
        if asked > self.limits.root_fields {
            let limit = self.limits.root_fields;
            return Err(Failure::bad_input(format!(
                "the query has more than {limit} fields at its root"
            )));
        }
        if kind == Kind::Subscription && asked != 1 {
            return Err(Failure::bad_input("a subscription selects exactly one field"));
        }
        self.roots.sort_unstable();
        self.roots.dedup();
        if self.roots.len() != asked && (kind == Kind::Mutation || self.cost.spends) {
            return Err(Failure::bad_input(
                "a call that changes something is selected once: give each an alias",
            ));
        }
        Ok(())
    }

    fn too_complex(&self) -> Failure {
        Failure::bad_input(format!(
            "the query is more complex than {}",
            self.limits.complexity
        ))
    }
}

fn deeper_spread(place: Place<'_>) -> Result<Place<'_>, Failure> {
    if place.spreads >= MAX_SPREADS {
        return Err(Failure::bad_input(format!(
            "fragments are nested deeper than {MAX_SPREADS}"
        )));
    }
    Ok(Place {
        spreads: place.spreads + 1,
        ..place
    })
}
