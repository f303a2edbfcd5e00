//! Answers of a model of arbitrary weights: whatever it would rather say, they have the form.

use greenroom_kernel::{OutputFormat, ToolChoice, ToolSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The schemas are shown to the model, whose tokens are bytes.
fn roomy_engine() -> Engine {
    let window = |metadata: &mut Vec<(&'static str, candle_core::quantized::gguf_file::Value)>| {
        metadata.retain(|(key, _)| *key != "llama.context_length");
        metadata.push((
            "llama.context_length",
            candle_core::quantized::gguf_file::Value::U32(8_192),
        ));
    };
    Engine::load(&tiny_model_with(window).path, &mut |_| {}).unwrap()
}

fn tool(name: &str, parameters: Value) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: "Does it.".to_owned(),
        parameters,
        cache: None,
    }
}

fn formed(schema: Value) -> OutputFormat {
    OutputFormat::JsonSchema {
        name: "it".to_owned(),
        schema,
    }
}

fn matching(pattern: &str) -> OutputFormat {
    OutputFormat::Regex {
        pattern: pattern.to_owned(),
    }
}

/// Drawn by `seed`, or greedily, so that it goes everywhere the form lets it.
fn wants(output: OutputFormat, seed: Option<u64>) -> ModelRequest {
    ModelRequest {
        output,
        seed,
        temperature: Some(if seed.is_some() { 1.5 } else { 0.0 }),
        top_p: Some(1.0),
        ..asks("Hi", 400)
    }
}

fn answered(engine: &mut Engine, request: &ModelRequest) -> (Answered, Heard) {
    let mut heard = Heard::until(usize::MAX);
    let answered = engine.answer(request, &mut heard).unwrap();
    (answered, heard)
}

fn refusal(engine: &mut Engine, request: &ModelRequest) -> String {
    let error = engine.answer(request, &mut Heard::until(usize::MAX)).unwrap_err();
    assert!(matches!(error, EngineError::Form { .. }), "{error}");
    error.to_string()
}

#[test]
fn answers_of_every_schema_end_and_validate() {
    let mut engine = roomy_engine();
    let schemas = [
        json!({"type": "null"}),
        json!({"type": "boolean"}),
        json!({"type": "integer"}),
        json!({"type": "number", "minimum": 0, "maximum": 1}),
        json!({"type": "string"}),
        json!({"type": "string", "minLength": 3, "maxLength": 5}),
        json!({"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}),
        json!({"type": "string", "format": "date"}),
        json!({"enum": ["red", "grün", 7, null, {"a": [1]}]}),
        json!({"const": "this \"one\"\n"}),
        json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3}),
        json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}], "items": false}),
        json!({"type": ["string", "null"], "maxLength": 2}),
        json!({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "null"}}]}),
        json!({"oneOf": [{"type": "integer"}, {"type": "boolean"}]}),
        json!({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]}),
        json!({
            "type": "object",
            "properties": {"b": {"type": "boolean"}, "a": {"$ref": "#/$defs/inner"}},
            "required": ["a"],
            "$defs": {"inner": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}},
        }),
    ];
    for schema in schemas {
        let validator = jsonschema::validator_for(&schema).unwrap();
        for seed in [None, Some(1)] {
            let request = wants(formed(schema.clone()), seed);
            let (answered, heard) = answered(&mut engine, &request);
            assert_eq!(answered.finish, FinishReason::Stop, "{schema}: {}", heard.text);
            let value: Value = serde_json::from_str(&heard.text).unwrap();
            assert!(validator.is_valid(&value), "{schema}: {}", heard.text);
            assert_eq!(heard.calls, []);
        }
    }
}

#[test]
fn members_come_in_the_order_of_their_schema() {
    let mut engine = roomy_engine();
    let member = json!({"type": "boolean"});
    let schema = json!({
        "type": "object",
        "properties": {"why": member, "answer": member},
        "required": ["answer", "why"],
    });
    let (_, heard) = answered(&mut engine, &wants(formed(schema), None));
    assert!(heard.text.starts_with("{\"why\": "), "{}", heard.text);
    assert!(heard.text.contains(", \"answer\": "), "{}", heard.text);
}

#[test]
fn answers_match_their_expression_as_a_whole() {
    let mut engine = roomy_engine();
    for (pattern, shortest) in [
        ("[a-c]{3}", 3),
        ("^(yes|no)$", 2),
        ("[0-9]{4}-[0-9]{2}", 7),
        (r"costs \$", 7),
        ("a/b", 3),
        ("é🎭", 6),
        ("", 0),
    ] {
        for seed in [None, Some(1), Some(2)] {
            let (answered, heard) = answered(&mut engine, &wants(matching(pattern), seed));
            assert_eq!(answered.finish, FinishReason::Stop, "{pattern}");
            let whole = jsonschema::validator_for(&json!({"pattern": format!("^(?:{pattern})$")})).unwrap();
            assert!(whole.is_valid(&json!(heard.text)), "{pattern}: {:?}", heard.text);
            assert!(heard.text.len() >= shortest);
        }
    }
}

#[test]
fn what_cannot_be_held_is_refused_naming_it() {
    let mut engine = roomy_engine();
    let deep = (0..40).fold(json!({}), |inner, _| json!({"items": inner}));
    let many = json!({"anyOf": vec![json!({"$ref": "#/$defs/a"}); 300], "$defs": {"a": {}}});
    let long = "é".repeat(120);
    let cases = [
        (
            formed(json!({"uniqueItems": true})),
            "schema \"it\": Unimplemented keys: [\"uniqueItems\"]",
        ),
        (formed(json!({"not": {"type": "null"}})), "\"not\""),
        (formed(json!({"type": "text"})), "Invalid type: text"),
        (
            formed(json!({"type": "string", "format": "shoe"})),
            "Unknown format: shoe",
        ),
        (formed(json!({"$ref": "#/$defs/none"})), "none"),
        (
            formed(json!({"$ref": "https://example.com/a"})),
            "https://example.com/a",
        ),
        (
            formed(json!({"type": "integer", "minimum": 3, "maximum": 2})),
            "Unsatisfiable",
        ),
        (formed(json!(false)), "Unsatisfiable"),
        (formed(json!("x")), "must be an object or boolean"),
        (
            formed(json!({"oneOf": [{"type": "number"}, {"type": "integer"}]})),
            "use anyOf",
        ),
        (
            formed(json!({"type": "number", "minimum": long})),
            "char boundary",
        ),
        (formed(deep), "nested deeper than 32"),
        (formed(many), "300 references"),
        (formed(json!({"const": "x".repeat(70_000)})), "at most 65536"),
        (matching("a("), "unclosed group"),
        (matching("(?=a)b"), "look-around"),
        (matching(&"a".repeat(5_000)), "5000 bytes"),
    ];
    for (output, expected) in cases {
        let message = refusal(&mut engine, &wants(output, None));
        assert!(message.contains(expected), "{message}");
        assert!(message.len() < 600 && !message.contains('\n'), "{message}");
    }
    let mut request = wants(OutputFormat::Text, None);
    request.tools = vec![tool("good", json!({})), tool("bad", json!({"uniqueItems": true}))];
    assert!(refusal(&mut engine, &request).contains("tool \"bad\": Unimplemented keys"));
    request.tools.pop();
    request.tool_choice = ToolChoice::Tool("best".to_owned());
    assert!(refusal(&mut engine, &request).contains("the tool \"best\" was chosen"));
    request.tools.clear();
    request.tool_choice = ToolChoice::Required;
    assert!(refusal(&mut engine, &request).contains("no tool is offered"));
}

#[test]
fn the_deepest_schema_that_is_let_in_does_not_overflow_the_stack() {
    let mut engine = roomy_engine();
    let link = |n: usize| {
        let next = json!({"$ref": format!("#/$defs/{}", n + 1)});
        (0..17).fold(next, |inner, _| json!({"items": inner}))
    };
    let mut defs: serde_json::Map<String, Value> = (0..255).map(|n| (n.to_string(), link(n))).collect();
    defs.insert("255".to_owned(), json!({"type": "null"}));
    let request = ModelRequest {
        max_tokens: Some(3),
        ..wants(formed(json!({"$ref": "#/$defs/0", "$defs": defs})), None)
    };
    match engine.answer(&request, &mut Heard::until(usize::MAX)) {
        Ok(answered) => assert!(answered.output_tokens <= 3),
        Err(error) => assert!(matches!(error, EngineError::Form { .. }), "{error}"),
    }
}

#[test]
fn a_required_call_is_told_whole_and_only_as_a_call() {
    let mut engine = roomy_engine();
    let city =
        json!({"type": "object", "properties": {"city": {"enum": ["Bern", "Rome"]}}, "required": ["city"]});
    let mut request = wants(OutputFormat::Text, None);
    request.tools = vec![
        tool("say \"hi\"", json!({"properties": {"loud": {"type": "boolean"}}})),
        tool("weather", city.clone()),
    ];
    for choice in [ToolChoice::Required, ToolChoice::Tool("weather".to_owned())] {
        request.tool_choice = choice.clone();
        for output in [OutputFormat::Text, formed(json!({"type": "null"}))] {
            request.output = output;
            let (answered, heard) = answered(&mut engine, &request);
            assert_eq!(answered.finish, FinishReason::ToolCalls);
            assert_eq!((heard.text.as_str(), heard.calls.len()), ("", 1));
            assert!(heard.progress > 10, "a call in the making shows that it goes on");
            let call = &heard.calls[0];
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
            assert!(call.id.starts_with("call_"));
            match call.name.as_str() {
                "weather" => assert!(jsonschema::is_valid(&city, &arguments), "{arguments}"),
                name => {
                    assert!(name == "say \"hi\"" && arguments.is_object() && choice == ToolChoice::Required)
                }
            }
        }
    }
    let (_, first) = answered(&mut engine, &request);
    let (_, second) = answered(&mut engine, &request);
    assert_ne!(first.calls[0].id, second.calls[0].id);
    assert_eq!(first.calls[0].arguments, second.calls[0].arguments);
}

#[test]
fn a_call_that_the_limit_cuts_is_not_told() {
    let mut engine = roomy_engine();
    let mut request = wants(OutputFormat::Text, None);
    request.tools = vec![tool("weather", json!({"type": "object"}))];
    request.tool_choice = ToolChoice::Required;
    for limit in [1, 12, 40] {
        request.max_tokens = Some(limit);
        let (answered, heard) = answered(&mut engine, &request);
        assert_eq!(
            (answered.finish, answered.output_tokens),
            (FinishReason::Length, u64::from(limit))
        );
        assert_eq!((heard.text.as_str(), heard.calls), ("", Vec::new()));
    }
}

#[test]
fn tools_that_may_not_be_called_are_not_whatever_the_text() {
    let mut engine = roomy_engine();
    let mut request = wants(OutputFormat::Text, None);
    request.tools = vec![tool("weather", json!({}))];
    request.tool_choice = ToolChoice::None;
    request.max_tokens = Some(60);
    for seed in 0..5 {
        request.seed = Some(seed);
        request.temperature = Some(1.5);
        let (_, heard) = answered(&mut engine, &request);
        assert_eq!(heard.calls, []);
        assert!(!heard.text.is_empty() && !heard.text.contains("<tool_call>"));
    }
}

#[test]
fn an_answer_is_text_or_a_call_as_the_model_likes_and_either_has_its_form() {
    let mut engine = roomy_engine();
    let mut request = wants(formed(json!({"enum": ["a", "b"]})), None);
    request.tools = vec![tool("weather", json!({"additionalProperties": false}))];
    let mut seen = (0, 0);
    for seed in 0..24 {
        request.seed = Some(seed);
        request.temperature = Some(2.0);
        let (answered, heard) = answered(&mut engine, &request);
        match heard.calls.as_slice() {
            [] => {
                assert!(
                    answered.finish == FinishReason::Stop
                        && ["\"a\"", "\"b\""].contains(&heard.text.as_str())
                );
                seen.0 += 1;
            }
            calls => {
                assert!(answered.finish == FinishReason::ToolCalls && heard.text.is_empty());
                assert_eq!(
                    (calls[0].name.as_str(), calls[0].arguments.as_str()),
                    ("weather", "{}")
                );
                seen.1 += 1;
            }
        }
    }
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
}

#[test]
fn text_under_tools_is_what_the_model_would_have_said_to_the_same_prompt() {
    // The tools' description is put where the engine puts it, by hand.
    let mut engine = roomy_engine();
    let mut offered = asks("Hi", 40);
    offered.tools = vec![tool("weather", json!({}))];
    let briefing = crate::engine::form::Form::of(&offered).unwrap().briefing();
    assert!(
        briefing.contains("- weather: Does it. Arguments: {}"),
        "{briefing}"
    );
    let system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
    let instructions = format!("{system}\n\n{briefing}");
    let mut compared = 0;
    for words in ["Hi", "Ho", "What?", "Now", "a"] {
        offered.messages[0].content = words.into();
        let (_, heard) = answered(&mut engine, &offered);
        let mut told = asks(words, 40);
        told.messages
            .insert(0, ModelMessage::text(ModelRole::System, instructions.clone()));
        let (_, free) = answered(&mut engine, &told);
        // The model's own text may hold what is no UTF-8; up to there they are the same.
        let sound = free.text.split('\u{FFFD}').next().unwrap();
        compared += sound.len();
        assert!(
            heard.text.starts_with(sound),
            "{:?} / {:?}",
            heard.text,
            free.text
        );
    }
    assert!(compared > 20, "{compared} bytes were compared");
}

#[test]
fn a_stop_text_that_cuts_a_form_is_told_as_a_cut() {
    let mut engine = roomy_engine();
    let mut request = wants(formed(json!({"const": "abc"})), None);
    request.stop = vec!["b".to_owned()];
    let (answered, heard) = answered(&mut engine, &request);
    assert_eq!(
        (answered.finish, heard.text.as_str()),
        (FinishReason::Length, "\"a")
    );
}

#[test]
fn forced_tokens_are_counted_and_cost_no_evaluation_of_their_own() {
    let mut engine = roomy_engine();
    let request = wants(formed(json!({"const": "a constant"})), None);
    let (answered, heard) = answered(&mut engine, &request);
    assert_eq!(heard.text, "\"a constant\"");
    assert_eq!(
        (answered.finish, answered.output_tokens),
        (FinishReason::Stop, 12)
    );
    assert!(
        engine.read.is_empty(),
        "nothing had to be drawn, so nothing was read"
    );
}

#[test]
fn a_caller_that_leaves_within_a_form_gets_no_further_token() {
    let mut engine = roomy_engine();
    let mut request = wants(
        formed(json!({"type": "string", "minLength": 200, "maxLength": 200})),
        None,
    );
    let mut heard = Heard::until(3);
    let error = engine.answer(&request, &mut heard).unwrap_err();
    assert!(matches!(error, EngineError::Cancelled));
    assert_eq!(heard.pieces, 3);
    request.output = OutputFormat::Text;
    assert!(engine.answer(&request, &mut Heard::until(usize::MAX)).is_ok());
}

/// JSON Schema, right and wrong, of the words that there are.
fn any_schema() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "enum",
        "const",
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "required",
        "pattern",
        "format",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "multipleOf",
        "minItems",
        "maxItems",
        "additionalProperties",
        "patternProperties",
        "prefixItems",
        "minProperties",
        "maxProperties",
        "$defs",
        "x-guidance",
        "$schema",
        "é\"\\",
    ]);
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        prop::sample::select(vec![0.0, -1.0, 1.5, 1e-7, 3.0, 1e15, 1e300, 4_294_967_296.0])
            .prop_map(|n| json!(n)),
        (0u64..6).prop_map(|n| json!(n)),
        prop::sample::select(vec![
            "string",
            "object",
            "array",
            "number",
            "integer",
            "null",
            "boolean",
            "#",
            "#/$defs/a",
            "^[a-z]+$",
            "a{99}",
            "date",
            "(",
            "é",
        ])
        .prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            4 => prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

thread_local! {
    static SHARED: std::cell::RefCell<Engine> = std::cell::RefCell::new(roomy_engine());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_schema_is_refused_or_held(schema in any_schema(), seed in 0u64..1_000) {
        let request = ModelRequest { max_tokens: Some(60), ..wants(formed(schema.clone()), Some(seed)) };
        let mut heard = Heard::until(usize::MAX);
        let outcome = SHARED.with_borrow_mut(|engine| engine.answer(&request, &mut heard));
        match outcome {
            Ok(Answered { finish: FinishReason::Stop, .. }) => {
                let value: Value = serde_json::from_str(&heard.text).unwrap();
                // Not every schema that is held is one by the book.
                if let Ok(validator) = jsonschema::validator_for(&schema) {
                    prop_assert!(validator.is_valid(&value), "{schema}: {value}");
                }
            }
            Ok(answered) => prop_assert_eq!(answered.finish, FinishReason::Length),
            Err(error) => prop_assert!(matches!(error, EngineError::Form { .. }), "{}", error),
        }
    }

    #[test]
    fn any_expression_is_refused_or_held(pattern in r"[a-c\(\)\[\]\{\}\*\+\?\|\.\^\$\\/0-9,é-]{0,12}", seed in 0u64..1_000) {
        let request = ModelRequest { max_tokens: Some(40), ..wants(matching(&pattern), Some(seed)) };
        let mut heard = Heard::until(usize::MAX);
        let outcome = SHARED.with_borrow_mut(|engine| engine.answer(&request, &mut heard));
        match outcome {
            Ok(answered) => prop_assert!(matches!(answered.finish, FinishReason::Stop | FinishReason::Length)),
            Err(error) => prop_assert!(matches!(error, EngineError::Form { .. }), "{}", error),
        }
    }
}
