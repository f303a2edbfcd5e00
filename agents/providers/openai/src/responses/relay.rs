//! What of a caller's request this wire's servers would refuse through our doing.
//!
//! A caller of this wire whose request another wire's model answered was given that model's thoughts in items that we
//! sealed. It hands them back, and a server that decrypts what thoughts are sealed in would refuse the conversation for
//! them: they are left out. Every other request is sent as it is.

use std::borrow::Cow;

use bytes::Bytes;
use greenroom_kernel::RawRequest;
use greenroom_provider_http::peek;
use memchr::memmem;
use serde_json::Value;

use super::sealed::OURS;

/// The request without thoughts that we sealed.
pub(crate) fn sendable(request: &RawRequest) -> Cow<'_, RawRequest> {
    let holds_ours = |json: &[u8]| memmem::find(json, OURS.as_bytes()).is_some();
    if !holds_ours(&request.before) && !holds_ours(&request.after) {
        return Cow::Borrowed(request);
    }
    match without_ours(request) {
        Some(sendable) => Cow::Owned(sendable),
        None => Cow::Borrowed(request),
    }
}

fn without_ours(request: &RawRequest) -> Option<RawRequest> {
    let body = [&request.before[..], &request.model, &request.after].concat();
    let mut body: Value = serde_json::from_slice(&body).ok()?;
    let items = body.get_mut("input")?.as_array_mut()?;
    let before = items.len();
    items.retain(|item| !is_ours(item));
    if items.len() == before {
        return None;
    }
    let body = Bytes::from(serde_json::to_vec(&body).ok()?);
    let raw = peek(request.family, &body, request.headers.clone()).ok()?.raw;
    Some(raw)
}

fn is_ours(item: &Value) -> bool {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    text("type") == Some("reasoning") && text("encrypted_content").is_some_and(|it| it.starts_with(OURS))
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::WireFamily;
    use greenroom_provider_http::HeaderMap;

    use super::*;

    fn request(body: &str) -> RawRequest {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let peeked = peek(WireFamily::OpenAiResponses, &body, HeaderMap::new());
        peeked.unwrap().raw
    }

    fn sent(body: &str) -> String {
        let request = request(body);
        let sent = sendable(&request);
        let body = [&sent.before[..], &sent.model, &sent.after].concat();
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn thoughts_that_we_sealed_are_left_out_and_nothing_else_changes() {
        let body = r#"{"stream":true,"input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"greenroom:1:[]"},{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gAAA"},{"z":1,"role":"assistant","content":"greenroom:1:"}],"model":"m","a":[]}"#;
        let expected = r#"{"stream":true,"input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gAAA"},{"z":1,"role":"assistant","content":"greenroom:1:"}],"model":"m","a":[]}"#;
        assert_eq!(sent(body), expected);
        assert!(sendable(&request(body)).stream);
    }

    #[test]
    fn every_other_request_is_sent_byte_for_byte() {
        for body in [
            r#"{"model": "m",  "input": "greenroom:1:"}"#,
            r#"{"model": "m",  "input": [{"role": "user", "content": "greenroom:1:"}]}"#,
            r#"{"model": "m",  "input": [{"type": "reasoning", "encrypted_content": "gAAA"}]}"#,
            r#"{"model": "m",  "input": [{"type": "reasoning", "encrypted_content": "x greenroom:1:"}]}"#,
            r#"{"metadata": {"a": "greenroom:1:"},  "input": 7}"#,
        ] {
            assert_eq!(sent(body), body);
        }
    }
}
