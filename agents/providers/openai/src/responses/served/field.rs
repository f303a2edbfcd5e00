//! A value of a request that knows where it stands, so that every refusal can say it.

use greenroom_kernel::Unreadable;
use serde_json::{Map, Value};

/// A value and its place, such as `input[2].content`.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    value: &'a Value,
    path: String,
}

/// A field of an object; one that is null is as good as missing.
pub(super) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<Field<'a>> {
    let value = object.get(name).filter(|value| !value.is_null())?;
    Some(Field {
        value,
        path: name.to_owned(),
    })
}

impl<'a> Field<'a> {
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn wrong(&self, message: impl Into<String>) -> Unreadable {
        Unreadable::at(self.path.clone(), message)
    }

    /// A field of it; none where it is null or missing.
    pub(super) fn get(&self, name: &str) -> Option<Field<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Field {
            value,
            path: format!("{}.{name}", self.path),
        })
    }

    /// A field that it must have.
    pub(super) fn need(&self, name: &str) -> Result<Field<'a>, Unreadable> {
        self.get(name)
            .ok_or_else(|| Unreadable::at(format!("{}.{name}", self.path), "it is missing"))
    }

    pub(super) fn text(&self) -> Result<&'a str, Unreadable> {
        self.value.as_str().ok_or_else(|| self.wrong("it must be a text"))
    }

    pub(super) fn flag(&self) -> Result<bool, Unreadable> {
        self.value
            .as_bool()
            .ok_or_else(|| self.wrong("it must be true or false"))
    }

    pub(super) fn number(&self) -> Result<f32, Unreadable> {
        let number = self
            .value
            .as_f64()
            .ok_or_else(|| self.wrong("it must be a number"))?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "settings of sampling have few digits, and f32 is what the kernel keeps of them"
        )]
        Ok(number as f32)
    }

    /// A number from 1.
    pub(super) fn count(&self) -> Result<u32, Unreadable> {
        let count = self.value.as_u64().and_then(|count| u32::try_from(count).ok());
        count
            .filter(|count| *count > 0)
            .ok_or_else(|| self.wrong("it must be a whole number of at least 1"))
    }

    pub(super) fn object(&self) -> Result<&'a Value, Unreadable> {
        if self.value.is_object() {
            Ok(self.value)
        } else {
            Err(self.wrong("it must be an object"))
        }
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Result<impl Iterator<Item = Field<'a>>, Unreadable> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.wrong("it must be a list"))?;
        let path = self.path.clone();
        Ok(items.iter().enumerate().map(move |(at, value)| Field {
            value,
            path: format!("{path}[{at}]"),
        }))
    }
}
