//! Forms of an answer and of arguments, put as providers take them that want more said than others.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The schema with every object closed that lists its properties and doesn't say whether there may be others: some
/// providers want it said. What validates against this one validates against the given one.
/// <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>
pub fn closed_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(words) => {
            let mut closed: Map<String, Value> = words
                .iter()
                .map(|(word, value)| (word.clone(), word_closed(word, value)))
                .collect();
            if words.contains_key("properties") && !words.contains_key("additionalProperties") {
                closed.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            Value::Object(closed)
        }
        Value::Array(schemas) => schemas.iter().map(closed_schema).collect(),
        other => other.clone(),
    }
}

/// The schema of a tool's arguments, with it said that they are an object: some providers want it said, others take it
/// for granted. What is no schema of an object's words becomes that of any object.
pub fn object_schema(schema: &Value) -> Cow<'_, Value> {
    match schema {
        Value::Object(words) if words.contains_key("type") => Cow::Borrowed(schema),
        Value::Object(words) => {
            let mut said = Map::new();
            said.insert("type".to_owned(), "object".into());
            said.extend(words.clone());
            Cow::Owned(said.into())
        }
        _ => Cow::Owned(serde_json::json!({"type": "object"})),
    }
}

/// Asks for a JSON object with any members (`OutputFormat::is_any_object`) where a provider holds answers to closed
/// schemas alone.
pub const ANY_OBJECT_IN_WORDS: &str =
    "Answer with one JSON object and nothing else: no words before or behind it, and no code fence.";

fn word_closed(word: &str, value: &Value) -> Value {
    match (word, value) {
        // Names of somebody's choosing, each with a schema.
        ("properties" | "$defs" | "definitions", Value::Object(named)) => named
            .iter()
            .map(|(name, schema)| (name.clone(), closed_schema(schema)))
            .collect::<Map<_, _>>()
            .into(),
        // Values, not schemas.
        ("enum" | "const" | "default" | "examples" | "required", value) => value.clone(),
        (_, value) => closed_schema(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn open_objects_are_closed_at_every_depth_and_nothing_else_is_touched() {
        let given = json!({
            "type": "object",
            "properties": {
                "enum": {"type": "object", "properties": {"a": {"type": "string"}}},
                "properties": {"type": "array", "items": {"$ref": "#/$defs/line"}},
                "open": {"type": "object", "properties": {}, "additionalProperties": true},
                "any": {"type": "object"},
                "fixed": {"const": {"properties": 1}},
            },
            "$defs": {"line": {"properties": {"b": {"type": "number"}}}},
        });
        let mut expected = given.clone();
        for at in ["", "/properties/enum", "/$defs/line"] {
            expected.pointer_mut(at).unwrap()["additionalProperties"] = json!(false);
        }
        assert_eq!(closed_schema(&given), expected);
    }

    #[test]
    fn a_schema_says_that_it_is_of_an_object_and_keeps_what_it_said() {
        let object = json!({"type": "object"});
        for empty in [json!({}), Value::Null, json!(true), object.clone()] {
            assert_eq!(*object_schema(&empty), object);
        }
        let given = json!({"oneOf": [{"required": ["a"]}]});
        assert_eq!(
            object_schema(&given).to_string(),
            r#"{"type":"object","oneOf":[{"required":["a"]}]}"#
        );
        let other = json!({"type": "array"});
        assert_eq!(*object_schema(&other), other);
    }
}
