//! A vector as this wire writes it: numbers, or base64 of its 32-bit floats, lowest byte first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// One vector, in either form.
#[derive(Debug, PartialEq)]
pub(crate) struct Vector(pub(crate) Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either).map(Self)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of numbers, or base64 of 32-bit floats")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let bytes = STANDARD.decode(text).map_err(E::custom)?;
        let (floats, []) = bytes.as_chunks::<4>() else {
            return Err(E::custom("base64 of 32-bit floats has four bytes each"));
        };
        Ok(floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut vector = Vec::new();
        while let Some(number) = list.next_element()? {
            vector.push(number);
        }
        Ok(vector)
    }
}

/// A vector in base64.
pub(crate) fn base64_of(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|float| float.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_are_read_and_broken_ones_refused() {
        let read = |json: &str| serde_json::from_str::<Vector>(json).map(|v| v.0).ok();
        assert_eq!(read("[1, -0.5, 1e-3]"), Some(vec![1.0, -0.5, 0.001]));
        assert_eq!(read("\"AACAPwAAAL8=\""), Some(vec![1.0, -0.5]));
        for broken in [
            "\"AACAPw\"",
            "\"AACA\"",
            "\"?\"",
            "[\"1\"]",
            "null",
            "{}",
            "[null]",
        ] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn base64_is_read_back_bit_by_bit(vector in prop::collection::vec(prop::num::f32::ANY, 0..40)) {
            let json = serde_json::to_string(&base64_of(&vector)).unwrap();
            let back = serde_json::from_str::<Vector>(&json).unwrap().0;
            let bits = |v: &[f32]| v.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&back), bits(&vector));
        }
    }
}
