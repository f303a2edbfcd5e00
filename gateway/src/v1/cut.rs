//! Takes our own member out of a request, byte by byte: what remains is what its caller wrote.

use bytes::Bytes;

/// The JSON object `body` without the member of its whose value is `value`, a slice of it.
pub(super) fn without(body: &Bytes, value: &[u8]) -> Bytes {
    // Where a slice of the body stands in it.
    let from = value.as_ptr().addr() - body.as_ptr().addr();
    let (head, tail) = (&body[..from], &body[from + value.len()..]);
    // Before the value stand its name between quotes, without a quote in it, and a colon.
    let head = head.trim_ascii_end();
    let head = head.strip_suffix(b":").unwrap_or(head).trim_ascii_end();
    let name = head.strip_suffix(b"\"").unwrap_or(head);
    let opens = name.iter().rposition(|byte| *byte == b'"').unwrap_or(name.len());
    let head = &head[..opens];
    let (head, tail) = match tail.trim_ascii_start().strip_prefix(b",") {
        Some(rest) => (head, rest),
        None => {
            let before = head.trim_ascii_end();
            (before.strip_suffix(b",").unwrap_or(head), tail)
        }
    };
    [head, tail].concat().into()
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::WireFamily;
    use greenroom_provider_http::peek;
    use http::HeaderMap;

    use super::*;

    fn cut(body: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let seen = peek(WireFamily::OpenAiChat, &body, HeaderMap::new()).unwrap();
        String::from_utf8(without(&body, &seen.greenroom.unwrap()).to_vec()).unwrap()
    }

    #[test]
    fn the_member_goes_with_one_comma_and_nothing_else_changes() {
        for (body, left) in [
            (r#"{"greenroom":{}}"#, "{}"),
            (
                r#"{"greenroom" : {"a": [1, "\"}"]} , "x":1e400}"#,
                r#"{ "x":1e400}"#,
            ),
            (
                r#"{"x":  12345678901234567890123 , "greenroom": 7 }"#,
                r#"{"x":  12345678901234567890123  }"#,
            ),
            (
                r#"{"a":"greenroom","\u0067reenroom":[],"b":2}"#,
                r#"{"a":"greenroom","b":2}"#,
            ),
        ] {
            assert_eq!(cut(body), left);
            serde_json::from_str::<serde::de::IgnoredAny>(&cut(body)).unwrap();
        }
    }
}
