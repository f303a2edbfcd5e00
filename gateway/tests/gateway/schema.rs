//! The SDL: as checked in, as promised, and explained.

use std::collections::BTreeMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeDefinition, TypeKind, TypeSystemDefinition};

/// Every type, field, argument, input field and enum value, by name, with its type and default.
fn items(sdl: &str) -> BTreeMap<String, String> {
    let mut items = BTreeMap::new();
    for definition in types(sdl) {
        let name = &definition.name.node;
        match &definition.kind {
            TypeKind::Object(object) => {
                for field in &object.fields {
                    let field = &field.node;
                    let place = format!("{name}.{}", field.name.node);
                    items.insert(place.clone(), field.ty.node.to_string());
                    for argument in &field.arguments {
                        let argument = &argument.node;
                        let default = argument
                            .default_value
                            .as_ref()
                            .map(|value| value.node.to_string());
                        items.insert(
                            format!("{place}({})", argument.name.node),
                            format!("{} = {default:?}", argument.ty.node),
                        );
                    }
                }
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    let field = &field.node;
                    let default = field.default_value.as_ref().map(|value| value.node.to_string());
                    items.insert(
                        format!("{name}.{}", field.name.node),
                        format!("{} = {default:?}", field.ty.node),
                    );
                }
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    items.insert(format!("{name}.{}", value.node.value.node), String::new());
                }
            }
            TypeKind::Scalar => {
                items.insert(name.to_string(), "scalar".into());
            }
            TypeKind::Interface(_) | TypeKind::Union(_) => panic!("{name}: no such kind in the contract"),
        }
    }
    items
}

fn types(sdl: &str) -> Vec<TypeDefinition> {
    let definitions = parse_schema(sdl).unwrap().definitions;
    let types = definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        _ => None,
    });
    types.collect()
}

#[test]
fn the_checked_in_schema_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let generated = greenroom_gateway::sdl();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == generated,
        "gateway/schema.graphql is not what the code serves: run with UPDATE_SCHEMA=1 and look at the difference"
    );
}

#[test]
fn everything_the_contract_promises_is_served_as_promised() {
    let promised = items(include_str!("contract.graphql"));
    let served = items(&greenroom_gateway::sdl());
    assert!(promised.len() > 200, "the contract was read: {}", promised.len());
    for (place, what) in &promised {
        assert_eq!(served.get(place), Some(what), "{place}");
    }
    let names: Vec<_> = types(include_str!("contract.graphql"))
        .into_iter()
        .map(|t| t.name.node)
        .collect();
    let added = served.keys().filter(|place| {
        let of = place.split('.').next().unwrap();
        names.iter().any(|name| name == of) && !promised.contains_key(*place)
    });
    let added: Vec<_> = added.collect();
    assert!(added.is_empty(), "not in the contract: {added:?}");
}

#[test]
fn everything_in_the_schema_is_explained() {
    let mut silent = Vec::new();
    for definition in types(&greenroom_gateway::sdl()) {
        let name = &definition.name.node;
        if definition.description.is_none() {
            silent.push(name.to_string());
        }
        match &definition.kind {
            TypeKind::Object(object) => silent.extend(
                object
                    .fields
                    .iter()
                    .filter(|f| f.node.description.is_none())
                    .map(|f| format!("{name}.{}", f.node.name.node)),
            ),
            TypeKind::InputObject(input) => silent.extend(
                input
                    .fields
                    .iter()
                    .filter(|f| f.node.description.is_none())
                    .map(|f| format!("{name}.{}", f.node.name.node)),
            ),
            TypeKind::Enum(values) => silent.extend(
                values
                    .values
                    .iter()
                    .filter(|v| v.node.description.is_none())
                    .map(|v| format!("{name}.{}", v.node.value.node)),
            ),
            _ => {}
        }
    }
    assert!(silent.is_empty(), "without a description: {silent:?}");
}
