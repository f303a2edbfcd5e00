//! Requests as the official SDKs write them.

use greenroom_kernel::{
    CacheFor, Content, Effort, ImageDetail, ImageSource, ModelMessage, ModelRole, OutputFormat, Part,
    Reasoning, ReasoningWish, ToolCall, ToolChoice, ToolSpec,
};
use serde_json::json;

use super::*;

#[test]
fn a_bare_request_is_a_conversation_and_nothing_else() {
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]});
    let expected = ModelRequest {
        model: Some("gpt-4o".into()),
        messages: vec![ModelMessage::text(ModelRole::User, "Hello!")],
        ..ModelRequest::default()
    };
    assert_eq!(*read(&body).unwrap(), expected);
}

#[test]
fn a_conversation_with_tools_images_and_refusals_is_read_in_order() {
    // As `client.chat.completions.create` sends the messages that it gave before, nulls included.
    let body = json!({"model": "m", "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "https://h/i.png", "detail": "high"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ]},
        {"role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null, "function_call": null,
            "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "look", "arguments": "{\"at\":1}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "refusal": "Never."},
    ]});
    let request = read(&body).unwrap();
    let image = |source, detail| Part::Image {
        source,
        detail,
        cache: None,
    };
    let url = ImageSource::Url {
        url: "https://h/i.png".into(),
    };
    let inline = ImageSource::Base64 {
        media_type: "image/png".into(),
        data: "aGk=".into(),
    };
    let expected = [
        ModelMessage::text(ModelRole::System, "Be brief."),
        ModelMessage::new(
            ModelRole::System,
            Content::Parts(vec![Part::text("a"), Part::text("b")]),
        ),
        ModelMessage::new(
            ModelRole::User,
            Content::Parts(vec![
                Part::text("What is it?"),
                image(url, Some(ImageDetail::High)),
                image(inline, None),
            ]),
        ),
        ModelMessage {
            tool_calls: vec![ToolCall {
                id: "call_1".into(),
                name: "look".into(),
                arguments: "{\"at\":1}".into(),
            }],
            ..ModelMessage::text(ModelRole::Assistant, "")
        },
        ModelMessage {
            tool_call_id: Some("call_1".into()),
            ..ModelMessage::text(ModelRole::Tool, "a cat")
        },
        ModelMessage::new(ModelRole::Assistant, Content::Parts(vec![Part::text("No.")])),
        ModelMessage::text(ModelRole::Assistant, "Never."),
    ];
    assert_eq!(request.messages, expected);
}

#[test]
fn functions_as_they_were_before_tools_thoughts_given_back_and_marks_of_caches_are_read() {
    let body = json!({"messages": [
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": "hi", "reasoning_content": "hm"},
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"role": "user", "content": [{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
    ]});
    let messages = &read(&body).unwrap().messages;
    assert_eq!(messages[0].tool_calls[0].arguments, "{}");
    assert_eq!(messages[1].role, ModelRole::Tool);
    assert_eq!(
        messages[1].tool_call_id.as_ref(),
        Some(&messages[0].tool_calls[0].id)
    );
    let thought = Part::Reasoning(Reasoning {
        text: "hm".into(),
        seal: None,
    });
    assert_eq!(
        messages[2].content,
        Content::Parts(vec![thought, Part::text("hi")])
    );
    let marked = Part::Text {
        text: "a".into(),
        cache: Some(CacheFor::Hour1),
    };
    for message in &messages[3..] {
        assert_eq!(message.content, Content::Parts(vec![marked.clone()]));
    }
}

fn asked(field: &str, value: Value) -> Arc<ModelRequest> {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let mut body = json!({"messages": [{"role": "user", "content": "a"}], "tools": [tool("f"), tool("g")]});
    body[field] = value;
    read(&body).unwrap()
}

#[test]
fn every_setting_has_its_word() {
    assert_eq!(asked("max_tokens", json!(5)).max_tokens, Some(5));
    assert_eq!(asked("max_completion_tokens", json!(6)).max_tokens, Some(6));
    assert_eq!(asked("temperature", json!(0)).temperature, Some(0.0));
    assert_eq!(asked("temperature", json!(0.7)).temperature, Some(0.7));
    assert_eq!(asked("top_p", json!(0.25)).top_p, Some(0.25));
    assert_eq!(asked("seed", json!(-1)).seed, Some(u64::MAX));
    assert_eq!(asked("stop", json!("END")).stop, ["END"]);
    assert_eq!(asked("stop", json!(["a", "b"])).stop, ["a", "b"]);
    assert_eq!(
        asked("parallel_tool_calls", json!(false)).parallel_tools,
        Some(false)
    );
    assert_eq!(asked("user", json!("u")).end_user.as_deref(), Some("u"));
    assert_eq!(
        asked("safety_identifier", json!("s")).end_user.as_deref(),
        Some("s")
    );
    let effort = |word: &str| asked("reasoning_effort", json!(word)).reasoning.unwrap();
    assert_eq!(effort("none"), ReasoningWish::Off);
    assert_eq!(effort("minimal"), ReasoningWish::Effort(Effort::Minimal));
    assert_eq!(effort("xhigh"), ReasoningWish::Effort(Effort::XHigh));
    assert_eq!(effort("max"), ReasoningWish::Effort(Effort::Max));
    let choice = |value: Value| asked("tool_choice", value).tool_choice.clone();
    assert_eq!(choice(json!("auto")), ToolChoice::Auto);
    assert_eq!(choice(json!("none")), ToolChoice::None);
    assert_eq!(choice(json!("required")), ToolChoice::Required);
    let named = json!({"type": "function", "function": {"name": "g"}});
    assert_eq!(choice(named), ToolChoice::Tool("g".into()));
}

#[test]
fn formats_and_tools_are_read_with_their_schemas() {
    let format = |value: Value| asked("response_format", value).output.clone();
    assert_eq!(format(json!({"type": "text"})), OutputFormat::Text);
    let object = OutputFormat::JsonSchema {
        name: "json_object".into(),
        schema: json!({"type": "object"}),
    };
    assert_eq!(format(json!({"type": "json_object"})), object);
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let named =
        json!({"type": "json_schema", "json_schema": {"name": "doc", "strict": true, "schema": schema}});
    let name = "doc".to_owned();
    assert_eq!(
        format(named),
        OutputFormat::JsonSchema {
            name,
            schema: schema.clone()
        }
    );
    let tools = json!([{"type": "function", "function":
        {"name": "f", "description": "does", "strict": true, "parameters": schema}}]);
    let expected = ToolSpec {
        name: "f".into(),
        description: "does".into(),
        parameters: schema,
        cache: None,
    };
    assert_eq!(asked("tools", tools).tools, [expected]);
    assert_eq!(
        asked("n", json!(1)).tools[0].parameters,
        json!({"type": "object", "properties": {}})
    );
}

#[test]
fn what_leaves_the_answer_the_same_is_left_out() {
    let bare = asked("n", json!(1));
    for (field, value) in [
        ("store", json!(true)),
        ("metadata", json!({"a": "b"})),
        ("service_tier", json!("flex")),
        ("prompt_cache_key", json!("k")),
        ("prompt_cache_options", json!({"mode": "implicit"})),
        ("prediction", json!({"type": "content", "content": "a"})),
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", json!(0.5)),
        ("logit_bias", json!({"50256": -100})),
        ("verbosity", json!("low")),
        ("logprobs", json!(false)),
        ("modalities", json!(["text"])),
        ("stream", json!(true)),
        (
            "stream_options",
            json!({"include_usage": true, "include_obfuscation": false}),
        ),
        ("greenroom", json!({"route": {}})),
        ("something_new", json!([])),
    ] {
        assert_eq!(asked(field, value), bare, "{field}");
    }
}
