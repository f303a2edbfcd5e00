//! What must be known of a request to route it, found without reading the rest.

use bytes::Bytes;
use greenroom_kernel::{Allows, RawRequest, Unreadable, WireFamily};
use http::HeaderMap;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A request, as far as routing needs it.
#[derive(Debug, Clone)]
pub struct Peeked {
    /// The model that it names.
    pub model: Option<String>,
    /// Our own part of it, JSON; it is not cut out of the body.
    pub greenroom: Option<Bytes>,
    /// The request in pieces.
    pub raw: RawRequest,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "written")]
    model: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(borrow, default, deserialize_with = "written")]
    greenroom: Option<&'a RawValue>,
    #[serde(borrow, default)]
    n: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_output_tokens: Option<&'a RawValue>,
}

impl Fields<'_> {
    /// What is no number here says nothing: who reads the request will say so.
    fn allows(&self) -> Allows {
        let number = |written: Option<&RawValue>| serde_json::from_str::<u32>(written?.get()).ok();
        let bounds = [
            self.max_tokens,
            self.max_completion_tokens,
            self.max_output_tokens,
        ];
        Allows {
            tokens: bounds.into_iter().filter_map(number).max(),
            answers: number(self.n),
        }
    }
}

/// What is written there, be it null: an option alone would take that for absent.
fn written<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Looks at a request of `family`. The whole body is checked to be one JSON object, and nothing of it is copied.
///
/// # Errors
/// A body that is no JSON object, a model that is no text, a `stream` that is neither true nor false.
pub fn peek(family: WireFamily, body: &Bytes, headers: HeaderMap) -> Result<Peeked, Unreadable> {
    // A list would be read as the fields in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Unreadable::new("the body must be a JSON object of this API"));
    }
    let fields: Fields<'_> = serde_json::from_slice(body)
        .map_err(|error| Unreadable::new(format!("the body must be a JSON object of this API: {error}")))?;
    let model = match fields.model.map(RawValue::get) {
        None => None,
        Some(written) => {
            let name = serde_json::from_str::<Option<String>>(written)
                .map_err(|_| Unreadable::at("model", "it must be a text"))?;
            Some((name, written))
        }
    };
    let (name, at) = match model {
        Some((name, written)) => {
            // Where a slice of the body stands in it.
            let from = written.as_ptr().addr() - body.as_ptr().addr();
            (name, Some(from..from + written.len()))
        }
        None => (None, None),
    };
    let allows = fields.allows();
    let (before, model, after) = match at {
        Some(at) => (
            body.slice(..at.start),
            body.slice(at.clone()),
            body.slice(at.end..),
        ),
        None => (body.clone(), Bytes::new(), Bytes::new()),
    };
    Ok(Peeked {
        model: name,
        greenroom: fields.greenroom.map(|own| body.slice_ref(own.get().as_bytes())),
        raw: RawRequest {
            family,
            before,
            model,
            after,
            // Vectors are never streamed, whatever is said.
            stream: family != WireFamily::OpenAiEmbeddings && fields.stream.unwrap_or(false),
            headers,
            allows,
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(body: &str) -> Result<Peeked, Unreadable> {
        peek(
            WireFamily::OpenAiChat,
            &Bytes::copy_from_slice(body.as_bytes()),
            HeaderMap::new(),
        )
    }

    #[test]
    fn the_body_is_parted_around_the_model_s_name_and_nothing_is_lost() {
        let body = r#"{"messages": [{"model": "no"}], "model" : "a\"b", "stream": true, "x": 1e400, "greenroom": {"k": 1}}"#;
        let seen = seen(body).unwrap();
        assert_eq!(seen.model.as_deref(), Some("a\"b"));
        assert!(seen.raw.stream);
        assert_eq!(seen.greenroom.as_deref(), Some(&br#"{"k": 1}"#[..]));
        assert_eq!(&seen.raw.model[..], br#""a\"b""#);
        assert_eq!(
            [&seen.raw.before[..], &seen.raw.model, &seen.raw.after].concat(),
            body.as_bytes()
        );
    }

    #[test]
    fn a_request_that_names_no_model_is_one_piece_or_two_around_the_null() {
        for (body, before) in [
            ("{}", "{}"),
            (r#"{"model": null, "stream": null}"#, r#"{"model": "#),
        ] {
            let seen = seen(body).unwrap();
            assert_eq!((seen.model, seen.raw.stream), (None, false));
            assert_eq!(&seen.raw.before[..], before.as_bytes());
        }
    }

    #[test]
    fn how_much_may_be_answered_is_seen_in_the_words_of_every_family() {
        for (body, tokens, answers) in [
            ("{}", None, None),
            (r#"{"max_tokens": 7, "n": null}"#, Some(7), None),
            (r#"{"max_output_tokens": 8}"#, Some(8), None),
            (
                r#"{"max_completion_tokens": 9, "max_tokens": 3, "n": 5}"#,
                Some(9),
                Some(5),
            ),
            (
                r#"{"max_tokens": "many", "n": 12345678901234567890123}"#,
                None,
                None,
            ),
            (r#"{"max_tokens": -1, "n": 1.5}"#, None, None),
        ] {
            assert_eq!(
                seen(body).unwrap().raw.allows,
                Allows { tokens, answers },
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_request_is_refused_and_the_field_is_named() {
        assert_eq!(
            seen(r#"{"model": 7}"#).unwrap_err().param.as_deref(),
            Some("model")
        );
        for body in [
            "",
            "[]",
            "7",
            "{\"a\": }",
            "{} {}",
            "{\"stream\": \"yes\"}",
            "{\"model\": \"a\", \"model\": \"b\"}",
        ] {
            assert!(seen(body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_break_it(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let body = Bytes::from(bytes);
            if let Ok(seen) = peek(WireFamily::OpenAiChat, &body, HeaderMap::new()) {
                prop_assert_eq!([seen.raw.before, seen.raw.model, seen.raw.after].concat(), body);
            }
        }
    }
}
