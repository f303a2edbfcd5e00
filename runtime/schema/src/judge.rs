//! A schema refused with the place of what is wrong with it, or the judge of documents.

use std::fmt;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::bounds::Bounds;
use crate::weight::weigh;

/// The largest schema, in bytes of JSON.
const LARGEST: usize = 64 * 1024;

/// How much memory one compiled pattern may take, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// How many places a validation may visit for one place of the document.
const HEAVIEST: u64 = 100_000;

/// How many places may be visited to tell what is wrong with a document. Whether it validates is found out cheaply
/// in any case.
const LIGHT: u64 = 20_000;

/// A longer text is not judged between other work.
const SHORT: usize = 64 * 1024;

/// How many places may be visited for that, if a text had one in each byte.
const QUICK: u64 = 1 << 20;

/// How many problems are told, and how much of each, in bytes.
const MOST_PROBLEMS: usize = 10;
const LONGEST_PROBLEM: usize = 300;

/// A schema that documents are judged by.
pub struct Schema {
    validator: Validator,
    schema: Value,
    weight: u64,
}

/// Why a schema is not taken: a clause whose subject is the schema, with the JSON pointer of what is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(&self.0, 2 * LONGEST_PROBLEM))
    }
}

impl std::error::Error for Refusal {}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// It is no JSON Schema, has more than 64 KiB, 64 levels or 128 patterns, a pattern that is no linear-time one or
    /// needs more than 1 MiB, a reference to anything but its own parts (by `#` or `#/…`), or so many references that
    /// a check would visit more than 100,000 places for one of the document.
    pub fn compile(schema: &Value) -> Result<Self, Refusal> {
        let size = schema.to_string().len();
        if size > LARGEST {
            return Err(Refusal(format!("has {size} bytes; at most {LARGEST} are taken")));
        }
        Bounds::hold(schema).map_err(Refusal)?;
        let weight = weigh(schema, 0, HEAVIEST);
        if weight > HEAVIEST {
            let why = "refers to its parts so often that nobody could check a document against it";
            return Err(Refusal(why.to_owned()));
        }
        let patterns = PatternOptions::regex().size_limit(LARGEST_PATTERN);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            .offline()
            .build(schema)
            .map_err(|error| {
                let place = match error.instance_path().as_str() {
                    "" => error.schema_path().as_str().to_owned(),
                    place => place.to_owned(),
                };
                let what = short(&error.to_string(), LONGEST_PROBLEM);
                Refusal(format!(
                    "is no JSON Schema that is known here: at `{place}`: {what}"
                ))
            })?;
        Ok(Self {
            validator,
            schema: schema.clone(),
            weight,
        })
    }

    /// Whether a text of that many bytes is judged so quickly that an async thread may do it.
    pub fn is_quick(&self, bytes: usize) -> bool {
        let places = u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.weight);
        bytes <= SHORT && places <= QUICK
    }

    /// Checks a JSON text. What it holds is not repeated: it may be large, and is nobody else's business.
    ///
    /// # Errors
    /// Names the JSON pointer of the first thing that is wrong, and what it should be.
    pub fn check(&self, text: &str) -> Result<(), String> {
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        if self.validator.is_valid(&document) {
            return Ok(());
        }
        if !self.tells_of(&document) {
            return Err("it does not validate".to_owned());
        }
        self.validator.validate(&document).map_err(|error| {
            let place = match error.instance_path().as_str() {
                "" => "its root".to_owned(),
                place => short(place, LONGEST_PROBLEM),
            };
            format!(
                "at {place}: {}",
                short(&error.masked().to_string(), LONGEST_PROBLEM)
            )
        })
    }

    /// What is wrong with a document, each with its place as a JSON pointer and the value found there; nothing where
    /// it validates. At most ten problems are told.
    pub fn problems(&self, document: &Value) -> Vec<String> {
        if self.validator.is_valid(document) {
            return Vec::new();
        }
        if !self.tells_of(document) {
            return vec!["the document: it does not validate".to_owned()];
        }
        let errors = self.validator.iter_errors(document);
        errors.take(MOST_PROBLEMS).map(|error| told(&error)).collect()
    }

    /// Whether finding out what is wrong with a document is bounded.
    fn tells_of(&self, document: &Value) -> bool {
        weigh(&self.schema, depth(document), LIGHT) <= LIGHT
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

fn told(error: &ValidationError<'_>) -> String {
    let place = match error.instance_path().as_str() {
        "" => "the document".to_owned(),
        place => short(place, LONGEST_PROBLEM),
    };
    format!("{place}: {}", short(&error.to_string(), LONGEST_PROBLEM))
}

fn short(text: &str, at_most: usize) -> String {
    match text.len() > at_most {
        true => format!("{}…", &text[..text.floor_char_boundary(at_most)]),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(schema: &Value, named: &str) {
        let refusal = Schema::compile(schema).err().unwrap().to_string();
        assert!(refusal.contains(named), "{refusal}");
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!({}), |inner, _| json!({ "not": inner }))
    }

    #[test]
    fn what_is_no_schema_is_refused_with_its_place() {
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
        let old = "http://json-schema.org/draft-04/schema#";
        refused(
            &json!({ "$schema": old, "items": { "id": "http://a.example" } }),
            "/items/id",
        );
        // A property may be called so.
        let named = json!({ "properties": { "$ref": { "type": "string" }, "$id": { "type": "string" } } });
        assert!(Schema::compile(&named).is_ok());
    }

    #[test]
    fn a_schema_too_large_too_deep_or_too_tangled_is_refused() {
        refused(&json!({ "description": "x".repeat(LARGEST) }), "bytes");
        refused(&nested(65), "deeper than 64");
        assert!(Schema::compile(&nested(64)).is_ok());
        let both = |next: String| json!({ "allOf": [{ "$ref": next }, { "$ref": next }] });
        let mut parts: serde_json::Map<_, _> = (0..40)
            .map(|i| (format!("p{i}"), both(format!("#/$defs/p{}", i + 1))))
            .collect();
        parts.insert("p40".to_owned(), json!({ "type": "string" }));
        refused(&json!({ "$defs": parts, "$ref": "#/$defs/p0" }), "so often");
        let hidden = json!({ "$defs": parts, "$ref": "#/$defs/p0" })
            .to_string()
            .replace("#/$defs/p", "#/%24defs/%70");
        refused(&serde_json::from_str(&hidden).unwrap(), "so often");
        let patterns: serde_json::Map<_, _> = (0..129).map(|i| (format!("a{i}"), json!(true))).collect();
        refused(&json!({ "patternProperties": patterns }), "/patternProperties");
        refused(&json!({ "pattern": "(a)\\1" }), "/pattern");
        refused(&json!({ "pattern": "a{1000}{1000}{1000}" }), "/pattern");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_without_the_text() {
        let schema =
            Schema::compile(&json!({ "properties": { "a": { "type": "integer" } }, "required": ["a"] }));
        let schema = schema.unwrap();
        assert_eq!(schema.check(r#"{"a":1}"#), Ok(()));
        let why = schema.check(r#"{"a":"secret"}"#).unwrap_err();
        assert!(
            why.contains("/a") && why.contains("integer") && !why.contains("secret"),
            "{why}"
        );
        assert!(schema.check("{}").unwrap_err().contains("its root"));
        assert!(schema.check("{").unwrap_err().contains("no JSON"));
        let why = schema
            .check(&format!(r#"{{"a":"{}"}}"#, "x".repeat(SHORT)))
            .unwrap_err();
        assert!(why.len() < 2 * LONGEST_PROBLEM, "{why}");
    }

    #[test]
    fn a_short_text_is_judged_quickly_by_a_light_schema_only() {
        let light = Schema::compile(&json!({ "type": "object" })).unwrap();
        assert!(light.is_quick(SHORT) && !light.is_quick(SHORT + 1));
        let parts: Vec<_> = (0..1_000).map(|i| json!({ "const": i })).collect();
        let heavy = Schema::compile(&json!({ "items": { "anyOf": parts } })).unwrap();
        assert!(heavy.is_quick(100) && !heavy.is_quick(SHORT));
    }

    #[test]
    fn every_problem_of_a_document_is_told_with_its_pointer_up_to_a_bound() {
        let schema = json!({ "type": "object", "required": ["b"], "additionalProperties": false,
            "properties": { "a": { "type": "integer" }, "b": {}, "c": { "items": { "maximum": 1 } } } });
        let form = Schema::compile(&schema).unwrap();
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
        let many = Schema::compile(&json!({ "items": { "type": "string" } })).unwrap();
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
            let form = Schema::compile(&json!({ "type": "object", word: [again, again] })).unwrap();
            let begun = Instant::now();
            assert!(form.problems(&deep(json!({}))).is_empty());
            assert_eq!(form.problems(&deep(json!(1))).len(), 1);
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        let endless = Schema::compile(&json!({ "allOf": [{ "$ref": "#" }, { "type": "string" }] })).unwrap();
        assert!(endless.problems(&json!("")).is_empty() && !endless.problems(&json!(1)).is_empty());
        let list = Schema::compile(
            &json!({ "properties": { "next": { "$ref": "#" }, "n": { "type": "integer" } } }),
        )
        .unwrap();
        let document = (0..20).fold(json!({ "n": "x" }), |inner, _| json!({ "next": inner }));
        assert!(list.problems(&document)[0].contains("/next/next/n: "));
    }
}
