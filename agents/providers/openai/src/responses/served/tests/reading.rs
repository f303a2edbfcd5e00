use greenroom_kernel::{
    Content, Effort, ImageDetail, ImageSource, ModelMessage, ModelRole, OutputFormat, Part, ReasoningWish,
    ToolChoice, ToolSpec,
};
use serde_json::Map;

use super::*;

fn messages(input: Value) -> Vec<ModelMessage> {
    read(&json!({"model": "m", "input": input})).unwrap().messages
}

fn said(role: ModelRole, text: &str) -> ModelMessage {
    ModelMessage::text(role, text)
}

fn result(call: &str, content: impl Into<Content>) -> ModelMessage {
    ModelMessage {
        tool_call_id: Some(call.to_owned()),
        ..ModelMessage::new(ModelRole::Tool, content.into())
    }
}

#[test]
fn a_text_with_instructions_is_the_shortest_conversation() {
    let request = read(&json!({"model": "m", "instructions": "Be brief.", "input": "hi"})).unwrap();
    let expected = ModelRequest {
        model: Some("m".to_owned()),
        messages: vec![said(ModelRole::System, "Be brief."), said(ModelRole::User, "hi")],
        ..ModelRequest::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn every_setting_of_a_request_is_read() {
    let request = read(&json!({
        "model": "m", "input": "hi", "max_output_tokens": 64, "temperature": 0.5, "top_p": 0.25, "stream": true,
        "tools": [{"type": "function", "name": "add", "description": "adds", "strict": true,
                   "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}},
                  {"type": "function", "name": "now", "parameters": null, "strict": null}],
        "tool_choice": {"type": "function", "name": "add"}, "parallel_tool_calls": false,
        "text": {"format": {"type": "json_schema", "name": "sum", "strict": true, "schema": {"type": "object"}},
                 "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"}, "user": "old", "safety_identifier": "u-1",
        "include": ["reasoning.encrypted_content"], "store": true, "metadata": {"k": "v"}, "service_tier": "flex",
        "truncation": "auto", "top_logprobs": 0, "background": false, "previous_response_id": null,
        "prompt_cache_key": "k", "stream_options": {"include_obfuscation": false}, "max_tool_calls": 3,
    }))
    .unwrap();
    let tool = |name: &str, description: &str, parameters: Value| ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters,
        cache: None,
    };
    let expected = ModelRequest {
        model: Some("m".to_owned()),
        messages: vec![said(ModelRole::User, "hi")],
        max_tokens: Some(64),
        temperature: Some(0.5),
        top_p: Some(0.25),
        tools: vec![
            tool(
                "add",
                "adds",
                json!({"type": "object", "properties": {"a": {"type": "number"}}}),
            ),
            tool("now", "", json!({"type": "object", "properties": {}})),
        ],
        tool_choice: ToolChoice::Tool("add".to_owned()),
        output: OutputFormat::JsonSchema {
            name: "sum".to_owned(),
            schema: json!({"type": "object"}),
        },
        reasoning: Some(ReasoningWish::Effort(Effort::High)),
        parallel_tools: Some(false),
        end_user: Some("u-1".to_owned()),
        ..ModelRequest::default()
    };
    assert_eq!(request, expected);

    let off = read(
        &json!({"input": "hi", "reasoning": {"effort": "none"}, "user": "u", "tool_choice": "none",
                           "text": {"format": {"type": "json_object"}}}),
    )
    .unwrap();
    assert_eq!(off.model, None);
    assert_eq!(off.reasoning, Some(ReasoningWish::Off));
    assert_eq!(off.end_user.as_deref(), Some("u"));
    assert_eq!(off.tool_choice, ToolChoice::None);
    let any = |output: &OutputFormat| matches!(output, OutputFormat::JsonSchema { schema, .. } if *schema == json!({"type": "object"}));
    assert!(any(&off.output));
}

#[test]
fn messages_are_read_in_their_short_and_their_long_form() {
    let got = messages(json!([
        {"role": "developer", "content": "a"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "b"}]},
        {"role": "user", "content": [
            {"type": "input_text", "text": "what is it?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
            {"type": "input_image", "image_url": "https://h/i.png", "detail": "auto", "file_id": null}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "a cat", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "no more"}]},
        {"role": "assistant", "content": "really"},
    ]));
    let image = |source, detail| Part::Image {
        source,
        detail,
        cache: None,
    };
    let inline = ImageSource::Base64 {
        media_type: "image/png".to_owned(),
        data: "AAAA".to_owned(),
    };
    let linked = ImageSource::Url {
        url: "https://h/i.png".to_owned(),
    };
    let seen = vec![
        Part::text("what is it?"),
        image(inline, Some(ImageDetail::Low)),
        image(linked, None),
    ];
    let parts = vec![Part::text("a cat"), Part::text("no more")];
    assert_eq!(
        got,
        [
            said(ModelRole::System, "a"),
            said(ModelRole::System, "b"),
            ModelMessage::new(ModelRole::User, Content::Parts(seen)),
            ModelMessage::new(ModelRole::Assistant, Content::Parts(parts)),
            said(ModelRole::Assistant, "really"),
        ]
    );
}

#[test]
fn what_was_said_thought_and_called_at_once_is_one_message_before_its_results() {
    let reasoned = sealed("hm");
    let content = crate::responses::sealed::seal(std::slice::from_ref(&reasoned));
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
                         "encrypted_content": content});
    let calling = |id: &str| {
        json!({"type": "function_call", "id": "fc", "call_id": id, "name": "add",
                                    "arguments": "{\"a\":1}", "status": "completed"})
    };
    let got = messages(json!([
        {"role": "user", "content": "add"},
        thought,
        {"role": "assistant", "content": "I add."},
        calling("c1"),
        calling("c2"),
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": [
            {"type": "input_text", "text": "2"}, {"type": "input_text", "text": "!"}], "status": null},
        {"role": "user", "content": "thanks"},
    ]));
    let turn = ModelMessage {
        tool_calls: vec![call("c1"), call("c2")],
        ..ModelMessage::new(
            ModelRole::Assistant,
            Content::Parts(vec![Part::Reasoning(reasoned), Part::text("I add.")]),
        )
    };
    assert_eq!(
        got,
        [
            said(ModelRole::User, "add"),
            turn,
            result("c1", "1"),
            result("c2", Content::Parts(vec![Part::text("2"), Part::text("!")])),
            said(ModelRole::User, "thanks"),
        ]
    );
}

#[test]
fn a_message_between_calls_and_their_results_does_not_part_them() {
    let got = messages(json!([
        {"role": "assistant", "content": "I add: "},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": ""},
        {"role": "assistant", "content": "wait"},
        {"type": "function_call_output", "call_id": "c1", "output": ""},
    ]));
    assert_eq!(got.len(), 2);
    assert_eq!(
        (got[0].content.text().as_ref(), got[0].tool_calls.len()),
        ("I add: wait", 1)
    );
    assert_eq!(got[0].tool_calls[0].arguments, "{}");
}

#[test]
fn thoughts_that_nobody_must_get_back_are_left_out() {
    let got = messages(json!([
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        // Its writer is relayed to, and nobody else can read it.
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAA"},
        {"role": "assistant", "content": "hello"},
    ]));
    assert_eq!(got[1], said(ModelRole::Assistant, "hello"));
}

#[test]
fn reference_data_stands_before_the_conversation_and_the_rest_stays() {
    let injected = |body: Value| {
        let mut request: Map<String, Value> = serde_json::from_value(body).unwrap();
        ResponsesDialect.inject(&mut request, "facts");
        Value::Object(request)
    };
    let short = injected(json!({"model": "m", "input": "hi", "x": 1}));
    assert_eq!((&short["model"], &short["x"]), (&json!("m"), &json!(1)));
    let text = |message: &ModelMessage| message.content.text().into_owned();
    let got = read(&short).unwrap().messages;
    assert_eq!(got[0].role, ModelRole::System);
    assert!(
        text(&got[0]).contains("<reference>\nfacts\n</reference>"),
        "{got:?}"
    );
    assert_eq!(got[1], said(ModelRole::User, "hi"));

    let items = json!([{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]);
    let mut after = injected(json!({"input": items}))["input"].clone();
    let data = after.as_array_mut().unwrap().remove(1);
    assert_eq!((after, &data["role"]), (items, &json!("developer")));
    assert_eq!(injected(json!({}))["input"].as_array().unwrap().len(), 1);
    assert_eq!(injected(json!({"input": 7})), json!({"input": 7}));
}
