//! Reading and making attributes.

use std::collections::HashMap;
use std::num::IntErrorKind;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use greenroom_kernel::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An item, or the part of one that was asked for.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn binary(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// The key of an item.
pub(super) fn key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Sets an attribute.
pub(super) fn set(item: &mut Item, name: &str, value: AttributeValue) {
    item.insert(name.to_owned(), value);
}

/// Something as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(operation: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Corrupt {
        operation,
        what: "a value that has no JSON form".into(),
        source: Some(Box::new(source)),
    })
}

/// Reads items for an operation that errors name.
#[derive(Clone, Copy)]
pub(super) struct Reader(pub(super) &'static str);

impl Reader {
    pub(super) fn corrupt(self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            operation: self.0,
            what: what.into(),
            source: None,
        }
    }

    fn unfit(self, item: &Item, name: &str) -> StoreError {
        let part = |key| {
            item.get(key)
                .and_then(|value| value.as_s().ok())
                .map_or("?", String::as_str)
        };
        self.corrupt(format!(
            "attribute `{name}` of item ({}, {})",
            part("pk"),
            part("sk")
        ))
    }

    pub(super) fn text(self, item: &Item, name: &str) -> Result<String, StoreError> {
        self.optional_text(item, name)
            .ok_or_else(|| self.unfit(item, name))
    }

    pub(super) fn optional_text(self, item: &Item, name: &str) -> Option<String> {
        item.get(name).and_then(|value| value.as_s().ok()).cloned()
    }

    pub(super) fn number<T: std::str::FromStr>(self, item: &Item, name: &str) -> Result<T, StoreError> {
        let found = item.get(name).and_then(|value| value.as_n().ok());
        found
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.unfit(item, name))
    }

    /// A count that others add to: one that has grown larger than fits is the largest that does.
    pub(super) fn count(self, item: &Item, name: &str) -> Result<u64, StoreError> {
        let found = item.get(name).and_then(|value| value.as_n().ok());
        let read = found.map(|digits| digits.parse::<u64>());
        match read {
            Some(Ok(count)) => Ok(count),
            Some(Err(error)) if *error.kind() == IntErrorKind::PosOverflow => Ok(u64::MAX),
            _ => Err(self.unfit(item, name)),
        }
    }

    pub(super) fn bytes(self, item: &Item, name: &str) -> Result<Vec<u8>, StoreError> {
        let found = item.get(name).and_then(|value| value.as_b().ok());
        found
            .map(|blob| blob.as_ref().to_vec())
            .ok_or_else(|| self.unfit(item, name))
    }

    pub(super) fn parsed<T: DeserializeOwned>(self, what: &str, json: &str) -> Result<T, StoreError> {
        serde_json::from_str(json).map_err(|source| StoreError::Corrupt {
            operation: self.0,
            what: what.to_owned(),
            source: Some(Box::new(source)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_outgrew_its_type_is_the_largest_and_no_other_text_is_one() {
        let counted = |digits: &str| {
            let item = Item::from([("n".to_owned(), AttributeValue::N(digits.into()))]);
            Reader("spend").count(&item, "n").ok()
        };
        assert_eq!(counted("17"), Some(17));
        assert_eq!(counted("36893488147419103230"), Some(u64::MAX));
        assert_eq!(counted("-1"), None);
        assert_eq!(counted("1.5"), None);
        assert!(Reader("spend").count(&Item::new(), "n").is_err());
    }
}
