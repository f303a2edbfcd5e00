use greenroom_kernel::{
    CacheFor, Content, Effort, ImageSource, ModelMessage, ModelRole, OutputFormat, Part, ReasoningWish,
    ToolCall, ToolChoice, ToolSpec,
};

use super::*;
use crate::seal;

fn text(role: ModelRole, text: &str) -> ModelMessage {
    ModelMessage::text(role, text)
}

#[test]
fn a_bare_request_is_a_question_with_a_bound() {
    assert_eq!(
        read(&request(json!({}))).unwrap(),
        ModelRequest {
            model: Some("claude-opus-5-5".into()),
            messages: vec![text(ModelRole::User, "Hello, Claude")],
            max_tokens: Some(1024),
            ..ModelRequest::default()
        }
    );
}

#[test]
fn settings_have_their_words_and_what_only_concerns_anthropic_is_passed_over() {
    let said = read(&request(json!({
        "system": "be brief", "temperature": 1, "top_p": 0.5, "top_k": 40, "stop_sequences": ["END", "\n\n"],
        "metadata": {"user_id": "u-1"}, "service_tier": "auto", "speed": "fast", "stream": true,
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "tools": [{"name": "f", "input_schema": {}}], "container": null, "mcp_servers": [],
        "inference_geo": "global", "cache_control": {"type": "ephemeral"}, "context_management": {"edits": []},
        "greenroom": {"strategy": "priority"}, "thinking": null, "output_config": {"effort": null},
    })))
    .unwrap();
    assert_eq!(
        said,
        ModelRequest {
            model: Some("claude-opus-5-5".into()),
            messages: vec![
                text(ModelRole::System, "be brief"),
                text(ModelRole::User, "Hello, Claude")
            ],
            max_tokens: Some(1024),
            temperature: Some(1.0),
            top_p: Some(0.5),
            stop: vec!["END".into(), "\n\n".into()],
            tools: vec![ToolSpec {
                name: "f".into(),
                description: String::new(),
                parameters: json!({}),
                cache: None,
            }],
            tool_choice: ToolChoice::Required,
            parallel_tools: Some(false),
            end_user: Some("u-1".into()),
            ..ModelRequest::default()
        }
    );
}

#[test]
fn blocks_are_parts_with_their_marks() {
    let said = read(&request(json!({
        "system": [
            {"type": "text", "text": "be brief"},
            {"type": "text", "text": "and kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "look", "citations": null},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://h/i.png"}, "cache_control": {"type": "ephemeral"}},
            ]},
            {"role": "system", "content": "now in French"},
            {"role": "assistant", "content": "Oui"},
        ],
    })))
    .unwrap();
    let marked = |text: &str, cache| Part::Text {
        text: text.into(),
        cache: Some(cache),
    };
    let image = |source, cache| Part::Image {
        source,
        detail: None,
        cache,
    };
    let base64 = ImageSource::Base64 {
        media_type: "image/png".into(),
        data: "aGk=".into(),
    };
    let url = ImageSource::Url {
        url: "https://h/i.png".into(),
    };
    assert_eq!(
        said.messages,
        [
            ModelMessage::new(
                ModelRole::System,
                Content::Parts(vec![Part::text("be brief"), marked("and kind", CacheFor::Hour1)])
            ),
            ModelMessage::new(
                ModelRole::User,
                Content::Parts(vec![
                    Part::text("look"),
                    image(base64, None),
                    image(url, Some(CacheFor::Minutes5)),
                ])
            ),
            text(ModelRole::System, "now in French"),
            text(ModelRole::Assistant, "Oui"),
        ]
    );
}

#[test]
fn calls_and_thoughts_belong_to_the_assistant_and_results_are_messages_of_their_own() {
    let said = read(&request(json!({"messages": [
        {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "Eq"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "thinking", "thinking": "foreign", "signature": ""},
            {"type": "text", "text": "Looking."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}, "cache_control": {"type": "ephemeral"}},
            {"type": "tool_use", "id": "t2", "name": "weather", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "sun", "is_error": false},
            {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "cache_control": {"type": "ephemeral"},
             "content": [{"type": "text", "text": "no"}, {"type": "image", "source": {"type": "url", "url": "https://h/i"}}]},
            {"type": "text", "text": "well?"},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
    ]})))
    .unwrap();
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: "weather".into(),
        arguments: arguments.into(),
    };
    let result = |id: &str, content| ModelMessage {
        tool_call_id: Some(id.into()),
        ..ModelMessage::new(ModelRole::Tool, content)
    };
    let image = Part::Image {
        source: ImageSource::Url {
            url: "https://h/i".into(),
        },
        detail: None,
        cache: Some(CacheFor::Minutes5),
    };
    assert_eq!(
        said.messages,
        [
            text(ModelRole::User, "weather?"),
            ModelMessage {
                tool_calls: vec![call("t1", r#"{"city":"Paris"}"#), call("t2", "{}")],
                ..ModelMessage::new(
                    ModelRole::Assistant,
                    Content::Parts(vec![
                        Part::Reasoning(seal::signed("hm".into(), "Eq")),
                        Part::Reasoning(seal::redacted("xyz")),
                        Part::Reasoning(seal::signed("foreign".into(), "")),
                        Part::text("Looking."),
                    ])
                )
            },
            result("t1", "sun".into()),
            ModelMessage {
                is_error: true,
                ..result("t2", Content::Parts(vec![Part::text("no"), image]))
            },
            text(ModelRole::User, "well?"),
            result("t1", "".into()),
        ]
    );
}

#[test]
fn tools_and_the_choice_among_them_are_read() {
    let said = read(&request(json!({
        "tools": [
            {"name": "f", "input_schema": {"type": "object"}, "strict": true},
            {"type": "custom", "name": "g", "description": "does g", "input_schema": {"type": "object", "x": 1},
             "cache_control": {"type": "ephemeral"}},
        ],
        "tool_choice": {"type": "tool", "name": "g"},
    })))
    .unwrap();
    assert_eq!(said.tools[0].name, "f");
    assert_eq!(
        (said.tools[0].description.as_str(), said.tools[0].cache),
        ("", None)
    );
    assert_eq!(said.tools[1].description, "does g");
    assert_eq!(said.tools[1].parameters, json!({"type": "object", "x": 1}));
    assert_eq!(said.tools[1].cache, Some(CacheFor::Minutes5));
    assert_eq!(said.tool_choice, ToolChoice::Tool("g".into()));
    for (choice, expected, parallel) in [
        (json!({"type": "auto"}), ToolChoice::Auto, None),
        (
            json!({"type": "auto", "disable_parallel_tool_use": false}),
            ToolChoice::Auto,
            Some(true),
        ),
        (json!({"type": "none"}), ToolChoice::None, None),
    ] {
        let said = read(&request(json!({"tool_choice": choice}))).unwrap();
        assert_eq!((said.tool_choice, said.parallel_tools), (expected, parallel));
    }
}

#[test]
fn wishes_about_thinking_and_form_are_read_in_old_words_and_new_ones() {
    let wish = |more| read(&request(more)).unwrap().reasoning;
    for (more, expected) in [
        (json!({}), None),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            Some(ReasoningWish::Tokens(2048)),
        ),
        (
            json!({"thinking": {"type": "disabled"}}),
            Some(ReasoningWish::Off),
        ),
        (
            json!({"thinking": {"type": "between_tools"}, "output_config": {"effort": "high"}}),
            Some(ReasoningWish::Off),
        ),
        (
            json!({"thinking": {"type": "adaptive", "display": "summarized"}}),
            Some(ReasoningWish::Effort(Effort::High)),
        ),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}),
            Some(ReasoningWish::Effort(Effort::XHigh)),
        ),
        (
            json!({"output_config": {"effort": "low"}}),
            Some(ReasoningWish::Effort(Effort::Low)),
        ),
    ] {
        assert_eq!(wish(more.clone()), expected, "{more}");
    }
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    for more in [
        json!({"output_config": {"format": format}}),
        json!({"output_format": format}),
    ] {
        let OutputFormat::JsonSchema { schema, .. } = read(&request(more)).unwrap().output else {
            panic!("a schema was asked for");
        };
        assert_eq!(schema, json!({"type": "object"}));
    }
}
