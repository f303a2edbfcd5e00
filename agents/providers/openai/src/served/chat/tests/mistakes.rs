//! Wrong requests, and the fields that they are told of.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn param(body: &Value) -> Option<String> {
    let wrong = read(body).expect_err(&body.to_string());
    assert!(!wrong.message.is_empty());
    wrong.param
}

#[test]
fn a_wrong_message_is_named_with_its_place() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let said = |content: Value| json!({"role": "user", "content": content});
    let image = |url: &str| said(json!([{"type": "image_url", "image_url": {"url": url}}]));
    for (message, place) in [
        (json!("hi"), ""),
        (json!({"content": "a"}), ".role"),
        (json!({"role": "narrator", "content": "a"}), ".role"),
        (json!({"role": "user"}), ".content"),
        (said(json!(7)), ".content"),
        (said(json!(["a"])), ".content[0]"),
        (said(json!([{"text": "a"}])), ".content[0].type"),
        (said(json!([{"type": "text"}])), ".content[0].text"),
        (
            said(json!([{"type": "text", "text": "a"}, {"type": "video"}])),
            ".content[1].type",
        ),
        (
            said(json!([{"type": "input_audio", "input_audio": {"data": "AA=="}}])),
            ".content[0].type",
        ),
        (
            said(json!([{"type": "file", "file": {"file_id": "f"}}])),
            ".content[0].type",
        ),
        (said(json!([{"type": "image_url"}])), ".content[0].image_url"),
        (image(""), ".content[0].image_url.url"),
        (image("http://h/i"), ".content[0].image_url.url"),
        (image("data:image/png,aGk="), ".content[0].image_url.url"),
        (image("data:text/plain;base64,aGk="), ".content[0].image_url.url"),
        (image("data:image/png;base64,a_k="), ".content[0].image_url.url"),
        (image("data:image/png;base64,"), ".content[0].image_url.url"),
        (
            said(json!([{"type": "image_url", "image_url": {"url": "https://h", "detail": "all"}}])),
            ".content[0].image_url.detail",
        ),
        (
            json!({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://h"}}]}),
            ".content[0].type",
        ),
        (
            said(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "9h"}}])),
            ".content[0].cache_control.ttl",
        ),
        (
            said(json!([{"type": "text", "text": "a", "cache_control": {}}])),
            ".content[0].cache_control.type",
        ),
        (json!({"role": "assistant"}), ".content"),
        (json!({"role": "assistant", "audio": {"id": "a"}}), ".audio"),
        (
            json!({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}),
            ".tool_calls[0].id",
        ),
        (
            json!({"role": "assistant", "tool_calls": [call.clone(), {"id": "d", "type": "custom"}]}),
            ".tool_calls[1].type",
        ),
        (
            json!({"role": "assistant", "tool_calls": [{"id": "d"}]}),
            ".tool_calls[0].function",
        ),
        (json!({"role": "tool", "content": "1"}), ".tool_call_id"),
        (
            json!({"role": "tool", "content": "1", "tool_call_id": "x"}),
            ".tool_call_id",
        ),
        (json!({"role": "tool", "tool_call_id": "c"}), ".content"),
        (json!({"role": "function", "name": "f", "content": "1"}), ".name"),
    ] {
        let body = json!({"messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "tool_calls": [call]},
            message,
        ]});
        assert_eq!(param(&body), Some(format!("messages[2]{place}")), "{body}");
    }
}

#[test]
fn a_function_s_result_without_its_call_is_refused() {
    let body = |name: &str| {
        json!({"messages": [
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": name, "content": "1"},
        ]})
    };
    assert!(read(&body("f")).is_ok());
    assert_eq!(param(&body("g")).as_deref(), Some("messages[1].name"));
}

#[test]
fn a_wrong_setting_is_named() {
    let function = json!({"type": "function", "function": {"name": "f"}});
    for (field, value, place) in [
        ("model", json!(1), "model"),
        ("messages", json!([]), "messages"),
        ("messages", json!("hi"), "messages"),
        ("n", json!(2), "n"),
        ("n", json!(0), "n"),
        ("logprobs", json!(true), "logprobs"),
        ("top_logprobs", json!(3), "logprobs"),
        ("max_tokens", json!(0), "max_tokens"),
        ("max_tokens", json!(1.5), "max_tokens"),
        (
            "max_completion_tokens",
            json!(5_000_000_000_u64),
            "max_completion_tokens",
        ),
        ("temperature", json!(2.5), "temperature"),
        ("temperature", json!("hot"), "temperature"),
        ("top_p", json!(-0.1), "top_p"),
        ("seed", json!("x"), "seed"),
        ("stop", json!(""), "stop"),
        ("stop", json!([1]), "stop"),
        ("stream", json!("yes"), "stream"),
        (
            "stream_options",
            json!({"include_usage": 1}),
            "stream_options.include_usage",
        ),
        ("reasoning_effort", json!("huge"), "reasoning_effort"),
        ("parallel_tool_calls", json!(1), "parallel_tool_calls"),
        ("user", json!({}), "user"),
        ("modalities", json!(["text", "audio"]), "modalities"),
        ("audio", json!({"voice": "a"}), "audio"),
        ("web_search_options", json!({}), "web_search_options"),
        (
            "moderation",
            json!({"model": "omni-moderation-latest"}),
            "moderation",
        ),
        ("functions", json!([]), "functions"),
        ("function_call", json!("auto"), "function_call"),
        (
            "tools",
            json!([{"type": "custom", "custom": {"name": "f"}}]),
            "tools[0].type",
        ),
        (
            "tools",
            json!([function, {"type": "function"}]),
            "tools[1].function",
        ),
        (
            "tools",
            json!([{"type": "function", "function": {}}]),
            "tools[0].function.name",
        ),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "f", "parameters": 1}}]),
            "tools[0].function.parameters",
        ),
        ("tool_choice", json!("required"), "tool_choice"),
        ("tool_choice", json!("any"), "tool_choice"),
        (
            "tool_choice",
            json!({"type": "allowed_tools", "allowed_tools": {}}),
            "tool_choice.type",
        ),
        ("tool_choice", json!({"type": "custom"}), "tool_choice.type"),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "g"}}),
            "tool_choice.function.name",
        ),
        (
            "response_format",
            json!({"type": "grammar"}),
            "response_format.type",
        ),
        (
            "response_format",
            json!({"type": "json_schema"}),
            "response_format.json_schema",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}),
            "response_format.json_schema.name",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "a", "schema": 1}}),
            "response_format.json_schema.schema",
        ),
    ] {
        let mut body = json!({"messages": [{"role": "user", "content": "a"}]});
        body[field] = value;
        assert_eq!(param(&body).as_deref(), Some(place), "{body}");
    }
    for body in [json!([]), json!("a"), json!(null)] {
        assert_eq!(param(&body), None);
    }
}

/// Values in the places where requests have others.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "user",
            "assistant",
            "tool",
            "function",
            "text",
            "image_url",
            "data:",
            "é:"
        ])
        .prop_map(Value::from),
    ];
    let names = vec![
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "tool_calls",
        "tool_call_id",
        "id",
        "function",
        "name",
        "arguments",
        "function_call",
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "json_schema",
        "stop",
        "stream_options",
        "cache_control",
        "n",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let fields = prop::collection::vec((prop::sample::select(names.clone()), inner.clone()), 0..6);
        let object = fields.prop_map(|fields| {
            Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            )
        });
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), object]
    })
}

proptest! {
    #[test]
    fn no_json_breaks_the_reader(body in anything(), messages in prop::collection::vec(anything(), 0..4)) {
        let _ = read(&body);
        let _ = read(&json!({"messages": messages}));
        let _ = writer(&body);
        let _ = crate::EmbeddingsDialect.read(body.to_string().as_bytes());
        if let Value::Object(mut request) = body {
            ChatDialect.inject(&mut request, "x");
        }
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(ChatDialect.read(&bytes).is_err());
        prop_assert!(crate::EmbeddingsDialect.read(&bytes).is_err());
        let _ = writer(&Value::Null).whole(&super::writing::answer());
    }
}
