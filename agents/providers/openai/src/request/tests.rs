mod format;

use greenroom_kernel::{
    CacheFor, Content, Effort, ImageDetail, ImageSource, ModelMessage, ModelRole, Part, ReasoningWish, Seal,
    ToolCall,
};
use serde_json::json;

use super::*;

fn accent(max_tokens: MaxTokensField) -> Accent<'static> {
    Accent {
        max_tokens,
        is_openai: false,
        onward: Onward::Unsaid,
        provider: "p",
    }
}

fn sent(request: &ModelRequest, field: MaxTokensField) -> Value {
    serde_json::to_value(ChatRequest::new("m", request, accent(field)).unwrap()).unwrap()
}

fn add() -> ToolSpec {
    ToolSpec {
        name: "add".into(),
        description: "adds".into(),
        parameters: json!({"type": "object"}),
        cache: None,
    }
}

#[test]
fn a_bare_request_holds_only_what_was_asked_and_is_always_streamed() {
    let request = ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "hi")],
        ..ModelRequest::default()
    };
    assert_eq!(
        sent(&request, MaxTokensField::MaxTokens),
        json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}],
            "stream": true, "stream_options": {"include_usage": true},
        })
    );
}

#[test]
fn tools_their_calls_and_their_results_travel_in_the_providers_words() {
    let request = ModelRequest {
        messages: vec![
            ModelMessage {
                tool_calls: vec![ToolCall {
                    id: "c1".into(),
                    name: "add".into(),
                    arguments: "{\"a\":1}".into(),
                }],
                ..ModelMessage::text(ModelRole::Assistant, "")
            },
            ModelMessage {
                tool_call_id: Some("c1".into()),
                ..ModelMessage::text(ModelRole::Tool, "2")
            },
        ],
        tools: vec![add()],
        ..ModelRequest::default()
    };
    let sent = sent(&request, MaxTokensField::MaxTokens);
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
        ])
    );
    assert_eq!(
        sent["tools"],
        json!([{"type": "function", "function":
            {"name": "add", "description": "adds", "parameters": {"type": "object"}}}])
    );
}

#[test]
fn sampling_settings_travel_and_the_bound_takes_the_name_the_server_knows() {
    let request = ModelRequest {
        max_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.25),
        seed: Some(u64::MAX),
        stop: vec!["END".into()],
        ..ModelRequest::default()
    };
    let old = sent(&request, MaxTokensField::MaxTokens);
    assert_eq!(old["max_tokens"], 9);
    assert!(old.get("max_completion_tokens").is_none());
    let new = sent(&request, MaxTokensField::MaxCompletionTokens);
    assert_eq!(new["max_completion_tokens"], 9);
    assert!(new.get("max_tokens").is_none());
    assert_eq!(new["temperature"], 0.5);
    assert_eq!(new["top_p"], 0.25);
    assert_eq!(new["seed"], i64::MAX);
    assert_eq!(new["stop"], json!(["END"]));
}

#[test]
fn a_choice_among_tools_travels_unless_it_is_left_to_the_model() {
    let chosen = |tool_choice| {
        let request = ModelRequest {
            tools: vec![add()],
            tool_choice,
            ..ModelRequest::default()
        };
        sent(&request, MaxTokensField::MaxTokens)["tool_choice"].clone()
    };
    assert_eq!(chosen(ToolChoice::Auto), Value::Null);
    assert_eq!(chosen(ToolChoice::None), "none");
    assert_eq!(chosen(ToolChoice::Required), "required");
    assert_eq!(
        chosen(ToolChoice::Tool("add".into())),
        json!({"type": "function", "function": {"name": "add"}})
    );
}

fn said(messages: Vec<ModelMessage>) -> Value {
    let request = ModelRequest {
        messages,
        ..ModelRequest::default()
    };
    sent(&request, MaxTokensField::MaxTokens)["messages"].clone()
}

fn image(url: &str, detail: Option<ImageDetail>) -> Part {
    let source = ImageSource::Url { url: url.into() };
    Part::Image {
        source,
        detail,
        cache: Some(CacheFor::Minutes5),
    }
}

fn parts(role: ModelRole, parts: Vec<Part>) -> ModelMessage {
    ModelMessage::new(role, Content::Parts(parts))
}

#[test]
fn images_travel_as_urls_and_marks_of_caches_not_at_all() {
    let inline = Part::Image {
        source: ImageSource::Base64 {
            media_type: "image/png".into(),
            data: "aGk=".into(),
        },
        detail: None,
        cache: None,
    };
    let shown = vec![
        Part::text("see"),
        inline,
        image("https://h/i", Some(ImageDetail::Low)),
    ];
    assert_eq!(
        said(vec![parts(ModelRole::User, shown)]),
        json!([{"role": "user", "content": [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            {"type": "image_url", "image_url": {"url": "https://h/i", "detail": "low"}},
        ]}])
    );
    let text = Part::Text {
        text: "b".into(),
        cache: Some(CacheFor::Hour1),
    };
    assert_eq!(
        said(vec![parts(ModelRole::User, vec![Part::text("a"), text])]),
        json!([{"role": "user", "content": "ab"}])
    );
}

#[test]
fn an_image_that_a_tool_found_follows_behind_the_results_of_its_turn() {
    let result = |id: &str, found| ModelMessage {
        tool_call_id: Some(id.into()),
        ..parts(ModelRole::Tool, found)
    };
    assert_eq!(
        said(vec![
            result("a", vec![Part::text("one"), image("https://h/i", None)]),
            result("b", vec![Part::text("two")]),
            ModelMessage::text(ModelRole::User, "and?"),
        ]),
        json!([
            {"role": "tool", "content": "one", "tool_call_id": "a"},
            {"role": "tool", "content": "two", "tool_call_id": "b"},
            {"role": "user", "content": [
                {"type": "text", "text": "Images that the tool call a brought:"},
                {"type": "image_url", "image_url": {"url": "https://h/i"}},
            ]},
            {"role": "user", "content": "and?"},
        ])
    );
}

#[test]
fn an_image_of_another_role_is_refused() {
    for role in [ModelRole::System, ModelRole::Assistant] {
        let request = ModelRequest {
            messages: vec![
                ModelMessage::text(ModelRole::User, "hi"),
                parts(role, vec![image("https://h/i", None)]),
            ],
            ..ModelRequest::default()
        };
        let refused = ChatRequest::new("m", &request, accent(MaxTokensField::MaxTokens));
        assert_eq!(refused.unwrap_err(), Unsayable::Image(1));
    }
}

#[test]
fn a_thought_goes_back_to_the_provider_that_thought_it_with_the_calls_it_led_to_and_to_no_other() {
    let thought = |provider: &str| {
        let field = crate::thoughts::Field::ReasoningContent;
        Part::Reasoning(crate::thoughts::sealed("hm".into(), field, provider))
    };
    let foreign = Part::Reasoning(greenroom_kernel::Reasoning {
        text: "hm".into(),
        seal: Some(Seal {
            family: "anthropic".into(),
            value: json!({"provider": "p", "field": "reasoning_content"}),
        }),
    });
    let asked = |thought: Part| ModelMessage {
        tool_calls: vec![ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: "{}".into(),
        }],
        ..parts(ModelRole::Assistant, vec![thought, Part::text("t")])
    };
    assert_eq!(said(vec![asked(thought("p"))])[0]["reasoning_content"], "hm");
    for message in [
        asked(thought("q")),
        asked(foreign),
        parts(ModelRole::Assistant, vec![thought("p"), Part::text("t")]),
    ] {
        let said = said(vec![message]);
        assert_eq!(said[0]["content"], "t");
        assert!(!said.to_string().contains("hm"), "{said}");
    }
}

#[test]
fn wishes_travel_under_the_wire_s_names_and_those_about_tools_only_with_tools() {
    let request = ModelRequest {
        reasoning: Some(ReasoningWish::Effort(Effort::High)),
        parallel_tools: Some(false),
        tool_choice: ToolChoice::None,
        end_user: Some("u1".into()),
        ..ModelRequest::default()
    };
    let bare = sent(&request, MaxTokensField::MaxTokens);
    assert_eq!(
        (&bare["reasoning_effort"], &bare["user"]),
        (&json!("high"), &json!("u1"))
    );
    assert!(bare.get("parallel_tool_calls").is_none() && bare.get("tool_choice").is_none());
    let request = ModelRequest {
        tools: vec![add()],
        ..request
    };
    let tools = sent(&request, MaxTokensField::MaxTokens);
    assert_eq!(
        (&tools["parallel_tool_calls"], &tools["tool_choice"]),
        (&json!(false), &json!("none"))
    );
}

#[test]
fn a_model_that_does_not_think_is_sent_no_word_about_it() {
    let request = ModelRequest {
        reasoning: Some(ReasoningWish::Off),
        ..ModelRequest::default()
    };
    let sent = |model, is_openai| {
        let accent = Accent {
            is_openai,
            ..accent(MaxTokensField::MaxTokens)
        };
        let sent = serde_json::to_value(ChatRequest::new(model, &request, accent).unwrap()).unwrap();
        sent["reasoning_effort"].clone()
    };
    assert_eq!(sent("gpt-4o", true), Value::Null);
    assert_eq!(sent("gpt-5.1", true), "none");
    assert_eq!(sent("qwen3", false), Value::Null);
}

#[test]
fn each_server_is_told_in_its_own_words_to_go_on_from_an_answer_that_has_begun() {
    let asked = |role| ModelRequest {
        messages: vec![
            ModelMessage::text(ModelRole::User, "hi"),
            ModelMessage::text(role, "one"),
        ],
        ..ModelRequest::default()
    };
    let sent = |onward, role| {
        let accent = Accent {
            onward,
            ..accent(MaxTokensField::MaxTokens)
        };
        serde_json::to_value(ChatRequest::new("m", &asked(role), accent).unwrap()).unwrap()
    };
    let told = |sent: &Value| {
        [
            sent["continue_final_message"].clone(),
            sent["add_generation_prompt"].clone(),
            sent["messages"][1]["prefix"].clone(),
        ]
    };
    let nothing = [Value::Null, Value::Null, Value::Null];
    assert_eq!(told(&sent(Onward::Unsaid, ModelRole::Assistant)), nothing);
    for onward in [Onward::Flags, Onward::Prefix] {
        assert_eq!(told(&sent(onward, ModelRole::User)), nothing);
    }
    assert_eq!(
        told(&sent(Onward::Flags, ModelRole::Assistant)),
        [json!(true), json!(false), Value::Null]
    );
    let prefix = sent(Onward::Prefix, ModelRole::Assistant);
    assert_eq!(told(&prefix), [Value::Null, Value::Null, json!(true)]);
    assert_eq!(prefix["messages"][0].get("prefix"), None);
}
