//! What a route's calls may do beside going from target to target, as people write it.

use std::fmt;
use std::time::Duration;

use greenroom_models::{Batch, HedgeAfter};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `hedge = { after = "p95" }` or `{ after = 800 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHedge {
    pub(crate) after: RawAfter,
}

/// `"p95"`, or milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RawAfter(pub(crate) HedgeAfter);

const P95: &str = "p95";

impl Serialize for RawAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            HedgeAfter::P95 => serializer.serialize_str(P95),
            HedgeAfter::Fixed(after) => serializer.serialize_u64(super::raw::millis(after)),
        }
    }
}

impl<'de> Deserialize<'de> for RawAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = RawAfter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"p95\", or milliseconds, 1 or more")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<RawAfter, E> {
                match word {
                    P95 => Ok(RawAfter(HedgeAfter::P95)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_u64<E: Error>(self, ms: u64) -> Result<RawAfter, E> {
                match ms {
                    0 => Err(E::invalid_value(serde::de::Unexpected::Unsigned(0), &self)),
                    _ => Ok(RawAfter(HedgeAfter::Fixed(Duration::from_millis(ms)))),
                }
            }

            fn visit_i64<E: Error>(self, ms: i64) -> Result<RawAfter, E> {
                match u64::try_from(ms) {
                    Ok(ms) => self.visit_u64(ms),
                    Err(_) => Err(E::invalid_value(serde::de::Unexpected::Signed(ms), &self)),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `batch = { within_ms = 2, inputs = 64 }`, all of it optional.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BatchTable", into = "BatchTable")]
pub(crate) struct RawBatch(pub(crate) Batch);

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BatchTable {
    within_ms: u64,
    inputs: usize,
}

impl Default for BatchTable {
    fn default() -> Self {
        RawBatch(Batch::default()).into()
    }
}

impl From<RawBatch> for BatchTable {
    fn from(RawBatch(batch): RawBatch) -> Self {
        Self {
            within_ms: super::raw::millis(batch.within),
            inputs: batch.inputs,
        }
    }
}

impl TryFrom<BatchTable> for RawBatch {
    type Error = String;

    fn try_from(table: BatchTable) -> Result<Self, String> {
        let (within, at_most) = (Duration::from_millis(table.within_ms), Batch::WITHIN_AT_MOST);
        if within > at_most {
            let at_most = at_most.as_millis();
            return Err(format!(
                "within_ms: nobody is kept waiting for longer than {at_most} ms"
            ));
        }
        // The largest request that providers take.
        if !(2..=2048).contains(&table.inputs) {
            return Err("inputs: from 2 to 2048".to_owned());
        }
        Ok(Self(Batch {
            within,
            inputs: table.inputs,
        }))
    }
}
