use greenroom_kernel::{
    CacheFor, Content, Effort, ImageDetail, ImageSource, ModelMessage, ModelRole, Part, Reasoning,
    ReasoningWish, Seal, ToolCall,
};
use serde_json::json;

use super::*;

fn sent(request: &ModelRequest) -> Value {
    let body = serde_json::to_vec(&ResponsesRequest::new("m", request, true, "p").unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn asking(messages: Vec<ModelMessage>) -> ModelRequest {
    ModelRequest {
        messages,
        ..ModelRequest::default()
    }
}

fn user(parts: Vec<Part>) -> ModelMessage {
    ModelMessage::new(ModelRole::User, Content::Parts(parts))
}

#[test]
fn a_bare_request_is_streamed_not_stored_and_asks_for_sealed_thoughts() {
    let request = asking(vec![ModelMessage::text(ModelRole::User, "hi")]);
    assert_eq!(
        sent(&request),
        json!({
            "model": "m", "input": [{"role": "user", "content": "hi"}], "stream": true, "store": false,
            "include": ["reasoning.encrypted_content"],
        })
    );
}

#[test]
fn openai_is_not_asked_for_thoughts_of_a_model_that_has_none() {
    let request = ModelRequest {
        reasoning: Some(ReasoningWish::Off),
        ..asking(vec![ModelMessage::text(ModelRole::User, "hi")])
    };
    let sent = |model, is_openai| {
        serde_json::to_value(ResponsesRequest::new(model, &request, is_openai, "p").unwrap()).unwrap()
    };
    let without = sent("gpt-4o", true);
    assert!(
        without.get("include").is_none() && without.get("reasoning").is_none(),
        "{without}"
    );
    let sealed = json!(["reasoning.encrypted_content"]);
    assert_eq!(sent("gpt-5.2", true)["include"], sealed);
    assert_eq!(sent("gpt-4o", false)["include"], sealed);
}

#[test]
fn settings_travel_under_this_wire_s_names() {
    let request = ModelRequest {
        max_tokens: Some(64),
        temperature: Some(0.7),
        top_p: Some(0.25),
        seed: Some(7),
        tools: vec![ToolSpec {
            name: "add".into(),
            description: "adds".into(),
            parameters: json!({"type": "object"}),
            cache: Some(CacheFor::Hour1),
        }],
        tool_choice: ToolChoice::Tool("add".into()),
        output: OutputFormat::JsonSchema {
            name: "sum".into(),
            schema: json!({"type": "array"}),
        },
        reasoning: Some(ReasoningWish::Effort(Effort::XHigh)),
        parallel_tools: Some(false),
        end_user: Some("u-1".into()),
        ..asking(vec![ModelMessage::text(ModelRole::User, "hi")])
    };
    assert_eq!(
        sent(&request),
        json!({
            "model": "m", "input": [{"role": "user", "content": "hi"}], "stream": true, "store": false,
            "include": ["reasoning.encrypted_content"], "max_output_tokens": 64, "temperature": 0.7, "top_p": 0.25,
            "tools": [{"type": "function", "name": "add", "description": "adds", "parameters": {"type": "object"},
                       "strict": false}],
            "tool_choice": {"type": "function", "name": "add"}, "parallel_tool_calls": false,
            "text": {"format": {"type": "json_schema", "name": "sum", "schema": {"type": "array"}, "strict": true}},
            "reasoning": {"effort": "xhigh"}, "safety_identifier": "u-1",
        })
    );
}

#[test]
fn any_object_has_a_word_of_its_own_and_the_input_names_json() {
    let body = |messages: Vec<ModelMessage>| {
        sent(&ModelRequest {
            output: OutputFormat::JsonSchema {
                name: "any".into(),
                schema: json!({"type": "object"}),
            },
            ..asking(messages)
        })
    };
    // OpenAI looks for the word in the input alone, not in the instructions.
    let asked = body(vec![
        ModelMessage::text(ModelRole::System, "Say JSON."),
        ModelMessage::text(ModelRole::User, "hi"),
    ]);
    assert_eq!(asked["text"], json!({"format": {"type": "json_object"}}));
    assert_eq!(asked["instructions"], "Say JSON.");
    assert_eq!(
        asked["input"],
        json!([
            {"role": "system", "content":
                "Answer with one JSON object and nothing else: no words before or behind it, and no code fence."},
            {"role": "user", "content": "hi"},
        ])
    );
    let named = body(vec![ModelMessage::text(ModelRole::User, "as Json, please")]);
    assert_eq!(
        named["input"],
        json!([{"role": "user", "content": "as Json, please"}])
    );
}

#[test]
fn a_conversation_becomes_instructions_and_items_in_their_order() {
    let own = json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"});
    let by = |provider: &str| json!({"provider": provider, "item": own});
    let thought = |family: &str, value: &Value| {
        Part::Reasoning(Reasoning {
            text: "hm".into(),
            seal: Some(Seal {
                family: family.into(),
                value: value.clone(),
            }),
        })
    };
    let calling = ModelMessage {
        tool_calls: vec![ToolCall {
            id: "c1".into(),
            name: "look".into(),
            arguments: "{}".into(),
        }],
        ..ModelMessage::new(
            ModelRole::Assistant,
            Content::Parts(vec![
                thought("anthropic", &json!({"signature": "s"})),
                thought("openai", &by("q")),
                thought("openai", &own),
                thought("openai", &by("p")),
                Part::text("I look."),
            ]),
        )
    };
    let found = ModelMessage {
        tool_call_id: Some("c1".into()),
        ..ModelMessage::new(
            ModelRole::Tool,
            Content::Parts(vec![
                Part::text("seen"),
                Part::Image {
                    source: ImageSource::Base64 {
                        media_type: "image/png".into(),
                        data: "AAAA".into(),
                    },
                    detail: None,
                    cache: None,
                },
            ]),
        )
    };
    let request = asking(vec![
        ModelMessage::text(ModelRole::System, "Be brief."),
        ModelMessage::text(ModelRole::System, "Be kind."),
        user(vec![
            Part::text("what is it?"),
            Part::Image {
                source: ImageSource::Url {
                    url: "https://h/i.png".into(),
                },
                detail: Some(ImageDetail::Low),
                cache: Some(CacheFor::Minutes5),
            },
        ]),
        calling,
        found,
        ModelMessage::text(ModelRole::System, "Now stop."),
        user(vec![Part::text("and "), Part::text("now?")]),
    ]);
    let body = sent(&request);
    assert_eq!(body["instructions"], json!("Be brief.\n\nBe kind."));
    assert_eq!(
        body["input"],
        json!([
            {"role": "user", "content": [
                {"type": "input_text", "text": "what is it?"},
                {"type": "input_image", "image_url": "https://h/i.png", "detail": "low"}]},
            own,
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": [
                {"type": "input_text", "text": "seen"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}]},
            {"role": "system", "content": "Now stop."},
            {"role": "user", "content": "and now?"},
        ])
    );
}

#[test]
fn an_assistant_that_only_calls_says_nothing() {
    let calling = ModelMessage {
        tool_calls: vec![ToolCall {
            id: "c1".into(),
            name: "look".into(),
            arguments: "{}".into(),
        }],
        ..ModelMessage::text(ModelRole::Assistant, "")
    };
    let body = sent(&asking(vec![calling]));
    assert_eq!(body["input"].as_array().unwrap().len(), 1);
    assert_eq!(body["input"][0]["type"], "function_call");
}

#[test]
fn what_has_no_words_is_refused() {
    let refused = |request: ModelRequest| ResponsesRequest::new("m", &request, true, "p").unwrap_err();
    let hi = || asking(vec![ModelMessage::text(ModelRole::User, "hi")]);
    let pattern = OutputFormat::Regex { pattern: "a".into() };
    assert_eq!(
        refused(ModelRequest {
            output: pattern,
            ..hi()
        }),
        Unsayable::Regex
    );
    assert_eq!(
        refused(ModelRequest {
            stop: vec!["END".into()],
            ..hi()
        }),
        Unsayable::Stop
    );
    assert_eq!(
        refused(asking(vec![ModelMessage::text(ModelRole::Tool, "7")])),
        Unsayable::ResultWithoutCall(0)
    );
    let image = Part::Image {
        source: ImageSource::Url {
            url: "https://h/i.png".into(),
        },
        detail: None,
        cache: None,
    };
    for role in [ModelRole::System, ModelRole::Assistant] {
        let message = ModelMessage::new(role, Content::Parts(vec![image.clone()]));
        assert_eq!(refused(asking(vec![message])), Unsayable::Image(0));
    }
}
