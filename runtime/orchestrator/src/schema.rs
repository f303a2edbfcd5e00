//! The JSON Schemas of an agent's card, compiled once a card: its input is checked before work is accepted, its data
//! before an answer counts. They are bounded by `greenroom-schema`.

use std::sync::Arc;

use greenroom_kernel::AgentCard;
use greenroom_schema::Schema;
use serde_json::Value;

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

impl Contract {
    /// The contract of a card, compiled beside the async threads: large patterns take their time.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) async fn compiled(card: &AgentCard) -> Result<Option<Arc<Self>>, String> {
        if card.input_schema.is_none() && card.output_schema.is_none() {
            return Ok(None);
        }
        let card = card.clone();
        let compiled = tokio::task::spawn_blocking(move || Self::of(&card));
        compiled
            .await
            .unwrap_or_else(|error| Err(format!("it could not be compiled: {error}")))
    }

    /// The contract of a card; none where it has no schemas.
    ///
    /// # Errors
    /// Says which schema is refused, and why.
    pub(crate) fn of(card: &AgentCard) -> Result<Option<Arc<Self>>, String> {
        let compile = |schema: &Option<Value>, which: &str| {
            let compiled = schema.as_ref().map(Schema::compile).transpose();
            compiled.map_err(|why| format!("its {which} schema {why}"))
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
        let Some(schema) = self.schema(side) else {
            return Ok(());
        };
        if schema.is_quick(text.len()) {
            return schema.check(text);
        }
        let (contract, text) = (Arc::clone(self), text.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            contract.schema(side).map_or(Ok(()), |schema| schema.check(&text))
        });
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
        let long = format!(r#"{{"items":["{}"]}}"#, "x".repeat(128 * 1024));
        let why = checked(schema, &long).await.unwrap_err();
        assert!(why.contains("/items/0") && why.len() < 1024, "{why}");
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
    fn a_small_schema_that_stands_for_an_immense_one_is_refused() {
        let both = |next: String| json!({ "allOf": [{ "$ref": next }, { "$ref": next }] });
        let mut parts: serde_json::Map<_, _> = (0..32)
            .map(|i| (format!("a{i}"), both(format!("#/$defs/a{}", i + 1))))
            .collect();
        parts.insert("a32".to_owned(), json!({ "type": "string" }));
        let why = refusal(json!({ "$defs": parts, "$ref": "#/$defs/a0" }));
        assert!(why.contains("input schema refers to its parts so often"), "{why}");
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
