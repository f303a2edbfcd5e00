//! The schema's types, as far as checking variables and placing nulls needs them.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, Type, TypeKind, TypeSystemDefinition};

/// An input field: its type, and whether it may be left out although the type isn't nullable.
#[derive(Debug)]
pub(super) struct InputField {
    pub(super) ty: Type,
    pub(super) has_default: bool,
}

/// Types by name.
#[derive(Debug, Default)]
pub(super) struct TypeMap {
    objects: HashMap<Name, HashMap<Name, Type>>,
    inputs: HashMap<Name, HashMap<Name, InputField>>,
    enums: HashMap<Name, Vec<Name>>,
}

impl TypeMap {
    /// Reads the schema's own SDL.
    pub(super) fn of(sdl: &str) -> Self {
        let mut map = Self::default();
        let definitions = parse_schema(sdl)
            .map(|document| document.definitions)
            .unwrap_or_default();
        for definition in definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let name = definition.node.name.node;
            match definition.node.kind {
                TypeKind::Object(object) => {
                    let fields = object
                        .fields
                        .into_iter()
                        .map(|field| (field.node.name.node, field.node.ty.node));
                    map.objects.insert(name, fields.collect());
                }
                TypeKind::InputObject(input) => {
                    let fields = input.fields.into_iter().map(|field| {
                        let has_default = field.node.default_value.is_some();
                        (
                            field.node.name.node,
                            InputField {
                                ty: field.node.ty.node,
                                has_default,
                            },
                        )
                    });
                    map.inputs.insert(name, fields.collect());
                }
                TypeKind::Enum(values) => {
                    let values = values.values.into_iter().map(|value| value.node.value.node);
                    map.enums.insert(name, values.collect());
                }
                TypeKind::Scalar | TypeKind::Interface(_) | TypeKind::Union(_) => {}
            }
        }
        map
    }

    /// The type of an object's field.
    pub(super) fn field(&self, object: &str, field: &str) -> Option<&Type> {
        self.objects.get(object)?.get(field)
    }

    /// The name of the type of an object's field, whatever lists and nulls are around it.
    pub(super) fn named(&self, object: &str, field: &str) -> Option<&str> {
        let mut base = &self.field(object, field)?.base;
        loop {
            match base {
                BaseType::Named(name) => return Some(name.as_str()),
                BaseType::List(element) => base = &element.base,
            }
        }
    }

    /// The fields of an input object.
    pub(super) fn input(&self, name: &str) -> Option<&HashMap<Name, InputField>> {
        self.inputs.get(name)
    }

    /// The values of an enum.
    pub(super) fn values(&self, name: &str) -> Option<&[Name]> {
        self.enums.get(name).map(Vec::as_slice)
    }
}
