//! What may be tried once a reader has seen a part of an answer, as people write it.

use std::fmt;
use std::time::Duration;

use greenroom_models::{Hold, Recover, Way};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// `recover = ["prefill", "splice", "error"]`, in the order in which it is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RawRecover(Vec<RawWay>);

/// One of the words, or `{ hold_ms = 2000 }`, or `{ hold_tokens = 50 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum RawWay {
    Word(Word),
    Hold(RawHold),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Prefill,
    Splice,
    Prompt,
    Hold,
    Error,
}

/// A window that an answer is held back in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawHold {
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_tokens: Option<u32>,
}

impl Default for RawRecover {
    fn default() -> Self {
        Self(
            [Word::Prefill, Word::Splice, Word::Error]
                .map(RawWay::Word)
                .into(),
        )
    }
}

impl RawRecover {
    /// Checked; `Err` says what is wrong.
    pub(crate) fn recover(&self) -> Result<Recover, &'static str> {
        let mut recover = Recover {
            ways: Vec::new(),
            hold: None,
        };
        let mut ended = false;
        for raw in &self.0 {
            if ended {
                return Err("nothing is tried behind `error`: put it last");
            }
            let hold = match raw {
                RawWay::Word(Word::Error) => {
                    ended = true;
                    continue;
                }
                RawWay::Word(Word::Hold) => Hold::All,
                RawWay::Hold(raw) => raw.hold()?,
                RawWay::Word(word) => {
                    let way = match word {
                        Word::Splice => Way::Splice,
                        Word::Prompt => Way::Prompt,
                        Word::Prefill | Word::Hold | Word::Error => Way::Prefill,
                    };
                    if recover.ways.contains(&way) {
                        return Err("it names something twice");
                    }
                    recover.ways.push(way);
                    continue;
                }
            };
            if recover.hold.replace(hold).is_some() {
                return Err("an answer is held back in one way: leave the others out");
            }
        }
        Ok(recover)
    }
}

impl RawHold {
    fn hold(&self) -> Result<Hold, &'static str> {
        match (self.hold_ms, self.hold_tokens) {
            (Some(0), _) | (_, Some(0)) => Err("a window must be 1 at least"),
            (Some(ms), None) => Ok(Hold::Window(Duration::from_millis(ms))),
            (None, Some(tokens)) => Ok(Hold::Tokens(tokens)),
            _ => Err("say one of `hold_ms` and `hold_tokens`, or \"hold\" to the end"),
        }
    }
}

// By hand, since an untagged enum forgets where a mistake is and what would have been right.
impl<'de> Deserialize<'de> for RawWay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawWay;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("prefill, splice, prompt, hold, error, { hold_ms = … } or { hold_tokens = … }")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<RawWay, E> {
                let known = serde::de::value::StrDeserializer::new(word);
                Word::deserialize(known).map(RawWay::Word)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<RawWay, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(table)).map(RawWay::Hold)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
