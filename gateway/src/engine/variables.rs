//! Variables against their declared types, before anything is executed: a wrong one is the request's error, and
//! is named with the place it is at.

use async_graphql::parser::types::{BaseType, Type, VariableDefinition};
use async_graphql::{Positioned, Value, Variables};
use greenroom_kernel::Failure;

use super::types::TypeMap;
use crate::schema::is_moment;

/// Checks every declared variable. Values of names that aren't declared are ignored, as the specification says.
pub(super) fn check(
    types: &TypeMap,
    definitions: &[Positioned<VariableDefinition>],
    given: &Variables,
) -> Result<(), Failure> {
    for definition in definitions {
        let definition = &definition.node;
        let name = &definition.name.node;
        match given.get(name) {
            None if definition.default_value.is_some() || definition.var_type.node.nullable => {}
            None => return Err(Failure::bad_input(format!("variable ${name} is required"))),
            Some(value) => {
                if let Err(Misfit { mut path, expected }) = fits(types, &definition.var_type.node, value) {
                    path.push(format!("${name}"));
                    path.reverse();
                    return Err(Failure::bad_input(format!(
                        "variable {} must be {expected}",
                        path.concat()
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Where a value doesn't fit, innermost first, and what would.
struct Misfit {
    path: Vec<String>,
    expected: String,
}

impl Misfit {
    fn new(expected: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            expected: expected.into(),
        }
    }

    fn at(mut self, place: String) -> Self {
        self.path.push(place);
        self
    }
}

fn fits(types: &TypeMap, ty: &Type, value: &Value) -> Result<(), Misfit> {
    if matches!(value, Value::Null) {
        return if ty.nullable {
            Ok(())
        } else {
            Err(Misfit::new(format!("{ty}, not null")))
        };
    }
    match (&ty.base, value) {
        (BaseType::List(element), Value::List(values)) => {
            for (index, value) in values.iter().enumerate() {
                fits(types, element, value).map_err(|misfit| misfit.at(format!("[{index}]")))?;
            }
            Ok(())
        }
        (BaseType::List(element), single) => fits(types, element, single),
        (BaseType::Named(name), value) => named_fits(types, name.as_str(), value),
    }
}

fn named_fits(types: &TypeMap, name: &str, value: &Value) -> Result<(), Misfit> {
    if let Some(fields) = types.input(name) {
        let Value::Object(given) = value else {
            return Err(Misfit::new(format!("an object ({name})")));
        };
        if let Some(unknown) = given.keys().find(|key| !fields.contains_key(*key)) {
            return Err(Misfit::new(format!("a field of {name}")).at(format!(".{unknown}")));
        }
        for (field, declared) in fields {
            match given.get(field) {
                Some(value) => {
                    fits(types, &declared.ty, value).map_err(|misfit| misfit.at(format!(".{field}")))?
                }
                None if declared.ty.nullable || declared.has_default => {}
                None => {
                    return Err(
                        Misfit::new(format!("{}, it is required", declared.ty)).at(format!(".{field}"))
                    );
                }
            }
        }
        return Ok(());
    }
    if let Some(values) = types.values(name) {
        let known = |text: &str| values.iter().any(|value| value == text);
        let fits = match value {
            Value::String(text) => known(text),
            Value::Enum(text) => known(text),
            _ => false,
        };
        return if fits {
            Ok(())
        } else {
            Err(Misfit::new(format!("a value of {name}")))
        };
    }
    let fits = match name {
        "Int" => matches!(value, Value::Number(n) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok())),
        "Float" => matches!(value, Value::Number(_)),
        "String" => matches!(value, Value::String(_)),
        "Boolean" => matches!(value, Value::Boolean(_)),
        "ID" => matches!(value, Value::String(_)) || matches!(value, Value::Number(n) if !n.is_f64()),
        "DateTime" => matches!(value, Value::String(text) if is_moment(text)),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(Misfit::new(format!("of type {name}")))
    }
}
