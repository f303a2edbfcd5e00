use greenroom_kernel::{CacheFor, Content, Effort, ModelMessage, ModelRole, Part, ReasoningWish};
use serde_json::json;

use super::*;

fn sent(request: &ModelRequest) -> Value {
    serde_json::to_value(MessagesRequest::new("m", request, 4096).unwrap()).unwrap()
}

fn refused(request: &ModelRequest) -> Unsayable {
    MessagesRequest::new("m", request, 4096).unwrap_err()
}

#[test]
fn a_bare_request_holds_only_what_was_asked_and_the_bound_that_the_wire_wants() {
    let request = ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "hi")],
        ..ModelRequest::default()
    };
    assert_eq!(
        sent(&request),
        json!({
            "model": "m", "max_tokens": 4096, "stream": true,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        })
    );
}

#[test]
fn settings_travel_under_the_wires_names_and_a_seed_not_at_all() {
    let request = ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::System, "be brief")],
        max_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.25),
        seed: Some(7),
        stop: vec!["END".into()],
        ..ModelRequest::default()
    };
    assert_eq!(
        sent(&request),
        json!({
            "model": "m", "max_tokens": 9, "stream": true, "messages": [], "system": "be brief",
            "temperature": 0.5, "top_p": 0.25, "stop_sequences": ["END"],
        })
    );
}

#[test]
fn a_temperature_out_of_range_is_refused_and_not_bent() {
    for temperature in [1.01, 2.0, -0.1, f32::NAN] {
        let request = ModelRequest {
            temperature: Some(temperature),
            ..ModelRequest::default()
        };
        let told = refused(&request).to_string();
        assert!(told.contains("from 0 to 1"), "{told}");
    }
    for temperature in [0.0, 1.0] {
        let request = ModelRequest {
            temperature: Some(temperature),
            ..ModelRequest::default()
        };
        assert_eq!(sent(&request)["temperature"], temperature);
    }
}

#[test]
fn tools_and_the_choice_among_them_travel_in_the_providers_words() {
    let chosen = |tool_choice| {
        let request = ModelRequest {
            tools: vec![ToolSpec {
                name: "add".into(),
                description: "adds".into(),
                parameters: json!({"type": "object"}),
                cache: None,
            }],
            tool_choice,
            ..ModelRequest::default()
        };
        let sent = sent(&request);
        assert_eq!(
            sent["tools"],
            json!([{"name": "add", "description": "adds", "input_schema": {"type": "object"}}])
        );
        sent["tool_choice"].clone()
    };
    assert_eq!(chosen(ToolChoice::Auto), Value::Null);
    assert_eq!(chosen(ToolChoice::None), json!({"type": "none"}));
    assert_eq!(chosen(ToolChoice::Required), json!({"type": "any"}));
    assert_eq!(
        chosen(ToolChoice::Tool("add".into())),
        json!({"type": "tool", "name": "add"})
    );
    let none = ModelRequest {
        tool_choice: ToolChoice::None,
        ..ModelRequest::default()
    };
    assert_eq!(sent(&none).get("tool_choice"), None);
}

#[test]
fn a_schema_travels_closed_and_a_regular_expression_not_at_all() {
    let asked = |output| ModelRequest {
        output,
        ..ModelRequest::default()
    };
    let request = asked(OutputFormat::JsonSchema {
        name: "doc".into(),
        schema: json!({"type": "object", "properties": {"a": {"type": "string"}}}),
    });
    assert_eq!(
        sent(&request)["output_config"],
        json!({"format": {"type": "json_schema", "schema": {
            "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false,
        }}})
    );
    let pattern = "a+".to_owned();
    assert_eq!(refused(&asked(OutputFormat::Regex { pattern })), Unsayable::Regex);
}

fn asked(model: &str, request: &ModelRequest) -> Value {
    serde_json::to_value(MessagesRequest::new(model, request, 4096).unwrap()).unwrap()
}

#[test]
fn a_model_gets_the_sampling_settings_that_it_takes_and_no_others() {
    let both = ModelRequest {
        temperature: Some(0.0),
        top_p: Some(0.5),
        ..ModelRequest::default()
    };
    let one = ModelRequest {
        temperature: None,
        ..both.clone()
    };
    for (model, request, temperature, top_p) in [
        ("claude-3-haiku-20240307", &both, json!(0.0), json!(0.5)),
        ("claude-sonnet-4-5", &both, json!(0.0), Value::Null),
        ("claude-sonnet-4-5", &one, Value::Null, json!(0.5)),
        ("claude-opus-4-7", &both, Value::Null, Value::Null),
        ("claude-opus-5-5", &one, Value::Null, Value::Null),
        ("llama-4", &both, json!(0.0), json!(0.5)),
    ] {
        let sent = asked(model, request);
        assert_eq!(
            (&sent["temperature"], &sent["top_p"]),
            (&temperature, &top_p),
            "{model}"
        );
    }
    // Of 0 to 1 where there is a temperature at all.
    let hot = ModelRequest {
        temperature: Some(2.0),
        ..ModelRequest::default()
    };
    assert_eq!(asked("claude-opus-4-7", &hot).get("temperature"), None);
    assert!(MessagesRequest::new("claude-sonnet-4-5", &hot, 1).is_err());
}

#[test]
fn a_wish_to_think_travels_with_its_room_and_without_sampling() {
    let wish = |reasoning| ModelRequest {
        reasoning: Some(reasoning),
        temperature: Some(0.0),
        output: OutputFormat::JsonSchema {
            name: "n".into(),
            schema: json!({"type": "string"}),
        },
        ..ModelRequest::default()
    };
    let sent = asked("claude-haiku-4-5", &wish(ReasoningWish::Tokens(2000)));
    assert_eq!(
        sent["thinking"],
        json!({"type": "enabled", "budget_tokens": 2000})
    );
    assert_eq!(
        (&sent["max_tokens"], sent.get("temperature")),
        (&json!(6096), None)
    );
    let sent = asked("claude-opus-4-6", &wish(ReasoningWish::Effort(Effort::Max)));
    assert_eq!(
        sent["thinking"],
        json!({"type": "adaptive", "display": "summarized"})
    );
    assert_eq!(
        sent["output_config"],
        json!({"format": {"type": "json_schema", "schema": {"type": "string"}}, "effort": "max"})
    );
    let sent = asked("claude-sonnet-5-5", &wish(ReasoningWish::Off));
    assert_eq!(sent["thinking"], json!({"type": "between_tools"}));
}

#[test]
fn tools_one_by_one_are_asked_for_where_there_are_tools() {
    let asked = |tool_choice, tools: &[&str]| {
        let tool = |name: &&str| ToolSpec {
            name: (*name).to_owned(),
            description: String::new(),
            parameters: Value::Null,
            cache: None,
        };
        sent(&ModelRequest {
            tools: tools.iter().map(tool).collect(),
            parallel_tools: Some(false),
            tool_choice,
            ..ModelRequest::default()
        })["tool_choice"]
            .clone()
    };
    assert_eq!(asked(ToolChoice::Auto, &[]), Value::Null);
    assert_eq!(
        asked(ToolChoice::Auto, &["f"]),
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        asked(ToolChoice::Required, &["f"]),
        json!({"type": "any", "disable_parallel_tool_use": true})
    );
    assert_eq!(asked(ToolChoice::None, &["f"]), json!({"type": "none"}));
}

#[test]
fn marks_and_the_end_user_travel_and_a_schema_says_that_it_is_of_an_object() {
    let tool = |parameters, cache| ToolSpec {
        name: "f".into(),
        description: String::new(),
        parameters,
        cache,
    };
    let sent = sent(&ModelRequest {
        messages: vec![ModelMessage::new(
            ModelRole::System,
            Content::Parts(vec![
                Part::text("be brief"),
                Part::Text {
                    text: "and kind".into(),
                    cache: Some(CacheFor::Hour1),
                },
            ]),
        )],
        tools: vec![
            tool(json!({"properties": {}}), None),
            tool(Value::Null, Some(CacheFor::Minutes5)),
        ],
        end_user: Some("u-1".into()),
        ..ModelRequest::default()
    });
    assert_eq!(
        sent["system"],
        json!([
            {"type": "text", "text": "be brief"},
            {"type": "text", "text": "and kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ])
    );
    assert_eq!(
        sent["tools"],
        json!([
            {"name": "f", "input_schema": {"type": "object", "properties": {}}},
            {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
        ])
    );
    assert_eq!(sent["metadata"], json!({"user_id": "u-1"}));
}

#[test]
fn any_object_is_asked_for_in_words_for_the_wire_has_closed_ones_alone() {
    let request = ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::System, "be brief")],
        output: OutputFormat::JsonSchema {
            name: "json".into(),
            schema: json!({"type": "object"}),
        },
        ..ModelRequest::default()
    };
    let sent = sent(&request);
    assert_eq!(sent.get("output_config"), None);
    let system = sent["system"].as_str().unwrap();
    assert!(
        system.starts_with("be brief\n\nAnswer with one JSON object"),
        "{system}"
    );
}
