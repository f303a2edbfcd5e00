//! Parsed documents, kept by their text: clients send the same few again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection};
use async_graphql::{Name, ServerError, Variables};
use greenroom_kernel::Failure;
use parking_lot::Mutex;

use super::types::TypeMap;
use super::{cost, scan};
use crate::config::QueryLimits;
use crate::errors::refusal;

/// Documents of one generation; two are kept.
const KEPT: usize = 128;
/// A longer text isn't worth keeping.
const KEPT_BYTES: usize = 4 * 1024;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads.
    Query,
    /// Changes.
    Mutation,
    /// Watches.
    Subscription,
}

impl Kind {
    /// The type of the operation's root.
    pub(super) const fn root(self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::Mutation => "Mutation",
            Self::Subscription => "Subscription",
        }
    }
}

/// What is known of an operation before it is executed.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) spends: bool,
    pub(super) label: String,
    /// The first field at the root, if the schema has it.
    pub(super) root: Option<Name>,
    operation: OperationDefinition,
    varies: bool,
}

#[derive(Debug)]
struct Document {
    parsed: ExecutableDocument,
    facts: Vec<(Option<Name>, Facts)>,
    /// Passed every rule of the specification once.
    checked: AtomicBool,
}

/// One operation of a parsed document.
#[derive(Debug)]
pub(super) struct Prepared {
    document: Arc<Document>,
    /// Which of its facts.
    index: usize,
}

impl Prepared {
    pub(super) fn parsed(&self) -> &ExecutableDocument {
        &self.document.parsed
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.document.facts[self.index].1
    }

    pub(super) fn operation(&self) -> &OperationDefinition {
        &self.facts().operation
    }

    /// Whether the document passed every rule of the specification before.
    pub(super) fn is_checked(&self) -> bool {
        self.document.checked.load(Ordering::Relaxed)
    }

    pub(super) fn set_checked(&self) {
        self.document.checked.store(true, Ordering::Relaxed);
    }

    /// Counts the operation again where variables say how much it asks for.
    pub(super) fn check_cost(
        &self,
        types: &TypeMap,
        variables: &Variables,
        limits: &QueryLimits,
    ) -> Result<(), Box<ServerError>> {
        let facts = self.facts();
        if facts.varies {
            cost::measure(
                types,
                self.parsed(),
                self.operation(),
                facts.kind,
                Some(variables),
                limits,
            )
            .map_err(refuse)?;
        }
        Ok(())
    }
}

/// Documents that were parsed lately, in two generations: when the newer is full the older goes.
#[derive(Default)]
pub(super) struct Documents {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    newer: HashMap<Arc<str>, Arc<Document>>,
    older: HashMap<Arc<str>, Arc<Document>>,
}

impl Documents {
    /// The operation `name` of the document `text`, parsed and within the limits that don't depend on variables.
    pub(super) fn get(
        &self,
        types: &TypeMap,
        text: &str,
        name: Option<&str>,
        limits: &QueryLimits,
    ) -> Result<Prepared, Box<ServerError>> {
        let document = match self.lookup(text) {
            Some(document) => document,
            None => {
                let document = Arc::new(parse(types, text, limits)?);
                if text.len() <= KEPT_BYTES {
                    self.keep(text.into(), Arc::clone(&document));
                }
                document
            }
        };
        let index = select(&document.facts, name).map_err(refuse)?;
        Ok(Prepared { document, index })
    }

    fn lookup(&self, text: &str) -> Option<Arc<Document>> {
        let mut generations = self.generations.lock();
        if let Some(document) = generations.newer.get(text) {
            return Some(Arc::clone(document));
        }
        let (text, document) = generations.older.remove_entry(text)?;
        generations.put(text, Arc::clone(&document));
        Some(document)
    }

    fn keep(&self, text: Arc<str>, document: Arc<Document>) {
        self.generations.lock().put(text, document);
    }
}

impl Generations {
    fn put(&mut self, text: Arc<str>, document: Arc<Document>) {
        if self.newer.len() >= KEPT {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(text, document);
    }
}

fn parse(types: &TypeMap, text: &str, limits: &QueryLimits) -> Result<Document, Box<ServerError>> {
    scan::check(text, limits).map_err(refuse)?;
    let parsed = parse_query(text).map_err(|error| Box::new(ServerError::from(error)))?;
    let mut facts = Vec::new();
    for (name, operation) in parsed.operations.iter() {
        let kind = match operation.node.ty {
            OperationType::Query => Kind::Query,
            OperationType::Mutation => Kind::Mutation,
            OperationType::Subscription => Kind::Subscription,
        };
        let cost = cost::measure(types, &parsed, &operation.node, kind, None, limits).map_err(refuse)?;
        let first = first_field(&operation.node);
        let label = match name.or(first) {
            Some(name) => name.to_string(),
            None => operation.node.ty.to_string(),
        };
        let root = first
            .filter(|first| types.field(kind.root(), first).is_some())
            .cloned();
        let operation = operation.node.clone();
        facts.push((
            name.cloned(),
            Facts {
                kind,
                spends: cost.spends,
                label,
                root,
                operation,
                varies: cost.varies,
            },
        ));
    }
    Ok(Document {
        parsed,
        facts,
        checked: AtomicBool::new(false),
    })
}

/// The first field at the root.
fn first_field(operation: &OperationDefinition) -> Option<&Name> {
    let items = &operation.selection_set.node.items;
    items.iter().find_map(|item| match &item.node {
        Selection::Field(field) => Some(&field.node.name.node),
        _ => None,
    })
}

fn select(facts: &[(Option<Name>, Facts)], name: Option<&str>) -> Result<usize, Failure> {
    match name {
        Some(name) => facts
            .iter()
            .position(|(known, _)| known.as_ref().is_some_and(|known| known.as_str() == name))
            .ok_or_else(|| Failure::bad_input("operationName names no operation of the query")),
        None if facts.len() == 1 => Ok(0),
        None => Err(Failure::bad_input(
            "the query has several operations: operationName must name one",
        )),
    }
}

fn refuse(failure: Failure) -> Box<ServerError> {
    Box::new(refusal(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(documents: &Documents, text: &str) -> Arc<Document> {
        documents
            .get(&TypeMap::default(), text, None, &QueryLimits::default())
            .unwrap()
            .document
    }

    #[test]
    fn a_text_that_comes_again_is_not_parsed_again_and_few_are_kept() {
        let documents = Documents::default();
        let often = get(&documents, "{ often }");
        for n in 0..KEPT * 5 {
            get(&documents, &format!("{{ a{n} }}"));
            assert!(Arc::ptr_eq(&often, &get(&documents, "{ often }")), "{n}");
        }
        let generations = documents.generations.lock();
        assert!(generations.newer.len() + generations.older.len() <= 2 * KEPT);
        drop(generations);
        let long = format!("{{ long }} # {}", "x".repeat(KEPT_BYTES));
        assert!(!Arc::ptr_eq(&get(&documents, &long), &get(&documents, &long)));
    }
}
