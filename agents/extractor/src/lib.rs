//! The agent that makes data of text: one JSON document that validates against the caller's schema, or a failure that
//! names what didn't. Never a document that doesn't validate.
//!
//! The model is held to the schema where its provider can do that, and asked in words anyway. What it says is checked
//! here, and what is wrong with it is shown to it a bounded number of times.

mod dialogue;
mod wish;

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::{ErrorCode, FinishReason, ModelAnswer, OutputFormat, ask_in_form, json_in};
use greenroom_schema::Schema;
use serde_json::Value;

use dialogue::Dialogue;
use wish::{Wish, bad, input_schema};

/// Its name.
pub const NAME: &str = "extractor";

/// Extracts a document of a given form from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extractor {
    /// Most tokens that a document may have.
    pub answer_tokens: u32,
}

impl Default for Extractor {
    fn default() -> Self {
        Self { answer_tokens: 2_000 }
    }
}

#[async_trait]
impl Agent for Extractor {
    fn card(&self) -> Card {
        let says = "Extracts from a text a JSON document that validates against a JSON Schema";
        let mut card = Card::new(NAME, env!("CARGO_PKG_VERSION"), says).skill("extract");
        card.input_schema = Some(input_schema());
        // Every caller's own.
        card.output_schema = Some(Value::Bool(true));
        card
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let wish = Wish::of(&task)?;
        let form = form(&wish.schema)?;
        let mut dialogue = Dialogue::new(&wish);
        let mut wrong = Vec::new();
        for _ in 0..=wish.max_repairs {
            let request = ModelRequest {
                messages: dialogue.messages(),
                max_tokens: Some(self.answer_tokens),
                temperature: Some(0.0),
                output: OutputFormat::JsonSchema {
                    name: "document".to_owned(),
                    schema: wish.schema.clone(),
                },
                ..ModelRequest::default()
            };
            let answer = match ask_in_form(&ctx, request).await {
                // With its first answer in it the conversation may have become too long: without it, then.
                Err(error) if error.code() == ErrorCode::BadUserInput && dialogue.forget() => continue,
                answer => answer?,
            };
            match document(&form, &answer) {
                Ok(document) => return Output::text(format!("{document:#}")).with_data(&document),
                Err(problems) => {
                    dialogue.repair(&answer.content, &problems);
                    wrong = problems;
                }
            }
        }
        Err(AgentError::new(format!(
            "the model was asked {} times and gave no document that validates: {}. Try another model, a simpler schema, \
             or more maxRepairs",
            wish.max_repairs + 1,
            wrong.join("; ")
        )))
    }
}

/// BAD_USER_INPUT with the place where it is no schema, or one that can't be used here.
fn form(schema: &Value) -> Result<Schema, AgentError> {
    if !schema.is_object() {
        return Err(bad("`schema` must be an object"));
    }
    Schema::compile(schema).map_err(|why| bad(&format!("`schema` {why}")))
}

/// The document an answer holds, or what is wrong with it.
fn document(form: &Schema, answer: &ModelAnswer) -> Result<Value, Vec<String>> {
    match answer.finish {
        FinishReason::Length => return Err(vec!["the document was cut off: make it shorter".to_owned()]),
        FinishReason::ContentFilter => return Err(vec!["the provider filtered the document".to_owned()]),
        FinishReason::Stop | FinishReason::ToolCalls => {}
    }
    let mut problems = Vec::new();
    for candidate in json_in(&answer.content) {
        let found = form.problems(&candidate);
        if found.is_empty() {
            return Ok(candidate);
        }
        if problems.is_empty() {
            problems = found;
        }
    }
    if problems.is_empty() {
        problems.push("there is no JSON in the answer".to_owned());
    }
    Err(problems)
}

#[cfg(test)]
mod tests {
    use greenroom_agent_sdk::Usage;
    use serde_json::json;

    use super::*;

    fn said(content: &str, finish: FinishReason) -> ModelAnswer {
        ModelAnswer {
            content: content.to_owned(),
            reasoning: Vec::new(),
            tool_calls: Vec::new(),
            finish,
            usage: Usage::default(),
            provider: "p".to_owned(),
            model: "m".to_owned(),
        }
    }

    #[test]
    fn a_schema_that_cannot_be_used_is_bad_input_with_its_place() {
        for (schema, named) in [
            (json!(true), "must be an object"),
            (
                json!({ "items": { "$ref": "b.json" } }),
                "`schema` refers to `b.json` at `/items/$ref`",
            ),
        ] {
            let error = form(&schema).err().unwrap();
            assert_eq!(error.code(), ErrorCode::BadUserInput);
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn the_first_candidate_that_validates_is_the_document_and_a_cut_answer_holds_none() {
        let schema =
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } });
        let form = form(&schema).unwrap();
        let of = |content, finish| document(&form, &said(content, finish));
        let stop = FinishReason::Stop;
        assert_eq!(
            of("I set {\"b\": 1} aside: {\"a\": 2}", stop),
            Ok(json!({ "a": 2 }))
        );
        let wrong = of("{\"a\": \"x\"}", stop).unwrap_err();
        assert!(wrong[0].starts_with("/a: "), "{wrong:?}");
        assert!(of("no idea", stop).unwrap_err()[0].contains("no JSON"));
        assert!(of("{\"a\": 2}", FinishReason::Length).unwrap_err()[0].contains("cut off"));
    }
}
