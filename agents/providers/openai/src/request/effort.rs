//! How much to think, in the steps that a model knows.

use greenroom_kernel::{Effort, ReasoningWish};

/// The steps, from none at all upwards, and their words.
const STEPS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The nearest step that the model knows; of two as near the lower, which costs less.
pub(crate) fn step(wish: ReasoningWish, model: &str, is_openai: bool) -> &'static str {
    let wanted = match wish {
        ReasoningWish::Off => 0,
        ReasoningWish::Effort(Effort::Minimal) => 1,
        ReasoningWish::Effort(Effort::Low) => 2,
        ReasoningWish::Effort(Effort::Medium) => 3,
        ReasoningWish::Effort(Effort::High) => 4,
        ReasoningWish::Effort(Effort::XHigh) => 5,
        ReasoningWish::Effort(Effort::Max) => 6,
        // The wire has no word for a budget. The borders are those that other gateways draw.
        ReasoningWish::Tokens(tokens) => match tokens {
            0 => 0,
            1..1024 => 1,
            1024..4096 => 2,
            4096..16_384 => 3,
            16_384..65_536 => 4,
            65_536.. => 5,
        },
    };
    let known = known(model, is_openai);
    let nearest = known.iter().min_by_key(|step| (step.abs_diff(wanted), **step));
    STEPS[*nearest.unwrap_or(&3)]
}

/// Places in [`STEPS`]. Of OpenAI's models those that came first know fewer; a name that is not known here is a newer one.
/// Other servers know three steps and whether to think at all.
fn known(model: &str, is_openai: bool) -> &'static [usize] {
    // A fine-tuned model is called `ft:BASE:…`.
    let base = model.strip_prefix("ft:").unwrap_or(model);
    let is = |name: &str| base.strip_prefix(name).is_some_and(|rest| !rest.starts_with('.'));
    match base {
        _ if !is_openai => &[0, 2, 3, 4],
        _ if is("gpt-5-pro") => &[4],
        _ if is("gpt-5") => &[1, 2, 3, 4],
        _ if is("gpt-5.1-codex-max") => &[0, 2, 3, 4, 5],
        _ if is("gpt-5.1") => &[0, 2, 3, 4],
        _ if is("o1") || is("o3") || is("o4") => &[2, 3, 4],
        _ if base.contains("-pro") => &[3, 4, 5],
        _ if ["gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5"].into_iter().any(is) => &[0, 2, 3, 4, 5],
        _ => &[0, 2, 3, 4, 5, 6],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_step_that_the_model_knows_is_taken() {
        use Effort::{High, Low, Max, Medium, Minimal, XHigh};
        let openai = |model: &str, effort| step(ReasoningWish::Effort(effort), model, true);
        assert_eq!(openai("gpt-5-mini", Minimal), "minimal");
        assert_eq!(openai("gpt-5.1", Minimal), "none");
        assert_eq!(openai("gpt-5.2", XHigh), "xhigh");
        assert_eq!(openai("gpt-5.4-mini", Max), "xhigh");
        assert_eq!(openai("gpt-5.6-sol", Max), "max");
        assert_eq!(openai("gpt-5.2-pro", Low), "medium");
        assert_eq!(openai("o3-mini", Max), "high");
        assert_eq!(openai("ft:o3-mini:us", Minimal), "low");
        assert_eq!(openai("gpt-5-pro", Low), "high");
        assert_eq!(step(ReasoningWish::Off, "gpt-5", true), "minimal");
        assert_eq!(step(ReasoningWish::Off, "o1", true), "low");
        let other = |effort| step(ReasoningWish::Effort(effort), "gpt-5", false);
        assert_eq!(
            [Low, Medium, High, Max].map(other),
            ["low", "medium", "high", "high"]
        );
        assert_eq!(step(ReasoningWish::Off, "qwen3", false), "none");
    }

    #[test]
    fn a_budget_of_tokens_becomes_a_step() {
        let step = |tokens| step(ReasoningWish::Tokens(tokens), "gpt-5.2", true);
        assert_eq!(
            [0, 1024, 8000, 32_000, 100_000].map(step),
            ["none", "low", "medium", "high", "xhigh"]
        );
    }
}
