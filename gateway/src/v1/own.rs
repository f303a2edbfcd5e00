//! What a caller asks of Greenroom itself, in the body's member `greenroom` or in headers; the body's word counts more.

mod nearest;

use std::sync::Arc;

use greenroom_kernel::{Narrowing, SessionId, Strategy, Unreadable};
use http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::context::{Block, DEFAULT_TOKENS};
use nearest::nearest;

const HEADERS: &str = "x-greenroom-";
const IN_HEADERS: [&str; 5] = ["strategy", "exclude", "max-cost-usd", "max-latency-ms", "session"];
const IN_BODY: [&str; 8] = [
    "strategy",
    "exclude",
    "max_cost_usd",
    "max_latency_ms",
    "session",
    "user",
    "context",
    "context_max_tokens",
];
const MOST_EXCLUDED: usize = 64;
pub(super) const LONGEST_NAME: usize = 256;
const MOST_BLOCKS: usize = 64;
const MOST_TOKENS: usize = 1_000_000;

/// What a caller asks of Greenroom itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Own {
    pub(super) narrowing: Narrowing,
    pub(super) session: Option<SessionId>,
    pub(super) user: Option<String>,
    /// None where no material was handed over; maybe an empty list.
    pub(super) context: Option<Vec<Block>>,
    pub(super) context_max_tokens: Option<usize>,
}

impl Own {
    /// Reads both places strictly: a word that isn't known is refused, with the nearest that is.
    pub(super) fn of(headers: &HeaderMap, body: Option<&[u8]>) -> Result<Self, Unreadable> {
        let mut own = Self::default();
        for (name, value) in headers {
            let Some(key) = name.as_str().strip_prefix(HEADERS) else {
                continue;
            };
            let text = value.to_str().map(str::trim);
            let text = text.map_err(|_| Unreadable::at(name.as_str(), "it must be ASCII text"))?;
            own.header(name.as_str(), key, text)?;
        }
        if let Some(body) = body {
            let members: Map<String, Value> = serde_json::from_slice(body).map_err(|_| {
                Unreadable::at(
                    "greenroom",
                    "it must be an object, such as {\"strategy\": \"least_cost\"}",
                )
            })?;
            for (key, value) in members {
                own.member(&key, value)?;
            }
        }
        own.bounded()
    }

    /// What calls that belong together have in common.
    pub(super) fn affinity(&self) -> Option<Arc<str>> {
        let session = self.session.as_ref().map(SessionId::as_str);
        session.or(self.user.as_deref()).map(Arc::from)
    }

    /// Tokens that the material may take.
    pub(super) fn context_tokens(&self) -> usize {
        self.context_max_tokens.unwrap_or(DEFAULT_TOKENS)
    }

    fn header(&mut self, param: &str, key: &str, text: &str) -> Result<(), Unreadable> {
        // A number or a word.
        let value = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let narrowing = &mut self.narrowing;
        match key {
            "strategy" => narrowing.strategy = Some(strategy(param, Value::from(text))?),
            "exclude" => {
                let names = text.split(',').map(str::trim);
                narrowing.exclude = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
            }
            "max-cost-usd" => narrowing.max_cost_usd = Some(cost(param, value())?),
            "max-latency-ms" => narrowing.max_latency_ms = Some(read(param, value(), MILLISECONDS)?),
            "session" => self.session = Some(session(param, text)?),
            _ => return Err(unknown(HEADERS, key, &IN_HEADERS)),
        }
        Ok(())
    }

    fn member(&mut self, key: &str, value: Value) -> Result<(), Unreadable> {
        let param = format!("greenroom.{key}");
        let narrowing = &mut self.narrowing;
        match key {
            "strategy" => narrowing.strategy = Some(strategy(&param, value)?),
            "exclude" => narrowing.exclude = read(&param, value, "a list of providers or of provider/model")?,
            "max_cost_usd" => narrowing.max_cost_usd = Some(cost(&param, value)?),
            "max_latency_ms" => narrowing.max_latency_ms = Some(read(&param, value, MILLISECONDS)?),
            "session" => self.session = Some(session(&param, &read::<String>(&param, value, "a text")?)?),
            "user" => self.user = Some(read(&param, value, "a text")?),
            "context" => self.context = Some(blocks(value)?),
            "context_max_tokens" => {
                self.context_max_tokens = Some(read(&param, value, "a number of tokens")?);
            }
            _ => return Err(unknown("greenroom.", key, &IN_BODY)),
        }
        Ok(())
    }

    fn bounded(self) -> Result<Self, Unreadable> {
        let excluded = &self.narrowing.exclude;
        if excluded.len() > MOST_EXCLUDED || excluded.iter().any(|name| name.len() > LONGEST_NAME) {
            let why = format!("at most {MOST_EXCLUDED} names of at most {LONGEST_NAME} bytes");
            return Err(Unreadable::at("greenroom.exclude", why));
        }
        if self.user.as_ref().is_some_and(|user| user.len() > LONGEST_NAME) {
            return Err(Unreadable::at(
                "greenroom.user",
                format!("at most {LONGEST_NAME} bytes"),
            ));
        }
        if self.context_max_tokens.is_some_and(|tokens| tokens > MOST_TOKENS) {
            return Err(Unreadable::at(
                "greenroom.context_max_tokens",
                format!("at most {MOST_TOKENS}"),
            ));
        }
        Ok(self)
    }
}

const MILLISECONDS: &str = "a whole number of milliseconds";

fn read<T: DeserializeOwned>(param: &str, value: Value, expected: &str) -> Result<T, Unreadable> {
    serde_json::from_value(value).map_err(|_| Unreadable::at(param, format!("it must be {expected}")))
}

fn strategy(param: &str, value: Value) -> Result<Strategy, Unreadable> {
    read(
        param,
        value,
        "priority, weighted, least_cost, least_latency or sticky",
    )
}

fn cost(param: &str, value: Value) -> Result<f64, Unreadable> {
    let expected = "a number of US dollars, not negative";
    let cost: f64 = read(param, value, expected)?;
    match cost.is_finite() && cost >= 0.0 {
        true => Ok(cost),
        false => Err(Unreadable::at(param, format!("it must be {expected}"))),
    }
}

fn session(param: &str, text: &str) -> Result<SessionId, Unreadable> {
    SessionId::parse(text).map_err(|invalid| Unreadable::at(param, invalid.to_string()))
}

fn blocks(value: Value) -> Result<Vec<Block>, Unreadable> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        id: String,
        text: String,
    }
    const PARAM: &str = "greenroom.context";
    let raw: Vec<Value> = read(PARAM, value, "a list of {\"id\", \"text\"}")?;
    if raw.len() > MOST_BLOCKS {
        return Err(Unreadable::at(PARAM, format!("at most {MOST_BLOCKS} blocks")));
    }
    let mut blocks: Vec<Block> = Vec::with_capacity(raw.len());
    for (index, value) in raw.into_iter().enumerate() {
        let param = format!("{PARAM}[{index}]");
        let Raw { id, text } = read(&param, value, "an object with the texts id and text alone")?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(fits) {
            return Err(Unreadable::at(
                format!("{param}.id"),
                "it must match [A-Za-z0-9_-]{1,64}",
            ));
        }
        if blocks.iter().any(|known| known.id == id) {
            return Err(Unreadable::at(
                format!("{param}.id"),
                "each block needs an id of its own",
            ));
        }
        blocks.push(Block { id, text });
    }
    Ok(blocks)
}

fn unknown(before: &str, key: &str, known: &[&str]) -> Unreadable {
    let why = match nearest(key, known) {
        Some(near) => format!("unknown: did you mean `{before}{near}`?"),
        None => format!("unknown: there are {}", known.join(", ")),
    };
    Unreadable::at(format!("{before}{key}"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)], body: Option<&str>) -> Result<Own, (String, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Own::of(&map, body.map(str::as_bytes)).map_err(|error| (error.param.unwrap(), error.message))
    }

    #[test]
    fn headers_and_body_say_the_same_and_the_body_counts_more() {
        let headers = [
            ("x-greenroom-strategy", "least_cost"),
            ("x-greenroom-exclude", "a, b/c,"),
            ("x-greenroom-max-cost-usd", "0.5"),
            ("x-greenroom-max-latency-ms", "700"),
            ("x-greenroom-session", "s-1"),
        ];
        let by_headers = read(&headers, None).unwrap();
        let body = r#"{"strategy": "least_cost", "exclude": ["a", "b/c"], "max_cost_usd": 0.5, "max_latency_ms": 700,
                       "session": "s-1"}"#;
        assert_eq!(by_headers, read(&[], Some(body)).unwrap());
        assert_eq!(by_headers.narrowing.strategy, Some(Strategy::LeastCost));
        assert_eq!(by_headers.affinity().as_deref(), Some("s-1"));
        let both = read(&headers, Some(r#"{"session": "s-2", "user": "u"}"#)).unwrap();
        assert_eq!(both.affinity().as_deref(), Some("s-2"));
        assert_eq!(both.narrowing, by_headers.narrowing);
        assert_eq!(
            read(&[], Some(r#"{"user": "u"}"#)).unwrap().affinity().as_deref(),
            Some("u")
        );
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_nearest_that_is() {
        let (param, why) = read(&[], Some(r#"{"stratgey": "sticky"}"#)).unwrap_err();
        assert_eq!(
            (param.as_str(), why.as_str()),
            (
                "greenroom.stratgey",
                "unknown: did you mean `greenroom.strategy`?"
            )
        );
        let (param, why) = read(&[("x-greenroom-max-cost", "1")], None).unwrap_err();
        assert_eq!(
            (param.as_str(), why.as_str()),
            (
                "x-greenroom-max-cost",
                "unknown: did you mean `x-greenroom-max-cost-usd`?"
            )
        );
        let (_, why) = read(&[], Some(r#"{"q": 1}"#)).unwrap_err();
        assert!(why.starts_with("unknown: there are strategy, "), "{why}");
    }

    #[test]
    fn wrong_values_are_named() {
        for (body, param) in [
            ("7", "greenroom"),
            (r#"{"strategy": "best"}"#, "greenroom.strategy"),
            (r#"{"exclude": "a"}"#, "greenroom.exclude"),
            (r#"{"max_cost_usd": -1}"#, "greenroom.max_cost_usd"),
            (r#"{"max_latency_ms": 1.5}"#, "greenroom.max_latency_ms"),
            (r#"{"session": "a b"}"#, "greenroom.session"),
            (r#"{"context": [{"id": "a"}]}"#, "greenroom.context[0]"),
            (
                r#"{"context": [{"id": "a", "text": "", "x": 1}]}"#,
                "greenroom.context[0]",
            ),
            (
                r#"{"context": [{"id": "a/b", "text": ""}]}"#,
                "greenroom.context[0].id",
            ),
            (
                r#"{"context": [{"id": "a", "text": ""}, {"id": "a", "text": ""}]}"#,
                "greenroom.context[1].id",
            ),
            (
                r#"{"context_max_tokens": 1000001}"#,
                "greenroom.context_max_tokens",
            ),
        ] {
            assert_eq!(read(&[], Some(body)).unwrap_err().0, param, "{body}");
        }
        for (header, value) in [
            ("x-greenroom-strategy", "best"),
            ("x-greenroom-max-cost-usd", "much"),
            ("x-greenroom-max-cost-usd", "1e999"),
            ("x-greenroom-session", "a b"),
        ] {
            assert_eq!(read(&[(header, value)], None).unwrap_err().0, header);
        }
    }
}
