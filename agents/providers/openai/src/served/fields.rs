//! Reads a request's JSON and names the field that is wrong.

use greenroom_kernel::Unreadable;
use serde_json::{Map, Value};

/// A JSON object and where it stands in the request. A field that is null is one that isn't there.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    fields: &'a Map<String, Value>,
    at: String,
}

impl<'a> Fields<'a> {
    /// The request itself.
    pub(crate) fn of_request(request: &'a Value) -> Result<Self, Unreadable> {
        let fields = request.as_object();
        let fields = fields.ok_or_else(|| Unreadable::new("the body must be a JSON object of this API"))?;
        Ok(Self {
            fields,
            at: String::new(),
        })
    }

    /// An object at `at`.
    pub(crate) fn of(value: &'a Value, at: String) -> Result<Self, Unreadable> {
        match value.as_object() {
            Some(fields) => Ok(Self { fields, at }),
            None => Err(Unreadable::at(at, "it must be an object")),
        }
    }

    /// Where a field of it stands, such as `messages[3].content`.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.at)
        }
    }

    /// That a field is wrong.
    pub(crate) fn wrong(&self, name: &str, message: impl Into<String>) -> Unreadable {
        Unreadable::at(self.at(name), message)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Unreadable> {
        self.read(name, "it must be a text", Value::as_str)
    }

    /// A text that must be there, and not be empty.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, Unreadable> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong(name, "it must be there, and not be empty"))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Unreadable> {
        self.read(name, "it must be true or false", Value::as_bool)
    }

    /// A whole number from 1 to 2^32-1.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u32>, Unreadable> {
        self.read(name, "it must be a whole number, at least 1", |value| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number > 0)
        })
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Unreadable> {
        self.read(name, "it must be a whole number", Value::as_i64)
    }

    /// A number from 0 to `most`.
    pub(crate) fn number(&self, name: &str, most: f32) -> Result<Option<f32>, Unreadable> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        #[allow(
            clippy::cast_possible_truncation,
            reason = "settings of sampling are not more exact than that"
        )]
        let number = value.as_f64().map(|number| number as f32);
        match number.filter(|number| (0.0..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(name, format!("it must be a number from 0 to {most}"))),
        }
    }

    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a [Value]>, Unreadable> {
        self.read(name, "it must be a list", |value| {
            value.as_array().map(Vec::as_slice)
        })
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Unreadable> {
        let value = self.get(name);
        value.map(|value| Self::of(value, self.at(name))).transpose()
    }

    /// An object that must be there.
    pub(crate) fn required_object(&self, name: &str) -> Result<Self, Unreadable> {
        self.object(name)?
            .ok_or_else(|| self.wrong(name, "it must be there"))
    }

    /// That a field isn't there, since nothing but OpenAI can do what it asks.
    pub(crate) fn without(&self, name: &str, why: &str) -> Result<(), Unreadable> {
        match self.get(name) {
            None => Ok(()),
            Some(_) => Err(self.wrong(name, why)),
        }
    }

    fn read<T>(
        &self,
        name: &str,
        must: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Unreadable> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.wrong(name, must)),
        }
    }
}
