//! What of a caller's request this wire's servers would refuse through our doing.
//!
//! A caller of this wire whose request another wire's model answered was shown that model's thoughts, in blocks that
//! nobody signed. It hands them back, and a server that checks signatures would refuse the conversation for them: they
//! are left out. Every other request is sent as it is.

use std::borrow::Cow;

use bytes::Bytes;
use greenroom_kernel::RawRequest;
use greenroom_provider_http::peek;
use memchr::memmem;
use serde_json::Value;

/// The request without thoughts that nobody signed.
pub(crate) fn sendable(request: &RawRequest) -> Cow<'_, RawRequest> {
    if !holds_unsigned(&request.before) && !holds_unsigned(&request.after) {
        return Cow::Borrowed(request);
    }
    match without_unsigned(request) {
        Some(sendable) => Cow::Owned(sendable),
        None => Cow::Borrowed(request),
    }
}

/// Whether an empty signature may be in it. A text that quotes one is looked at closely for nothing.
fn holds_unsigned(json: &[u8]) -> bool {
    const NAME: &[u8] = br#""signature""#;
    memmem::find_iter(json, NAME).any(|at| {
        let value = json.get(at + NAME.len()..).unwrap_or_default().trim_ascii_start();
        let value = value.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        value.is_some_and(|value| value.starts_with(br#""""#))
    })
}

fn without_unsigned(request: &RawRequest) -> Option<RawRequest> {
    let body = [&request.before[..], &request.model, &request.after].concat();
    let mut body: Value = serde_json::from_slice(&body).ok()?;
    let messages = body.get_mut("messages")?.as_array_mut()?;
    let mut found = false;
    messages.retain_mut(|message| {
        let Some(Value::Array(blocks)) = message.get_mut("content") else {
            return true;
        };
        let before = blocks.len();
        blocks.retain(|block| !is_unsigned(block));
        found |= blocks.len() < before;
        blocks.len() == before || !blocks.is_empty()
    });
    if !found {
        return None;
    }
    let body = Bytes::from(serde_json::to_vec(&body).ok()?);
    let raw = peek(request.family, &body, request.headers.clone()).ok()?.raw;
    Some(raw)
}

fn is_unsigned(block: &Value) -> bool {
    let is = |name: &str, expected: &str| block.get(name).and_then(Value::as_str) == Some(expected);
    is("type", "thinking") && is("signature", "")
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::WireFamily;
    use greenroom_provider_http::HeaderMap;

    use super::*;

    fn request(body: &str) -> RawRequest {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let peeked = peek(WireFamily::AnthropicMessages, &body, HeaderMap::new());
        peeked.unwrap().raw
    }

    fn sent(body: &str) -> String {
        let request = request(body);
        let sent = sendable(&request);
        let body = [&sent.before[..], &sent.model, &sent.after].concat();
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn thoughts_that_nobody_signed_are_left_out_and_nothing_else_changes() {
        let body = r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"thinking","thinking":"so","signature":"Eq"},{"type":"text","text":"yes"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature": ""}]},{"role":"user","content":[]}],"model":"claude","stream":true}"#;
        let expected = r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"so","signature":"Eq"},{"type":"text","text":"yes"}]},{"role":"user","content":[]}],"model":"claude","stream":true}"#;
        assert_eq!(sent(body), expected);
        assert!(sendable(&request(body)).stream);
    }

    #[test]
    fn every_other_request_is_sent_byte_for_byte() {
        for body in [
            r#"{"model": "m",  "messages": [], "big": 123456789012345678901234567890}"#,
            r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"Eq"}]}]}"#,
            r#"{"messages":[{"role":"user","content":"{\"signature\":\"\"}"}],  "model":"m"}"#,
            r#"{"metadata":{"signature":""},  "messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}"#,
            r#"{"metadata":{"signature":""},  "messages":7}"#,
        ] {
            assert_eq!(sent(body), body);
        }
    }
}
