//! What a route's calls may do beside going from target to target, as people write it.

use std::fmt;
use std::time::Duration;

use greenroom_models::HedgeAfter;
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
