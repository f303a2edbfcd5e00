//! JSON as the SDK reads it, written out again.

use aws_smithy_types::{Document, Number};
use serde_json::{Map, Value};

/// A document as JSON. What the SDK took for a number that JSON hasn't is null.
pub(crate) fn json(document: &Document) -> Value {
    match document {
        Document::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let written = members
                .into_iter()
                .map(|(name, member)| (name.clone(), json(member)));
            Value::Object(written.collect::<Map<_, _>>())
        }
        Document::Array(items) => items.iter().map(json).collect(),
        Document::Number(Number::PosInt(number)) => (*number).into(),
        Document::Number(Number::NegInt(number)) => (*number).into(),
        Document::Number(Number::Float(number)) => (*number).into(),
        Document::String(text) => text.as_str().into(),
        Document::Bool(truth) => (*truth).into(),
        Document::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn documents() -> impl Strategy<Value = Document> {
        let leaf = prop_oneof![
            Just(Document::Null),
            any::<bool>().prop_map(Document::Bool),
            any::<u64>().prop_map(|n| Document::Number(Number::PosInt(n))),
            (i64::MIN..0).prop_map(|n| Document::Number(Number::NegInt(n))),
            any::<f64>().prop_map(|n| Document::Number(Number::Float(n))),
            ".{0,6}".prop_map(Document::String),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Document::Array),
                prop::collection::hash_map(".{0,4}", inner, 0..4).prop_map(Document::Object),
            ]
        })
    }

    fn same(document: &Document, value: &Value) -> bool {
        match (document, value) {
            (Document::Object(members), Value::Object(written)) => {
                members.len() == written.len()
                    && members
                        .iter()
                        .all(|(name, member)| written.get(name).is_some_and(|v| same(member, v)))
            }
            (Document::Array(items), Value::Array(written)) => {
                items.len() == written.len() && items.iter().zip(written).all(|(item, v)| same(item, v))
            }
            (Document::Number(Number::PosInt(n)), v) => v.as_u64() == Some(*n),
            (Document::Number(Number::NegInt(n)), v) => v.as_i64() == Some(*n),
            (Document::Number(Number::Float(n)), v) => match n.is_finite() {
                true => v.as_f64() == Some(*n),
                false => v.is_null(),
            },
            (Document::String(text), v) => v.as_str() == Some(text),
            (Document::Bool(truth), v) => v.as_bool() == Some(*truth),
            (Document::Null, v) => v.is_null(),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_document_is_lost(document in documents()) {
            let written = json(&document);
            prop_assert!(same(&document, &written), "{document:?} became {written}");
        }
    }
}
