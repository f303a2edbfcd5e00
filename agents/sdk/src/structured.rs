//! JSON from a model, whether or not its provider can hold it to a form.

use greenroom_kernel::{ErrorCode, ModelAnswer, ModelRequest, OutputFormat};
use serde_json::Value;

use crate::{AgentError, Context};

/// How many places of an answer are tried as the beginning of a JSON value.
const BEGINNINGS: usize = 64;

/// Asks for an answer in the request's form; where that fails as a provider does that doesn't know the form, asks
/// once more without it. So the messages say in words too what is wanted, and the caller checks what comes.
///
/// # Errors
/// As the model call, of the second where two were made. A conversation that is too long fails both times.
pub async fn ask_in_form(ctx: &Context, mut request: ModelRequest) -> Result<ModelAnswer, AgentError> {
    let error = match ctx.model(request.clone()).await {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    // Nothing in a failure tells a refused form from a conversation too long, and some servers break on a form
    // instead of refusing it: only asking tells.
    let may_be_the_form = matches!(error.code(), ErrorCode::BadUserInput | ErrorCode::ProviderFailed);
    if request.output.is_text() || !may_be_the_form {
        return Err(error);
    }
    request.output = OutputFormat::Text;
    ctx.model(request).await
}

/// The JSON values that a model's text may mean, the likeliest first: the whole text, what stands in its fences,
/// then whatever object or list begins anywhere in it. Never more than a few dozen.
pub fn json_in(text: &str) -> Vec<Value> {
    let whole = serde_json::from_str(text.trim());
    if let Ok(value) = whole {
        return vec![value];
    }
    let mut found: Vec<Value> = fences(text)
        .filter_map(|inside| serde_json::from_str(inside.trim()).ok())
        .collect();
    let mut from = 0;
    for _ in 0..BEGINNINGS {
        let rest = text.get(from..).unwrap_or_default();
        let Some(at) = rest.find(['{', '[']) else { break };
        let begun = rest.get(at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(begun).into_iter::<Value>();
        from += at
            + match values.next() {
                Some(Ok(value)) => {
                    found.push(value);
                    values.byte_offset()
                }
                _ => 1,
            };
    }
    found
}

/// What stands between pairs of three backticks, without the language behind the first of a pair.
fn fences(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").skip(1).step_by(2).map(|inside| {
        let begins = inside.find(['{', '[', '"', '\n']).unwrap_or(0);
        inside.get(begins..).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_found_bare_fenced_and_in_prose() {
        assert_eq!(json_in(" {\"a\": 1}\n"), [json!({ "a": 1 })]);
        assert_eq!(json_in("\"text\""), [json!("text")]);
        let fenced = "Sure! Here it is:\n```json\n{\"a\": [1, 2]}\n```\nAnything else?";
        assert_eq!(json_in(fenced).first(), Some(&json!({ "a": [1, 2] })));
        let prose = "The set {x} holds [1]. The answer is {\"a\": {\"b\": \"}\"}} as asked.";
        assert_eq!(json_in(prose), [json!([1]), json!({ "a": { "b": "}" } })]);
    }

    #[test]
    fn text_without_json_or_with_half_of_it_holds_none() {
        for text in ["", "no idea", "{\"a\": 1", "```json\n{\"a\":\n```", "{]"] {
            assert_eq!(json_in(text), Vec::<Value>::new(), "{text}");
        }
    }

    #[test]
    fn a_text_of_brackets_costs_a_bounded_number_of_tries() {
        let text = "[".repeat(1_000_000);
        assert_eq!(json_in(&text), Vec::<Value>::new());
    }
}
