//! Nulls where the specification wants them. The executor leaves a field that failed out of its object; a field
//! that can't be null takes the nearest parent that can be with it.

use async_graphql::parser::types::{BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type};
use async_graphql::{Name, PathSegment, ServerError, Value};

use super::document::Prepared;
use super::types::TypeMap;

/// Settles every place where an error left a hole.
pub(super) fn propagate(types: &TypeMap, prepared: &Prepared, data: &mut Value, errors: &[ServerError]) {
    let operation = prepared.operation();
    let root = prepared.facts().kind.root();
    let root = Type {
        base: BaseType::Named(Name::new(root)),
        nullable: true,
    };
    let walk = Walk {
        types,
        document: prepared.parsed(),
    };
    for error in errors {
        walk.settle(data, &root, &error.path, &[&operation.selection_set.node]);
    }
}

struct Walk<'a> {
    types: &'a TypeMap,
    document: &'a ExecutableDocument,
}

impl<'a> Walk<'a> {
    /// Settles what lies on `path` below `value`; false when `value` would have to be null and can't be.
    fn settle(&self, value: &mut Value, ty: &Type, path: &[PathSegment], sets: &[&'a SelectionSet]) -> bool {
        let Some((segment, rest)) = path.split_first() else {
            return ty.nullable || !matches!(value, Value::Null);
        };
        let fits = match (segment, &ty.base, &mut *value) {
            (_, _, Value::Null) => return ty.nullable,
            (PathSegment::Field(key), BaseType::Named(parent), Value::Object(object)) => {
                let mut fields = Vec::new();
                self.find(key, sets, &mut fields);
                let Some(field) = fields.first() else { return true };
                let Some(field_type) = self.types.field(parent.as_str(), field.name.node.as_str()) else {
                    return true;
                };
                let below: Vec<_> = fields.iter().map(|field| &field.selection_set.node).collect();
                let child = object.entry(Name::new(key)).or_insert(Value::Null);
                self.settle(child, field_type, rest, &below)
            }
            (PathSegment::Index(index), BaseType::List(element), Value::List(values)) => {
                match values.get_mut(*index) {
                    Some(child) => self.settle(child, element, rest, sets),
                    None => true,
                }
            }
            _ => true,
        };
        if fits {
            return true;
        }
        *value = Value::Null;
        ty.nullable
    }

    /// The fields that answer under `key`.
    fn find(&self, key: &str, sets: &[&'a SelectionSet], found: &mut Vec<&'a Field>) {
        for set in sets {
            for item in &set.items {
                match &item.node {
                    Selection::Field(field) if field.node.response_key().node == key => {
                        found.push(&field.node)
                    }
                    Selection::Field(_) => {}
                    Selection::InlineFragment(fragment) => {
                        self.find(key, &[&fragment.node.selection_set.node], found);
                    }
                    Selection::FragmentSpread(spread) => {
                        if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                            self.find(key, &[&fragment.node.selection_set.node], found);
                        }
                    }
                }
            }
        }
    }
}
