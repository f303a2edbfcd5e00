use super::*;

#[test]
fn a_tool_s_schema_says_that_it_is_of_an_object() {
    let schema = |parameters: Value| {
        let request = ModelRequest {
            tools: vec![ToolSpec {
                parameters,
                ..tool("add")
            }],
            ..hi()
        };
        sent(&request)["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"].clone()
    };
    for empty in [json!({}), Value::Null] {
        assert_eq!(schema(empty), json!({"type": "object"}));
    }
    assert_eq!(
        schema(json!({"oneOf": [{"required": ["a"]}]})),
        json!({"type": "object", "oneOf": [{"required": ["a"]}]})
    );
    let whole = json!({"type": "object", "properties": {"a": {}}});
    assert_eq!(schema(whole.clone()), whole);
}

#[test]
fn any_object_is_asked_for_in_words_and_of_all_alike() {
    for model in [CLAUDE, NOVA, "meta.llama4-scout-17b-instruct-v1:0"] {
        let request = ModelRequest {
            messages: vec![
                ModelMessage::text(ModelRole::System, "be brief"),
                ModelMessage::text(ModelRole::User, "hi"),
            ],
            output: OutputFormat::JsonSchema {
                name: "json".into(),
                schema: json!({"type": "object"}),
            },
            ..ModelRequest::default()
        };
        let (sent, awaited) = sent_to(model, &request);
        assert_eq!(awaited, Awaited::Document, "{model}");
        assert_eq!(
            (sent.get("outputConfig"), sent.get("toolConfig")),
            (None, None),
            "{model}"
        );
        assert_eq!(sent["system"][0], json!({"text": "be brief"}));
        let words = sent["system"][1]["text"].as_str().unwrap();
        assert!(words.starts_with("Answer with one JSON object"), "{words}");
    }
}

#[test]
fn a_claude_s_schema_is_closed_and_others_are_sent_as_they_are() {
    let schema = |model: &str| {
        let sent = sent_to(model, &formed(vec![], ToolChoice::Auto)).0;
        let format = &sent["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
        format["schema"].as_str().unwrap().to_owned()
    };
    let open = r#"{"type":"object","properties":{"z":{},"a":{}}}"#;
    let closed = r#"{"type":"object","properties":{"z":{},"a":{}},"additionalProperties":false}"#;
    assert_eq!(schema(CLAUDE), closed);
    assert_eq!(schema("meta.llama4-scout-17b-instruct-v1:0"), open);
}
