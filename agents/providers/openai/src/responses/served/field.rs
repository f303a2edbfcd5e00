//! A value of a request that knows where it stands, so that every refusal can say it: much on this wire may be a text as
//! well as a list or an object, which `Fields` alone can't be.

use greenroom_kernel::Unreadable;
use serde_json::Value;

use crate::served::Fields;

/// A value and its place, such as `input[2].content`.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    value: &'a Value,
    path: String,
}

/// A field of the request; one that is null is as good as missing.
pub(super) fn field<'a>(request: &Fields<'a>, name: &str) -> Option<Field<'a>> {
    Some(Field {
        value: request.get(name)?,
        path: request.at(name),
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
