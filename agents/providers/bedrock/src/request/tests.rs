mod claude;
mod schemas;

use greenroom_kernel::{CacheFor, Content, Effort, ModelMessage, ModelRole, Part, ReasoningWish};

use super::*;

const CLAUDE: &str = "eu.anthropic.claude-haiku-4-5-20251001-v1:0";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn sent_to(model: &str, request: &ModelRequest) -> (Value, Awaited) {
    let said = said(model, request).unwrap();
    (serde_json::to_value(said.body).unwrap(), said.awaited)
}

fn sent(request: &ModelRequest) -> Value {
    sent_to(CLAUDE, request).0
}

fn refused(request: &ModelRequest) -> Unsayable {
    said(CLAUDE, request).unwrap_err()
}

fn hi() -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "hi")],
        ..ModelRequest::default()
    }
}

fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: "adds".into(),
        parameters: json!({"type": "object"}),
        cache: None,
    }
}

#[test]
fn a_bare_request_holds_only_what_was_asked() {
    assert_eq!(
        sent(&hi()),
        json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
    );
}

#[test]
fn settings_travel_under_converse_s_names_and_a_seed_not_at_all() {
    let request = ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::System, "be brief")],
        max_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.25),
        seed: Some(7),
        stop: vec!["END".into()],
        end_user: Some("u".into()),
        ..ModelRequest::default()
    };
    assert_eq!(
        sent_to(NOVA, &request).0,
        json!({
            "messages": [], "system": [{"text": "be brief"}],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.25, "stopSequences": ["END"]},
        })
    );
}

#[test]
fn what_is_out_of_range_is_refused_and_not_bent() {
    for temperature in [1.01, -0.1, f32::NAN] {
        let request = ModelRequest {
            temperature: Some(temperature),
            ..hi()
        };
        assert!(
            refused(&request)
                .to_string()
                .contains("temperature is from 0 to 1")
        );
    }
    for tokens in [0, u32::MAX] {
        let request = ModelRequest {
            max_tokens: Some(tokens),
            ..hi()
        };
        assert_eq!(refused(&request), Unsayable::MaxTokens(tokens));
    }
}

#[test]
fn tools_and_the_choice_among_them_travel_in_converse_s_words() {
    let chosen = |tool_choice| {
        let request = ModelRequest {
            tools: vec![tool("add")],
            tool_choice,
            ..hi()
        };
        sent(&request)["toolConfig"].clone()
    };
    let spec = json!([{"toolSpec": {
        "name": "add", "description": "adds", "inputSchema": {"json": {"type": "object"}},
    }}]);
    assert_eq!(chosen(ToolChoice::Auto), json!({ "tools": spec }));
    assert_eq!(chosen(ToolChoice::None), Value::Null);
    assert_eq!(
        chosen(ToolChoice::Required),
        json!({"tools": spec, "toolChoice": {"any": {}}})
    );
    assert_eq!(
        chosen(ToolChoice::Tool("add".into())),
        json!({"tools": spec, "toolChoice": {"tool": {"name": "add"}}})
    );
}

#[test]
fn claude_can_be_told_to_ask_for_one_tool_at_a_time() {
    let request = ModelRequest {
        tools: vec![tool("add")],
        parallel_tools: Some(false),
        ..hi()
    };
    assert_eq!(
        sent(&request)["additionalModelRequestFields"],
        json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})
    );
    assert_eq!(
        sent_to(NOVA, &request).0.get("additionalModelRequestFields"),
        None
    );
}

fn formed(tools: Vec<ToolSpec>, tool_choice: ToolChoice) -> ModelRequest {
    ModelRequest {
        output: OutputFormat::JsonSchema {
            name: "doc".into(),
            schema: json!({"type": "object", "properties": {"z": {}, "a": {}}}),
        },
        tools,
        tool_choice,
        ..hi()
    }
}

#[test]
fn a_schema_is_sent_as_such_where_it_is_taken_and_its_members_keep_their_order() {
    let (sent, awaited) = sent_to(CLAUDE, &formed(vec![], ToolChoice::Auto));
    assert_eq!(
        sent["outputConfig"],
        json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "name": "doc", "schema": r#"{"type":"object","properties":{"z":{},"a":{}},"additionalProperties":false}"#,
        }}}})
    );
    assert_eq!((sent.get("toolConfig"), awaited), (None, Awaited::Document));
}

#[test]
fn elsewhere_a_schema_is_a_tool_that_must_be_called() {
    let (alone, awaited) = sent_to(NOVA, &formed(vec![], ToolChoice::Auto));
    assert_eq!(alone.get("outputConfig"), None);
    assert_eq!(awaited, Awaited::InTool("doc".into()));
    assert_eq!(
        alone["toolConfig"]["toolChoice"],
        json!({"tool": {"name": "doc"}})
    );
    let written = alone["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"].to_string();
    assert_eq!(
        written,
        r#"{"json":{"type":"object","properties":{"z":{},"a":{}}}}"#
    );

    // Beside other tools it is one of them, and has a name of its own.
    let (beside, awaited) = sent_to(NOVA, &formed(vec![tool("doc")], ToolChoice::Auto));
    assert_eq!(awaited, Awaited::InTool("doc_".into()));
    assert_eq!(beside["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert_eq!(beside["toolConfig"]["tools"][1]["toolSpec"]["name"], "doc_");

    // Where another tool must be called there is no answer to be formed; where none may be, there is.
    let (_, awaited) = sent_to(NOVA, &formed(vec![tool("add")], ToolChoice::Required));
    assert_eq!(awaited, Awaited::Text);
    let (only, awaited) = sent_to(NOVA, &formed(vec![tool("add")], ToolChoice::None));
    assert_eq!(awaited, Awaited::InTool("doc".into()));
    assert_eq!(only["toolConfig"]["tools"].as_array().unwrap().len(), 1);
}

#[test]
fn a_regular_expression_is_refused() {
    let request = ModelRequest {
        output: OutputFormat::Regex { pattern: "a+".into() },
        ..hi()
    };
    assert_eq!(refused(&request), Unsayable::Regex);
}

#[test]
fn thinking_travels_in_the_model_s_own_fields_and_as_an_effort() {
    let request = ModelRequest {
        reasoning: Some(ReasoningWish::Effort(Effort::Low)),
        ..hi()
    };
    assert_eq!(
        sent(&request)["additionalModelRequestFields"],
        json!({"thinking": {"type": "enabled", "budget_tokens": 2048}})
    );
    let (adaptive, _) = sent_to("us.anthropic.claude-opus-5", &request);
    assert_eq!(adaptive["outputConfig"], json!({"effort": "low"}));
    assert_eq!(
        adaptive["additionalModelRequestFields"],
        json!({"thinking": {"type": "adaptive"}})
    );
}

#[test]
fn cache_marks_become_points_where_the_model_takes_them_and_the_last_four_stay() {
    let part = |text: &str, cache| Part::Text {
        text: text.into(),
        cache: Some(cache),
    };
    let message = |role, parts| ModelMessage::new(role, Content::Parts(parts));
    let request = ModelRequest {
        messages: vec![
            message(
                ModelRole::System,
                vec![part("be brief", CacheFor::Hour1), part(" ", CacheFor::Hour1)],
            ),
            message(
                ModelRole::User,
                vec![part("a", CacheFor::Minutes5), part("b", CacheFor::Minutes5)],
            ),
        ],
        tools: vec![ToolSpec {
            cache: Some(CacheFor::Hour1),
            ..tool("add")
        }],
        ..ModelRequest::default()
    };
    let (point, hour) = (
        json!({"cachePoint": {"type": "default"}}),
        json!({"cachePoint": {"type": "default", "ttl": "1h"}}),
    );
    let claude = sent(&request);
    assert_eq!(claude["toolConfig"]["tools"][1], hour);
    assert_eq!(claude["system"], json!([{"text": "be brief"}, hour]));
    assert_eq!(
        claude["messages"][0]["content"],
        json!([{"text": "a"}, point, {"text": "b"}, point])
    );

    let nova = sent_to(NOVA, &request).0;
    assert_eq!(nova["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(nova["system"], json!([{"text": "be brief"}, point]));
    let llama = sent_to("meta.llama4-scout-17b-instruct-v1:0", &request).0;
    assert!(!llama.to_string().contains("cachePoint"), "{llama}");

    let mut many = request;
    let more = (0..3).map(|_| part("c", CacheFor::Minutes5)).collect();
    many.messages.push(message(ModelRole::User, more));
    let many = sent(&many);
    assert_eq!(many.to_string().matches("cachePoint").count(), 4);
    assert_eq!(many["system"], json!([{"text": "be brief"}]));
    assert_eq!(many["toolConfig"]["tools"].as_array().unwrap().len(), 1);
}
