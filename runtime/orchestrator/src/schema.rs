//! The JSON Schemas of an agent's card, compiled once a card: its input is checked before work is accepted, its data
//! before an answer counts.
//!
//! A schema comes from an agent's host and is bounded: in bytes, in depth, and in what its patterns may cost (they
//! are matched in linear time, so that look-around and back-references are refused). Nothing it refers to is fetched.

use std::sync::Arc;

use greenroom_kernel::AgentCard;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The longest schema, as JSON text.
const SCHEMA_BYTES: usize = 64 * 1024;
/// The deepest nesting of one.
const SCHEMA_DEPTH: usize = 64;
/// How much memory one compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;
/// A longer text is checked beside the async threads.
const AT_ONCE: usize = 64 * 1024;
/// How many bytes of what is wrong are told.
const TELLS: usize = 512;

/// What an agent takes and what it gives, where its card says so.
pub(crate) struct Contract {
    input: Option<Schema>,
    output: Option<Schema>,
}

/// Which side of a contract.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Input,
    Output,
}

struct Schema(Validator);

impl Contract {
    /// The contract of a card; none where it has no schemas.
    ///
    /// # Errors
    /// Says which schema is no valid JSON Schema, refers to something outside itself, or is too large.
    pub(crate) fn of(card: &AgentCard) -> Result<Option<Arc<Self>>, String> {
        let compile = |schema: &Option<Value>, which: &str| {
            let compiled = schema.as_ref().map(Schema::compile).transpose();
            compiled.map_err(|why| format!("its {which} schema is refused: {why}"))
        };
        let input = compile(&card.input_schema, "input")?;
        let output = compile(&card.output_schema, "output")?;
        let any = input.is_some() || output.is_some();
        Ok(any.then(|| Arc::new(Self { input, output })))
    }

    /// Checks a JSON text against one side.
    ///
    /// # Errors
    /// Names the JSON pointer of the first thing that is wrong, and what it should be.
    pub(crate) async fn check(self: &Arc<Self>, side: Side, text: &str) -> Result<(), String> {
        if self.schema(side).is_none() {
            return Ok(());
        }
        if text.len() <= AT_ONCE {
            return self.check_now(side, text);
        }
        let (contract, text) = (Arc::clone(self), text.to_owned());
        let checked = tokio::task::spawn_blocking(move || contract.check_now(side, &text));
        checked
            .await
            .unwrap_or_else(|error| Err(format!("it could not be checked: {error}")))
    }

    fn schema(&self, side: Side) -> Option<&Schema> {
        match side {
            Side::Input => self.input.as_ref(),
            Side::Output => self.output.as_ref(),
        }
    }

    fn check_now(&self, side: Side, text: &str) -> Result<(), String> {
        self.schema(side).map_or(Ok(()), |schema| schema.check(text))
    }
}

impl Schema {
    fn compile(schema: &Value) -> Result<Self, String> {
        let bytes = schema.to_string().len();
        if bytes > SCHEMA_BYTES {
            return Err(format!("it has {bytes} bytes, more than {SCHEMA_BYTES}"));
        }
        if depth(schema) > SCHEMA_DEPTH {
            return Err(format!("it is nested deeper than {SCHEMA_DEPTH}"));
        }
        jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
            .build(schema)
            .map(Self)
            .map_err(|error| format!("at {}: {}", pointer(error.instance_path().as_str()), told(&error)))
    }

    fn check(&self, text: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        self.0.validate(&value).map_err(|error| {
            // The value itself is not repeated: it may be large, and is nobody else's business.
            let place = pointer(error.instance_path().as_str());
            format!("at {place}: {}", told(&error.masked()))
        })
    }
}

/// The empty pointer means the whole: it is named in words.
fn pointer(path: &str) -> String {
    if path.is_empty() {
        "its root".to_owned()
    } else {
        short(path)
    }
}

fn told(what: &dyn std::fmt::Display) -> String {
    short(&what.to_string())
}

fn short(text: &str) -> String {
    if text.len() <= TELLS {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TELLS)])
}

/// How deep a value is nested, as far as that matters here.
fn depth(value: &Value) -> usize {
    fn below<'a>(values: impl Iterator<Item = &'a Value>) -> usize {
        1 + values.map(depth).max().unwrap_or(0)
    }
    match value {
        Value::Array(items) => below(items.iter()),
        Value::Object(fields) => below(fields.values()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::AgentName;
    use serde_json::json;

    use super::*;

    fn card(input: Value) -> AgentCard {
        AgentCard {
            name: AgentName::parse("helper").unwrap(),
            version: "1".into(),
            description: String::new(),
            skills: Vec::new(),
            input_schema: Some(input),
            output_schema: None,
        }
    }

    fn refusal(schema: Value) -> String {
        Contract::of(&card(schema)).err().expect("it is refused")
    }

    async fn checked(schema: Value, text: &str) -> Result<(), String> {
        let contract = Contract::of(&card(schema)).unwrap().unwrap();
        contract.check(Side::Input, text).await
    }

    #[test]
    fn a_card_without_schemas_has_no_contract() {
        let bare = AgentCard {
            input_schema: None,
            ..card(json!(true))
        };
        assert!(Contract::of(&bare).unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_by_its_pointer_without_the_value() {
        let schema = json!({
            "type": "object",
            "properties": { "items": { "type": "array", "items": { "type": "integer" } } },
            "required": ["items"],
        });
        assert_eq!(checked(schema.clone(), r#"{"items":[1,2]}"#).await, Ok(()));
        let why = checked(schema.clone(), r#"{"items":[1,"secret"]}"#)
            .await
            .unwrap_err();
        assert!(why.contains("/items/1") && why.contains("integer"), "{why}");
        assert!(!why.contains("secret"), "{why}");
        let why = checked(schema.clone(), "{}").await.unwrap_err();
        assert!(why.contains("its root") && why.contains("items"), "{why}");
        let why = checked(schema.clone(), "{").await.unwrap_err();
        assert!(why.contains("no JSON"), "{why}");
        let long = format!(r#"{{"items":["{}"]}}"#, "x".repeat(2 * AT_ONCE));
        let why = checked(schema, &long).await.unwrap_err();
        assert!(why.contains("/items/0") && why.len() < 2 * TELLS, "{why}");
        assert!(checked(json!(true), "no JSON").await.is_err());
    }

    #[tokio::test]
    async fn a_contract_of_one_side_says_nothing_of_the_other() {
        let contract = Contract::of(&card(json!(false))).unwrap().unwrap();
        assert_eq!(contract.check(Side::Output, "1").await, Ok(()));
        assert!(contract.check(Side::Input, "1").await.is_err());
    }

    #[test]
    fn a_schema_that_is_none_or_reaches_outside_is_refused_by_its_place() {
        let why = refusal(json!({ "properties": { "a": { "type": "number of things" } } }));
        assert!(
            why.contains("input schema") && why.contains("/properties/a/type"),
            "{why}"
        );
        for outside in [
            "https://example.com/s.json",
            "file:///etc/passwd",
            "#/$defs/nowhere",
        ] {
            let why = refusal(json!({ "$ref": outside }));
            assert!(why.contains("input schema"), "{outside}: {why}");
        }
        refusal(json!({ "pattern": "(a)\\1" }));
        refusal(json!({ "pattern": "a{1000}{1000}{1000}" }));
    }

    #[test]
    fn a_schema_too_large_or_too_deep_is_refused() {
        let long = refusal(json!({ "description": "x".repeat(SCHEMA_BYTES) }));
        assert!(long.contains("bytes"), "{long}");
        let mut deep = json!(true);
        for _ in 0..SCHEMA_DEPTH {
            deep = json!({ "items": deep });
        }
        let why = refusal(json!({ "items": deep }));
        assert!(why.contains("nested"), "{why}");
    }

    #[tokio::test]
    async fn a_schema_that_refers_to_itself_ends() {
        let tree = json!({
            "type": "object",
            "properties": { "below": { "$ref": "#" } },
            "additionalProperties": false,
        });
        assert_eq!(checked(tree.clone(), r#"{"below":{"below":{}}}"#).await, Ok(()));
        let why = checked(tree, r#"{"below":{"below":{"x":1}}}"#).await.unwrap_err();
        assert!(why.contains("/below/below"), "{why}");
        for endless in [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#/$defs/a" }], "$defs": { "a": { "anyOf": [{ "$ref": "#" }] } } }),
        ] {
            if let Ok(Some(contract)) = Contract::of(&card(endless)) {
                let _ = contract.check(Side::Input, "[{}]").await;
            }
        }
    }
}
