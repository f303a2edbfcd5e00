//! What a model of this wire takes, by its name.

use greenroom_provider_claude::{Off, Sampling, Takes, Thinks};

/// What is no Claude is another server's model, of which nothing is known: it is sent whatever the wire has.
const ANOTHERS: Takes = Takes {
    sampling: Sampling::All,
    thinks: Thinks::ByBudget,
    off: Off::Disabled,
    xhigh: true,
    by_default: false,
    prefill: false,
    schemas: true,
    caches: true,
    caches_for_an_hour: true,
};

pub(crate) fn takes(model: &str) -> Takes {
    Takes::of(model).unwrap_or(ANOTHERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_s_model_is_sent_whatever_the_wire_has() {
        for model in ["kimi-k2", "m", "glm-5"] {
            assert_eq!(takes(model), ANOTHERS, "{model}");
        }
        assert_eq!(takes("claude-opus-5").sampling, Sampling::None);
    }
}
