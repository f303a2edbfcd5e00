//! The protocol's messages.

use async_graphql::ServerError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::engine::{Answer, Operation};
use crate::http::JsonOperation;

/// What a client says.
#[derive(Debug)]
pub(super) enum FromClient {
    Init(Map<String, Value>),
    Subscribe { id: String, operation: Operation },
    Complete { id: String },
    Ping,
    Pong,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl FromClient {
    /// Reads a message; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let invalid = |error: serde_json::Error| format!("Invalid message: {error}");
        let Envelope { kind, id, payload } = serde_json::from_str(text).map_err(invalid)?;
        let id = id.filter(|id| !id.is_empty());
        let map = || match payload {
            Some(payload) => {
                let map: Option<Map<String, Value>> = serde_json::from_str(payload.get()).map_err(invalid)?;
                Ok(map.unwrap_or_default())
            }
            None => Ok(Map::new()),
        };
        match (kind.as_str(), id) {
            ("connection_init", _) => Ok(Self::Init(map()?)),
            ("ping", _) => map().map(|_| Self::Ping),
            ("pong", _) => map().map(|_| Self::Pong),
            ("complete", Some(id)) => Ok(Self::Complete { id }),
            ("subscribe", Some(id)) => {
                let payload = payload.ok_or("Invalid message: subscribe without a payload")?;
                let operation: JsonOperation = serde_json::from_str(payload.get()).map_err(invalid)?;
                Ok(Self::Subscribe {
                    id,
                    operation: operation.into(),
                })
            }
            ("complete" | "subscribe", None) => Err("Invalid message: it needs an id".to_owned()),
            _ => Err("Invalid message: unknown type".to_owned()),
        }
    }
}

/// What we say.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToClient<'a> {
    ConnectionAck,
    Pong,
    Next { id: &'a str, payload: &'a Answer },
    Error { id: &'a str, payload: &'a [ServerError] },
    Complete { id: &'a str },
}

impl ToClient<'_> {
    /// The message as text.
    pub(super) fn to_text(&self) -> String {
        // Made of strings, numbers and maps with text keys: writing it can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
