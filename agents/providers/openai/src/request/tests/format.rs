use greenroom_kernel::OutputFormat;

use super::*;

#[test]
fn a_schema_travels_strictly_where_strict_mode_takes_it_and_a_regular_expression_not_at_all() {
    let asked = |output| ModelRequest {
        output,
        ..ModelRequest::default()
    };
    let format = |schema: Value| {
        let name = "doc".to_owned();
        let request = asked(OutputFormat::JsonSchema { name, schema });
        sent(&request, MaxTokensField::MaxTokens)["response_format"].clone()
    };
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false});
    assert_eq!(
        format(closed.clone()),
        json!({"type": "json_schema", "json_schema": {"name": "doc", "schema": closed, "strict": true}})
    );
    let inside = json!({"type": "array", "items": {"type": "object", "properties": {"a": {}}}});
    for open in [inside, json!({"type": "object", "properties": {}})] {
        assert_eq!(format(open)["json_schema"]["strict"], false);
    }
    let pattern = "a+".to_owned();
    let request = asked(OutputFormat::Regex { pattern });
    let refused = ChatRequest::new("m", &request, accent(MaxTokensField::MaxTokens));
    assert_eq!(refused.unwrap_err(), Unsayable::Regex);
}

#[test]
fn any_object_has_a_word_of_its_own_and_is_asked_for_in_words_where_nobody_did() {
    let sent = |messages: &[(ModelRole, &str)]| {
        let request = ModelRequest {
            messages: messages
                .iter()
                .map(|(role, text)| ModelMessage::text(*role, *text))
                .collect(),
            output: OutputFormat::JsonSchema {
                name: "any".into(),
                schema: json!({"type": "object"}),
            },
            ..ModelRequest::default()
        };
        sent(&request, MaxTokensField::MaxTokens)
    };
    let (system, user) = (ModelRole::System, ModelRole::User);
    let asked = sent(&[(user, "hi")]);
    assert_eq!(asked["response_format"], json!({"type": "json_object"}));
    let line =
        "Answer with one JSON object and nothing else: no words before or behind it, and no code fence.";
    assert_eq!(
        asked["messages"],
        json!([{"role": "system", "content": line}, {"role": "user", "content": "hi"}])
    );
    // Some servers take one system message alone.
    let asked = sent(&[(system, "Be brief."), (user, "hi")]);
    assert_eq!(
        asked["messages"],
        json!([{"role": "system", "content": format!("Be brief.\n\n{line}")}, {"role": "user", "content": "hi"}])
    );
    for messages in [
        [(system, "Say it in Json."), (user, "hi")],
        [(system, "Be brief."), (user, "as JSON")],
    ] {
        let asked = sent(&messages);
        assert_eq!(asked["messages"][0]["content"], messages[0].1);
        assert_eq!(asked["messages"].as_array().unwrap().len(), 2);
    }
}
