//! The caller's schema: refused with the place of what is wrong with it, and then the judge of documents.

use greenroom_agent_sdk::AgentError;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::weight::weigh;
use crate::wish::bad;

/// The largest schema, in bytes of JSON.
const LARGEST: usize = 64 * 1024;

/// How deep objects and lists may be nested in it.
const DEEPEST: usize = 64;

/// How many places a validation may visit for one place of the document.
const HEAVIEST: u64 = 100_000;

/// How many places may be visited to tell all that is wrong with a document. Whether it validates is found out
/// cheaply in any case.
const LIGHT: u64 = 20_000;

/// How many problems are told, and how much of each, in bytes.
const MOST_PROBLEMS: usize = 10;
const LONGEST_PROBLEM: usize = 300;

/// A schema that documents are judged by.
pub(crate) struct Form {
    validator: Validator,
    schema: Value,
}

impl Form {
    /// BAD_USER_INPUT with the place where it is no schema, or one that can't be used here.
    pub(crate) fn of(schema: &Value) -> Result<Self, AgentError> {
        if !schema.is_object() {
            return Err(bad("`schema` must be an object"));
        }
        let size = schema.to_string().len();
        if size > LARGEST {
            return Err(bad(&format!(
                "`schema` has {size} bytes; at most {LARGEST} are taken"
            )));
        }
        look(schema, "", 0)?;
        if weigh(schema, 0) > HEAVIEST {
            return Err(bad(
                "`schema` refers to its parts so often that nobody could check a document against it",
            ));
        }
        let validator = jsonschema::options()
            // Patterns in linear time: a caller can't keep us busy with one.
            .with_pattern_options(PatternOptions::regex())
            .offline()
            .build(schema)
            .map_err(|error| {
                let place = match error.instance_path().as_str() {
                    "" => error.schema_path().as_str().to_owned(),
                    place => place.to_owned(),
                };
                bad(&format!(
                    "`schema` is no JSON Schema that is known here: at `{place}`: {}",
                    short(&error.to_string())
                ))
            })?;
        Ok(Self {
            validator,
            schema: schema.clone(),
        })
    }

    /// What is wrong with a document, each with its place as a JSON pointer; nothing where it validates.
    pub(crate) fn problems(&self, document: &Value) -> Vec<String> {
        if self.validator.is_valid(document) {
            return Vec::new();
        }
        if weigh(&self.schema, depth(document)) > LIGHT {
            return vec!["the document: it does not validate".to_owned()];
        }
        self.validator
            .iter_errors(document)
            .take(MOST_PROBLEMS)
            .map(told)
            .collect()
    }
}

/// How deep objects and lists are nested in a value. Documents come from a parser that bounds it.
fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Object(members) => members.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}

fn told(error: jsonschema::ValidationError<'_>) -> String {
    let place = match error.instance_path().as_str() {
        "" => "the document",
        place => place,
    };
    format!("{place}: {}", short(&error.to_string()))
}

fn short(text: &str) -> String {
    match text.len() > LONGEST_PROBLEM {
        true => format!("{}…", &text[..text.floor_char_boundary(LONGEST_PROBLEM)]),
        false => text.to_owned(),
    }
}

/// Refuses what is nested too deeply, and references whose target is elsewhere or can't be told beforehand.
fn look(value: &Value, place: &str, depth: usize) -> Result<(), AgentError> {
    if depth > DEEPEST {
        return Err(bad(&format!(
            "`schema` is nested deeper than {DEEPEST} levels at `{place}`"
        )));
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                let refers = matches!(name.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
                match member {
                    Value::String(target) if refers => {
                        if name != "$ref" || target != "#" && !target.starts_with("#/") {
                            return Err(bad(&format!(
                                "`schema` refers to `{}` at `{place}`: nothing is fetched, and only a `$ref` to `#` or \
                                 `#/…` is followed; put what is meant under `$defs`",
                                short(target)
                            )));
                        }
                    }
                    // It would change what references below it mean.
                    Value::String(_) if name == "$id" && depth > 0 => {
                        return Err(bad(&format!(
                            "`schema` has an `$id` of a part, which is not taken, at `{place}`"
                        )));
                    }
                    member => look(member, &place, depth + 1)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| look(item, &format!("{place}/{index}"), depth + 1))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use greenroom_agent_sdk::ErrorCode;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(schema: &Value, named: &str) {
        let error = Form::of(schema).err().unwrap();
        assert_eq!(error.code(), ErrorCode::BadUserInput);
        assert!(error.to_string().contains(named), "{error}");
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!({}), |inner, _| json!({ "not": inner }))
    }

    #[test]
    fn what_is_no_schema_is_refused_with_its_place() {
        refused(&json!(true), "must be an object");
        refused(
            &json!({ "properties": { "a": { "type": "strin" } } }),
            "/properties/a/type",
        );
        refused(
            &json!({ "properties": { "a": { "pattern": "(" } } }),
            "/properties/a/pattern",
        );
        refused(
            &json!({ "properties": { "a": { "pattern": "(?=a)" } } }),
            "/properties/a/pattern",
        );
        refused(&json!({ "$ref": "#/$defs/none" }), "/$defs/none");
        refused(
            &json!({ "$schema": "http://nowhere.example/schema" }),
            "nowhere.example",
        );
    }

    #[test]
    fn a_reference_elsewhere_is_refused_with_its_place_and_fetches_nothing() {
        for target in [
            "https://a.example/b.json",
            "file:///etc/passwd",
            "b.json",
            "#anchor",
        ] {
            refused(
                &json!({ "properties": { "a/b": { "$ref": target } } }),
                "/properties/a~1b/$ref",
            );
        }
        refused(&json!({ "items": { "$dynamicRef": "#a" } }), "/items/$dynamicRef");
        refused(
            &json!({ "items": { "$id": "http://a.example", "type": "object" } }),
            "/items/$id",
        );
        // A property may be called so.
        let named = json!({ "properties": { "$ref": { "type": "string" }, "$id": { "type": "string" } } });
        assert!(Form::of(&named).is_ok());
    }

    #[test]
    fn a_schema_too_large_too_deep_or_too_tangled_is_refused() {
        refused(&json!({ "description": "x".repeat(LARGEST) }), "bytes");
        refused(&nested(65), "deeper than 64");
        assert!(Form::of(&nested(64)).is_ok());
        let both = |next: String| json!({ "allOf": [{ "$ref": next }, { "$ref": next }] });
        let mut parts: serde_json::Map<_, _> = (0..40)
            .map(|i| (format!("p{i}"), both(format!("#/$defs/p{}", i + 1))))
            .collect();
        parts.insert("p40".to_owned(), json!({ "type": "string" }));
        refused(&json!({ "$defs": parts, "$ref": "#/$defs/p0" }), "so often");
    }

    #[test]
    fn every_problem_of_a_document_is_told_with_its_pointer_up_to_a_bound() {
        let schema = json!({ "type": "object", "required": ["b"], "additionalProperties": false,
            "properties": { "a": { "type": "integer" }, "b": {}, "c": { "items": { "maximum": 1 } } } });
        let form = Form::of(&schema).unwrap();
        assert!(form.problems(&json!({ "a": 1, "b": null })).is_empty());
        let problems = form.problems(&json!({ "a": "x", "c": [0, 2], "d": "y".repeat(1_000) }));
        for place in ["/a: ", "the document: ", "/c/1: "] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(place)),
                "{problems:?}"
            );
        }
        assert!(
            problems.iter().all(|problem| problem.len() <= 400),
            "{problems:?}"
        );
        let many = Form::of(&json!({ "items": { "type": "string" } })).unwrap();
        assert_eq!(
            many.problems(&json!((0..100).collect::<Vec<_>>())).len(),
            MOST_PROBLEMS
        );
    }

    #[test]
    fn a_schema_that_branches_at_every_level_is_judged_at_once() {
        let deep = |leaf: Value| (0..60).fold(leaf, |inner, _| json!({ "x": inner }));
        for word in ["allOf", "anyOf"] {
            let again = json!({ "properties": { "x": { "$ref": "#" } } });
            let form = Form::of(&json!({ "type": "object", word: [again, again] })).unwrap();
            let begun = Instant::now();
            assert!(form.problems(&deep(json!({}))).is_empty());
            assert_eq!(form.problems(&deep(json!(1))).len(), 1);
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        let endless = Form::of(&json!({ "allOf": [{ "$ref": "#" }, { "type": "string" }] })).unwrap();
        assert!(endless.problems(&json!("")).is_empty() && !endless.problems(&json!(1)).is_empty());
        let list =
            Form::of(&json!({ "properties": { "next": { "$ref": "#" }, "n": { "type": "integer" } } }))
                .unwrap();
        let document = (0..20).fold(json!({ "n": "x" }), |inner, _| json!({ "next": inner }));
        assert!(list.problems(&document)[0].contains("/next/next/n: "));
    }
}
