//! Who is asked what.

use greenroom_agent_sdk::{
    AgentError, Context, ErrorCode, ModelMessage, ModelRequest, ModelRole, OutputFormat, ask_in_form, json_in,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wish::Wish;

const SYSTEM: &str = "You plan research. You cut a question into parts and choose who of the given agents is asked \
                      each. Every part must make sense alone: the agents see nothing else. Answer with JSON only.";

/// The longest part of a question, in bytes.
const LONGEST: usize = 8_000;

/// The most tokens a plan may have.
const PLAN_TOKENS: u32 = 1_500;

/// A part of the question, and who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Part {
    pub(crate) agent: String,
    pub(crate) question: String,
}

#[derive(Deserialize)]
struct Plan {
    parts: Vec<Part>,
}

/// The parts of a question by a model's plan; where it makes none in two tries, or finds the question too long, the
/// whole question for every agent.
pub(crate) async fn plan(ctx: &Context, wish: &Wish) -> Result<Vec<Part>, AgentError> {
    let ask = format!(
        "Question:\n{}\n\nAgents: {}.\nCut the question into 1 to {} parts, fewer where fewer do. Answer as \
         {{\"parts\": [{{\"agent\": \"one of the agents\", \"question\": \"the part\"}}]}}.",
        wish.question,
        wish.agents.join(", "),
        wish.max_parts
    );
    let mut messages = vec![
        ModelMessage::text(ModelRole::System, SYSTEM),
        ModelMessage::text(ModelRole::User, ask),
    ];
    for _ in 0..2 {
        let request = ModelRequest {
            messages: messages.clone(),
            max_tokens: Some(PLAN_TOKENS),
            temperature: Some(0.0),
            output: OutputFormat::JsonSchema {
                name: "plan".to_owned(),
                schema: schema(wish),
            },
            ..ModelRequest::default()
        };
        let answer = match ask_in_form(ctx, request).await {
            Ok(answer) => answer,
            // Too long for the planner: those who are asked may have a way with it.
            Err(error) if error.code() == ErrorCode::BadUserInput => break,
            Err(error) => return Err(error),
        };
        match read(&answer.content, wish) {
            Ok(parts) => return Ok(parts),
            Err(wrong) => {
                let again = format!(
                    "That is no plan: {wrong}. Answer with the whole plan, corrected, as JSON alone."
                );
                let said = &answer.content[..answer.content.floor_char_boundary(LONGEST)];
                messages.truncate(2);
                messages.push(ModelMessage::text(ModelRole::Assistant, said));
                messages.push(ModelMessage::text(ModelRole::User, again));
            }
        }
    }
    let whole = |agent: &String| Part {
        agent: agent.clone(),
        question: wish.question.clone(),
    };
    Ok(wish.agents.iter().take(wish.max_parts).map(whole).collect())
}

fn schema(wish: &Wish) -> Value {
    json!({
        "type": "object",
        "properties": { "parts": {
            "type": "array",
            "minItems": 1,
            "maxItems": wish.max_parts,
            "items": {
                "type": "object",
                "properties": {
                    "agent": { "type": "string", "enum": wish.agents },
                    "question": { "type": "string", "minLength": 1, "maxLength": 500 },
                },
                "required": ["agent", "question"],
                "additionalProperties": false,
            },
        } },
        "required": ["parts"],
        "additionalProperties": false,
    })
}

/// The plan that a text holds, or what is wrong with it.
fn read(text: &str, wish: &Wish) -> Result<Vec<Part>, String> {
    let plans = json_in(text).into_iter().map(serde_json::from_value::<Plan>);
    let mut wrong = "there is no JSON object with `parts` in it".to_owned();
    for plan in plans {
        match plan
            .map_err(|error| error.to_string())
            .and_then(|plan| checked(plan.parts, wish))
        {
            Ok(parts) => return Ok(parts),
            Err(why) => wrong = why,
        }
    }
    Err(wrong)
}

fn checked(parts: Vec<Part>, wish: &Wish) -> Result<Vec<Part>, String> {
    if !(1..=wish.max_parts).contains(&parts.len()) {
        return Err(format!(
            "it has {} parts instead of 1 to {}",
            parts.len(),
            wish.max_parts
        ));
    }
    for (index, part) in parts.iter().enumerate() {
        if !wish.agents.contains(&part.agent) {
            let agent = &part.agent[..part.agent.floor_char_boundary(80)];
            return Err(format!(
                "/parts/{index}/agent: {agent:?} is none of {}",
                wish.agents.join(", ")
            ));
        }
        if part.question.trim().is_empty() || part.question.len() > LONGEST {
            return Err(format!(
                "/parts/{index}/question: it has no text or more than {LONGEST} bytes"
            ));
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        Wish {
            question: "why?".to_owned(),
            agents: vec!["a".to_owned(), "b".to_owned()],
            max_parts: 2,
        }
    }

    #[test]
    fn a_plan_is_found_in_prose_too() {
        let parts = read(
            "Sure: {\"parts\": [{\"agent\": \"b\", \"question\": \"q\"}]}.",
            &wish(),
        )
        .unwrap();
        assert_eq!(
            parts,
            [Part {
                agent: "b".to_owned(),
                question: "q".to_owned()
            }]
        );
    }

    #[test]
    fn a_plan_with_strangers_too_many_parts_or_nothing_to_ask_is_none() {
        let part = |agent: &str, question: &str| json!({ "agent": agent, "question": question });
        for (parts, named) in [
            (json!([part("c", "q")]), "/parts/0/agent"),
            (json!([part("a", "q"), part("a", " ")]), "/parts/1/question"),
            (json!([]), "0 parts"),
            (json!([part("a", "q"), part("a", "q"), part("a", "q")]), "3 parts"),
            (json!("all"), "sequence"),
        ] {
            let wrong = read(&json!({ "parts": parts }).to_string(), &wish()).unwrap_err();
            assert!(wrong.contains(named), "{wrong}");
        }
        assert!(read("no idea", &wish()).unwrap_err().contains("no JSON"));
    }
}
