//! How much to think, in the steps that a model knows.

use greenroom_kernel::{Effort, ReasoningWish};

/// The steps, from none at all upwards, and their words.
const STEPS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Whether the model thinks at all; of models on other servers than OpenAI's nobody knows, and they may.
pub(crate) fn thinks(model: &str, is_openai: bool) -> bool {
    !known(model, is_openai).is_empty()
}

/// The nearest step that the model knows; of two as near the lower, which costs less. None where nothing is to be said:
/// a model that doesn't think refuses the word, and so do other servers than OpenAI's for such models, so that a caller
/// who wants no thinking says nothing there.
pub(crate) fn step(wish: ReasoningWish, model: &str, is_openai: bool) -> Option<&'static str> {
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
    if wanted == 0 && !is_openai {
        return None;
    }
    let known = known(model, is_openai);
    let nearest = known.iter().min_by_key(|step| (step.abs_diff(wanted), **step))?;
    Some(STEPS[*nearest])
}

/// Places in [`STEPS`]. Of OpenAI's models those that came first know fewer; a name that is not known here is a newer one.
/// Those that don't think know none. Other servers know three steps.
fn known(model: &str, is_openai: bool) -> &'static [usize] {
    // A fine-tuned model is called `ft:BASE:…`.
    let base = model.strip_prefix("ft:").unwrap_or(model);
    let is = |name: &str| base.strip_prefix(name).is_some_and(|rest| !rest.starts_with('.'));
    match base {
        _ if !is_openai => &[2, 3, 4],
        _ if ["gpt-4", "gpt-3.5", "chatgpt", "gpt-5-chat"]
            .iter()
            .any(|name| base.starts_with(name)) =>
        {
            &[]
        }
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
        let step = |wish, model: &str, is_openai| step(wish, model, is_openai).unwrap();
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
            [Minimal, Low, Medium, High, Max].map(other),
            ["low", "low", "medium", "high", "high"]
        );
    }

    #[test]
    fn a_model_that_does_not_think_is_told_nothing_of_it() {
        let wishes = [ReasoningWish::Off, ReasoningWish::Effort(Effort::High)];
        for model in [
            "gpt-4",
            "gpt-4-turbo",
            "gpt-4o-mini",
            "gpt-4.1",
            "gpt-4.5-preview",
            "gpt-3.5-turbo",
            "chatgpt-4o-latest",
            "gpt-5-chat-latest",
            "ft:gpt-4o:us",
        ] {
            assert_eq!(
                wishes.map(|wish| step(wish, model, true)),
                [None, None],
                "{model}"
            );
            assert!(!thinks(model, true), "{model}");
            assert!(thinks(model, false), "{model}");
        }
        assert!(thinks("gpt-5-mini", true) && thinks("o3", true));
    }

    #[test]
    fn another_server_is_told_nothing_where_nobody_should_think() {
        for wish in [ReasoningWish::Off, ReasoningWish::Tokens(0)] {
            assert_eq!(step(wish, "qwen3", false), None);
        }
    }

    #[test]
    fn a_budget_of_tokens_becomes_a_step() {
        let step = |tokens| step(ReasoningWish::Tokens(tokens), "gpt-5.2", true).unwrap();
        assert_eq!(
            [0, 1024, 8000, 32_000, 100_000].map(step),
            ["none", "low", "medium", "high", "xhigh"]
        );
    }
}
