//! Schemas as the wire takes them.

use serde_json::{Map, Value};

/// The schema with every object closed that lists its properties and doesn't say whether there may be others: the wire
/// wants it said. What validates against this one validates against the given one.
/// <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>
pub(crate) fn closed(schema: &Value) -> Value {
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
        Value::Array(schemas) => schemas.iter().map(closed).collect(),
        other => other.clone(),
    }
}

fn word_closed(word: &str, value: &Value) -> Value {
    match (word, value) {
        // Names of somebody's choosing, each with a schema.
        ("properties" | "$defs" | "definitions", Value::Object(named)) => named
            .iter()
            .map(|(name, schema)| (name.clone(), closed(schema)))
            .collect::<Map<_, _>>()
            .into(),
        // Values, not schemas.
        ("enum" | "const" | "default" | "examples" | "required", value) => value.clone(),
        (_, value) => closed(value),
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
        assert_eq!(closed(&given), expected);
    }
}
