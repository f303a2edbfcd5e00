use proptest::prelude::*;

use super::*;

#[track_caller]
fn refused(body: &Value, param: &str) -> String {
    let wrong = read(body).expect_err("it is refused");
    assert_eq!(wrong.param.as_deref(), Some(param), "{wrong}");
    wrong.message
}

#[test]
fn a_wrong_field_is_named_from_the_top() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": content}]});
    let asks = |blocks: Value| json!({"messages": [{"role": "assistant", "content": blocks}]});
    for (more, param) in [
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": "9"}), "max_tokens"),
        (json!({"model": 7}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": ["hi"]}), "messages[0]"),
        (json!({"messages": [{"content": "hi"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "tool", "content": "hi"}]}),
            "messages[0].role",
        ),
        (user(Value::Null), "messages[1].content"),
        (user(json!(7)), "messages[1].content"),
        (user(json!(["a"])), "messages[1].content[0]"),
        (user(json!([{"text": "a"}])), "messages[1].content[0].type"),
        (user(json!([{"type": "text"}])), "messages[1].content[0].text"),
        (
            user(
                json!([{"type": "text", "text": "a"}, {"type": "image", "source": {"type": "file", "file_id": "f"}}]),
            ),
            "messages[1].content[1].source.type",
        ),
        (
            user(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "2h"}}])),
            "messages[1].content[0].cache_control.ttl",
        ),
        (
            user(json!([{"type": "tool_result", "tool_use_id": "t", "content": "a"}])),
            "messages[1].content[0].tool_use_id",
        ),
        (
            asks(json!([{"type": "tool_use", "id": "t", "name": "f", "input": "{}"}])),
            "messages[0].content[0].input",
        ),
        (
            asks(json!([{"type": "tool_use", "id": "t", "input": {}}])),
            "messages[0].content[0].name",
        ),
        (json!({"system": 7}), "system"),
        (json!({"system": [{"type": "image"}]}), "system[0].type"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"top_p": -1}), "top_p"),
        (json!({"stop_sequences": ["a", 1]}), "stop_sequences[1]"),
        (json!({"metadata": {"user_id": 1}}), "metadata.user_id"),
        (json!({"tools": [{"name": "f"}]}), "tools[0].input_schema"),
        (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name"),
        (json!({"tool_choice": {"type": "some"}}), "tool_choice.type"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
        (json!({"tool_choice": {"type": "any"}}), "tool_choice"),
        (
            json!({"tool_choice": {"type": "any"}, "tools": []}),
            "tool_choice",
        ),
        (
            json!({"tool_choice": {"type": "tool", "name": "g"}, "tools": [{"name": "f", "input_schema": {}}]}),
            "tool_choice.name",
        ),
        (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
        (json!({"thinking": {"type": "maybe"}}), "thinking.type"),
        (
            json!({"output_config": {"effort": "hard"}}),
            "output_config.effort",
        ),
        (
            json!({"output_config": {"format": {"type": "xml"}}}),
            "output_config.format.type",
        ),
        (
            json!({"output_format": {"type": "json_schema"}}),
            "output_format.schema",
        ),
    ] {
        refused(&request(more), param);
    }
    assert!(MessagesDialect.read(b"[]").is_err());
    assert!(MessagesDialect.read(b"{").is_err());
}

#[test]
fn what_only_anthropic_can_do_is_refused_with_a_way_out() {
    for (more, param) in [
        (
            json!({"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}),
            "messages[0].content[0].type",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}),
            "messages[0].content[0].type",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use", "id": "s"}]}]}),
            "messages[0].content[0].type",
        ),
        (
            json!({"tools": [{"name": "f", "input_schema": {}}, {"type": "web_search_20260318", "name": "web_search"}]}),
            "tools[1].type",
        ),
        (json!({"container": "c"}), "container"),
        (json!({"mcp_servers": [{"url": "https://h"}]}), "mcp_servers"),
        (json!({"inference_geo": "us"}), "inference_geo"),
    ] {
        let told = refused(&request(more), param);
        assert!(told.contains("Anthropic provider"), "{told}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "text",
        "role",
        "user",
        "assistant",
        "content",
        "tool_use",
        "tool_result",
        "tool_use_id",
        "id",
        "name",
        "input",
        "source",
        "base64",
        "image",
        "thinking",
        "signature",
        "cache_control",
        "ephemeral",
        "ttl",
        "input_schema",
        "effort",
        "format",
        "data",
        "url",
        "enabled",
        "é\u{1F600}",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_request_breaks_it(messages in any_json(), system in any_json(), tools in any_json(), rest in any_json()) {
        let _ = read(&request(json!({"messages": [{"role": "user", "content": messages}], "system": system})));
        let _ = read(&request(json!({"messages": messages, "tools": [tools], "tool_choice": rest})));
        let _ = read(&request(json!({"thinking": rest, "output_config": rest, "metadata": rest})));
        let _ = read(&rest);
        let _ = writer(json!({"thinking": rest}));
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(MessagesDialect.read(&bytes).is_err());
    }
}
