use proptest::prelude::*;

use super::*;

fn narrow(schema: &Value) -> Value {
    narrowed(schema, 1_024, true)
}

#[test]
fn what_a_schema_leaves_open_is_bounded_and_what_it_bounds_is_left() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "code": {"type": "string", "maxLength": 4},
            "tags": {"type": "array", "items": {"type": "string", "minLength": 5_000}},
            "kind": {"enum": ["a", "b"]},
            "age": {"type": "integer", "minimum": 0},
        },
    });
    let expected = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 69},
            "code": {"type": "string", "maxLength": 4},
            "tags": {"type": "array", "items": {"type": "string", "minLength": 5_000}, "maxItems": 10},
            "kind": {"enum": ["a", "b"]},
            "age": {"type": "integer", "minimum": 0, "maximum": 1e15},
        },
        "additionalProperties": false,
    });
    assert_eq!(narrow(&schema), expected);
    assert_eq!(narrow(&expected), expected, "once is enough");
}

#[test]
fn a_longer_answer_may_hold_longer_strings() {
    let length = |tokens| narrowed(&json!({"type": "string"}), tokens, true)["maxLength"].as_u64();
    assert_eq!(
        [16, 100, 1_000, 100_000].map(length),
        [Some(32), Some(75), Some(750), Some(2_000)]
    );
}

#[test]
fn objects_stay_open_where_closing_one_schema_would_forbid_another_ones_members() {
    let parts = json!({"allOf": [
        {"type": "object", "properties": {"a": {"type": "string"}}},
        {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
    ]});
    assert!(!narrow(&parts).to_string().contains("additionalProperties"));
    let elsewhere = json!({"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert!(!narrow(&elsewhere).to_string().contains("additionalProperties"));
    let required = json!({"type": "object", "properties": {"a": {}}, "required": ["b"]});
    assert!(narrow(&required).get("additionalProperties").is_none());
}

#[test]
fn values_a_schema_says_nothing_about_have_a_depth() {
    for schema in [
        json!(true),
        json!({}),
        json!({"type": "object"}),
        json!({"type": "array"}),
    ] {
        let narrow = narrow(&schema).to_string();
        assert!(
            narrow.contains("maxItems") || narrow.contains("maxProperties"),
            "{narrow}"
        );
        assert!(
            narrow.contains(r#"["null","boolean","number","string"]"#),
            "{narrow}"
        );
    }
    assert_eq!(narrow(&json!(false)), json!(false));
}

/// Schemas of the words that this module touches, nested a few times.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({})),
        (0u64..40, any::<bool>()).prop_map(|(n, most)| match most {
            true => json!({"type": "string", "maxLength": n}),
            false => json!({"type": "string", "minLength": n}),
        }),
        (-50i64..50).prop_map(|n| json!({"type": "integer", "minimum": n})),
        (-50i64..50).prop_map(|n| json!({"type": ["number", "null"], "exclusiveMaximum": n})),
        Just(json!({"enum": ["a", 1, null]})),
        Just(json!({"type": "string", "pattern": "^[a-c]+$"})),
        Just(json!({"minItems": 12})),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|any| json!({"anyOf": any})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"allOf": all})),
            (inner.clone(), inner.clone(), any::<bool>()).prop_map(|(a, b, required)| {
                let required: &[&str] = if required { &["a", "c"] } else { &[] };
                json!({"type": "object", "properties": {"a": a, "b": b}, "required": required})
            }),
            inner.prop_map(|other| json!({"type": "object", "additionalProperties": other})),
        ]
    })
}

/// Values of all kinds, some of them just beyond the bounds.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-100i64..100).prop_map(|n| json!(n)),
        "[a-c]{0,6}".prop_map(Value::String),
        Just(json!("a".repeat(2_001))),
        Just(json!(1e16)),
    ];
    leaf.prop_recursive(3, 24, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..13).prop_map(Value::Array),
            prop::collection::hash_map("[a-d]", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #[test]
    fn a_narrowed_schema_admits_nothing_that_the_schema_does_not(schema in schemas(), value in values()) {
        let narrow = jsonschema::validator_for(&narrow(&schema)).unwrap();
        let whole = jsonschema::validator_for(&schema).unwrap();
        prop_assert!(!narrow.is_valid(&value) || whole.is_valid(&value));
    }
}
