use greenroom_provider_http::EdgeError;
use proptest::prelude::*;

use super::*;
use crate::responses::strange;

/// The field at fault, and what is said of it.
fn refused(body: &Value) -> (String, String) {
    let wrong = read(body).expect_err(&body.to_string());
    (wrong.param.unwrap_or_default(), wrong.message)
}

#[test]
fn what_only_openai_keeps_or_does_is_refused_and_named() {
    for (more, param, says) in [
        (
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
            "keeps no responses",
        ),
        (
            json!({"conversation": {"id": "conv_1"}}),
            "conversation",
            "keeps no conversations",
        ),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt", "kept at OpenAI"),
        (json!({"background": true}), "background", "keeps no responses"),
        (json!({"moderation": {"model": "x"}}), "moderation", "only OpenAI"),
        (json!({"top_logprobs": 3}), "top_logprobs", "probabilities"),
        (
            json!({"include": ["a", "message.output_text.logprobs"]}),
            "include[1]",
            "probabilities",
        ),
        (
            json!({"tools": [{"type": "function", "name": "a"}, {"type": "web_search"}]}),
            "tools[1].type",
            "`web_search`",
        ),
        (
            json!({"tools": [{"type": "file_search", "vector_store_ids": []}]}),
            "tools[0].type",
            "`file_search`",
        ),
        (
            json!({"tools": [{"type": "computer_use_preview"}]}),
            "tools[0].type",
            "`computer_use_preview`",
        ),
        (json!({"tools": [{"type": "mcp"}]}), "tools[0].type", "`mcp`"),
        (
            json!({"tools": [{"type": "custom", "name": "x"}]}),
            "tools[0].type",
            "`custom`",
        ),
        (
            json!({"tool_choice": {"type": "web_search_preview"}}),
            "tool_choice.type",
            "`web_search_preview`",
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}),
            "tool_choice.type",
            "send only those",
        ),
        (
            json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
            "input[0]",
            "send the item itself",
        ),
        (
            json!({"input": [{"id": "msg_1"}]}),
            "input[0]",
            "send the item itself",
        ),
        (
            json!({"input": [{"type": "web_search_call", "id": "ws_1"}]}),
            "input[0].type",
            "`web_search_call`",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}),
            "input[0].content[0].type",
            "files",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}),
            "input[0].content[0].file_id",
            "kept at OpenAI",
        ),
    ] {
        let mut body = json!({"model": "m", "input": "hi"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let (at, message) = refused(&body);
        assert_eq!(at, param, "{body}: {message}");
        assert!(message.contains(says), "{body}: {message}");
    }
}

#[test]
fn a_wrong_request_is_refused_with_the_place_of_the_mistake() {
    for (body, param) in [
        (json!({"model": "m"}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": [7]}), "input[0]"),
        (json!({"input": [{}]}), "input[0]"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (
            json!({"input": [{"role": "tool", "content": "x"}]}),
            "input[0].role",
        ),
        (
            json!({"input": [{"role": "user", "content": 7}]}),
            "input[0].content",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]}),
            "input[0].content[0].type",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
            "input[0].content[0].type",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
            "input[0].content[0].text",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x.png"}]}]}),
            "input[0].content[0].image_url",
        ),
        (
            json!({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://h/i"}]}]}),
            "input[0].content[0].type",
        ),
        (
            json!({"input": [{"type": "function_call", "name": "a", "arguments": "{}"}]}),
            "input[0].call_id",
        ),
        (
            json!({"input": [{"role": "user", "content": "a"}, {"type": "function_call_output", "call_id": "c1", "output": "1"}]}),
            "input[1].call_id",
        ),
        (json!({"input": "a", "instructions": ["x"]}), "instructions"),
        (json!({"input": "a", "model": 7}), "model"),
        (json!({"input": "a", "max_output_tokens": 0}), "max_output_tokens"),
        (json!({"input": "a", "temperature": "hot"}), "temperature"),
        (json!({"input": "a", "temperature": 1e300}), "temperature"),
        (json!({"input": "a", "temperature": -1}), "temperature"),
        (json!({"input": "a", "top_p": 1.5}), "top_p"),
        (json!({"input": "a", "reasoning": "high"}), "reasoning"),
        (json!({"input": "a", "text": "json"}), "text"),
        (
            json!({"input": "a", "parallel_tool_calls": "yes"}),
            "parallel_tool_calls",
        ),
        (
            json!({"input": "a", "reasoning": {"effort": "some"}}),
            "reasoning.effort",
        ),
        (
            json!({"input": "a", "text": {"format": {"type": "xml"}}}),
            "text.format.type",
        ),
        (
            json!({"input": "a", "text": {"format": {"type": "json_schema", "name": "n"}}}),
            "text.format.schema",
        ),
        (json!({"input": "a", "tools": [{"name": "a"}]}), "tools[0].type"),
        (
            json!({"input": "a", "tools": [{"type": "function"}]}),
            "tools[0].name",
        ),
        (
            json!({"input": "a", "tools": [{"type": "function", "name": "a", "parameters": 7}]}),
            "tools[0].parameters",
        ),
        (json!({"input": "a", "tool_choice": "required"}), "tool_choice"),
        (json!({"input": "a", "tool_choice": "some"}), "tool_choice"),
        (
            json!({"input": "a", "tool_choice": {"type": "function", "name": "b"}}),
            "tool_choice.name",
        ),
    ] {
        let (at, message) = refused(&body);
        assert_eq!(at, param, "{body}: {message}");
    }
    assert!(ResponsesDialect.read(b"[]").is_err());
    assert!(ResponsesDialect.read(b"{").is_err());
}

#[test]
fn errors_are_told_in_openai_s_words() {
    let wrong = EdgeError::from(Unreadable::at("input[0]", "no"));
    let written: Value = serde_json::from_slice(&ResponsesDialect.error(&wrong)).unwrap();
    assert_eq!(
        written,
        json!({"error": {"message": "no", "type": "invalid_request_error", "param": "input[0]", "code": null}})
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_break_the_reader(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = ResponsesDialect.read(&body);
        let mut out = Vec::new();
        ResponsesDialect.writer(&body, head()).begin(&mut out);
    }

    #[test]
    fn arbitrary_requests_never_break_it(mut body in strange::object(strange::value()), items in strange::value(), list: bool) {
        body["input"] = if list { json!([items]) } else { items };
        let _ = read(&body);
        let _ = stream(&body, &told(&answer()));
        let _ = whole(&body, &answer());
        if let Value::Object(request) = &mut body {
            ResponsesDialect.inject(request, "facts");
        }
    }
}
