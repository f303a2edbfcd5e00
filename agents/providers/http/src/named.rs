//! A caller's request, sent on under the target's own name for the model.

use greenroom_kernel::RawRequest;

/// The request's body with `model` in the place of its model, or put in where it names none.
pub(crate) fn named(request: &RawRequest, model: &str) -> Vec<u8> {
    let name = serde_json::Value::from(model).to_string();
    if !request.model.is_empty() {
        return [&request.before, name.as_bytes(), &request.after].concat();
    }
    let body = &request.before;
    let inside = body.iter().position(|b| *b == b'{').map_or(0, |at| at + 1);
    let (brace, rest) = body.split_at(inside);
    let is_empty = rest.trim_ascii_start().first() == Some(&b'}');
    let comma: &[u8] = if is_empty { b"" } else { b"," };
    [brace, b"\"model\":", name.as_bytes(), comma, rest, &request.after].concat()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use greenroom_kernel::WireFamily;
    use http::HeaderMap;

    use super::*;
    use crate::peek;

    fn sent(body: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let seen = peek(WireFamily::OpenAiChat, &body, HeaderMap::new()).unwrap();
        String::from_utf8(named(&seen.raw, "a\"b")).unwrap()
    }

    #[test]
    fn only_the_model_s_name_changes() {
        assert_eq!(
            sent(r#" {"x":1e400, "model" : "fast","model2":""}"#),
            r#" {"x":1e400, "model" : "a\"b","model2":""}"#
        );
    }

    #[test]
    fn a_request_without_a_model_gets_one() {
        assert_eq!(sent("{ }"), r#"{"model":"a\"b" }"#);
        assert_eq!(sent(r#" {"x":1}"#), r#" {"model":"a\"b","x":1}"#);
    }

    #[test]
    fn a_model_that_is_null_is_replaced() {
        assert_eq!(sent(r#"{"model":null}"#), r#"{"model":"a\"b"}"#);
    }
}
