//! Fields of a request, looked at one by one so that a wrong one is named. Null is as good as absent.

use std::fmt::Display;

use greenroom_kernel::Unreadable;
use serde_json::{Map, Value};

pub(super) type Object = Map<String, Value>;

type Read<T> = Result<T, Unreadable>;

/// An error of something that stands at `place`.
pub(super) fn within(place: impl Display) -> impl FnOnce(Unreadable) -> Unreadable {
    move |error| Unreadable {
        param: Some(match error.param {
            Some(inner) => format!("{place}.{inner}"),
            None => place.to_string(),
        }),
        ..error
    }
}

fn field<'a, T>(
    object: &'a Object,
    name: &str,
    expected: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Read<Option<T>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(Unreadable::at(name, format!("it must be {expected}"))),
        },
    }
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> Read<Option<&'a str>> {
    field(object, name, "a text", Value::as_str)
}

pub(super) fn flag(object: &Object, name: &str) -> Read<Option<bool>> {
    field(object, name, "true or false", Value::as_bool)
}

pub(super) fn count(object: &Object, name: &str) -> Read<Option<u32>> {
    field(object, name, "a whole number from 0 to 4294967295", |value| {
        u32::try_from(value.as_u64()?).ok()
    })
}

/// A number from 0 to 1.
pub(super) fn share(object: &Object, name: &str) -> Read<Option<f32>> {
    field(object, name, "a number from 0 to 1", |value| {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a share needs no more digits than that"
        )]
        let number = value.as_f64()? as f32;
        (0.0..=1.0).contains(&number).then_some(number)
    })
}

pub(super) fn list<'a>(object: &'a Object, name: &str) -> Read<Option<&'a [Value]>> {
    field(object, name, "a list", |value| {
        value.as_array().map(Vec::as_slice)
    })
}

pub(super) fn object<'a>(object: &'a Object, name: &str) -> Read<Option<&'a Object>> {
    field(object, name, "an object", Value::as_object)
}

/// A field that must be there.
pub(super) fn needed<T>(found: Read<Option<T>>, name: &str) -> Read<T> {
    found?.ok_or_else(|| Unreadable::at(name, "it is missing"))
}

/// The type of a block, a tool, a choice.
pub(super) fn kind(object: &Object) -> Read<&str> {
    needed(text(object, "type"), "type")
}

/// Reads each object of a list that stands at `name`.
pub(super) fn each<'a, T>(
    list: &'a [Value],
    name: &str,
    mut read: impl FnMut(&'a Object) -> Read<T>,
) -> Read<Vec<T>> {
    list.iter()
        .enumerate()
        .map(|(at, value)| {
            let object = value
                .as_object()
                .ok_or_else(|| Unreadable::new("it must be an object"));
            object
                .and_then(&mut read)
                .map_err(within(format_args!("{name}[{at}]")))
        })
        .collect()
}
