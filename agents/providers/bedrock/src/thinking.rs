//! Wishes to think, in each maker's words.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html>,
//! <https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>

use greenroom_kernel::{Effort, ModelMessage, ModelRequest, ModelRole, ReasoningWish};
use greenroom_provider_claude::{LEAST_BUDGET, Off, Takes, Thinks, budget_of};
use serde_json::{Map, Value, json};

use crate::request::Unsayable;
use crate::traits::{Thinking, Traits};
use crate::turns::holds_a_thought;

/// A wish as it is sent: fields of the model's own, and an effort.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) fields: Map<String, Value>,
    pub(crate) effort: Option<&'static str>,
}

impl Asked {
    fn field(name: &str, value: Value) -> Self {
        Self {
            fields: Map::from_iter([(name.to_owned(), value)]),
            effort: None,
        }
    }

    /// Whether a Claude was asked to think: then it takes no sampling settings.
    pub(crate) fn rules_out_sampling(&self) -> bool {
        let kind = self
            .fields
            .get("thinking")
            .and_then(|thinking| thinking.get("type"));
        kind.is_some_and(|kind| kind == "enabled" || kind == "adaptive")
    }
}

/// What a request says of thinking. Claude refuses to think where it must call a tool (`forced`), and one that takes
/// budgets refuses to think on in a turn whose calls it made without a thought that can go back: there the wish gives
/// way. An effort stays, as it is about more than thinking.
pub(crate) fn thinking(traits: Traits<'_>, request: &ModelRequest, forced: bool) -> Result<Asked, Unsayable> {
    let wish = request.reasoning;
    match traits.thinking {
        Thinking::Claude(takes) if takes.thinks == Thinks::ByBudget => {
            if forced || goes_on_thoughtless(&request.messages, traits.maker) {
                return Ok(Asked::default());
            }
            asked(traits.thinking, wish, request.max_tokens)
        }
        Thinking::Claude(_) if forced && wish != Some(ReasoningWish::Off) => {
            let mut asked = asked(traits.thinking, wish, request.max_tokens)?;
            asked.fields.remove("thinking");
            Ok(asked)
        }
        thinking => asked(thinking, wish, request.max_tokens),
    }
}

/// Whether the conversation ends with results of calls whose message holds no thought that can go back.
fn goes_on_thoughtless(messages: &[ModelMessage], maker: &str) -> bool {
    if messages.last().is_none_or(|last| last.role != ModelRole::Tool) {
        return false;
    }
    let asking = messages.iter().rev().find(|m| m.role == ModelRole::Assistant);
    asking.is_some_and(|message| !holds_a_thought(message, maker))
}

/// `max_tokens` is the answer's bound, which thinking counts against. A model that has no words for the wish is left
/// alone.
fn asked(
    thinking: Thinking,
    wish: Option<ReasoningWish>,
    max_tokens: Option<u32>,
) -> Result<Asked, Unsayable> {
    let Some(wish) = wish else {
        return Ok(Asked::default());
    };
    Ok(match (thinking, wish) {
        (Thinking::Unasked, _) => Asked::default(),
        (Thinking::Claude(takes), wish) => of_claude(takes, wish, max_tokens)?,
        (Thinking::Nova, ReasoningWish::Off) => Asked::field("reasoningConfig", json!({"type": "disabled"})),
        (Thinking::Nova, wish) => Asked::field(
            "reasoningConfig",
            json!({"type": "enabled", "maxReasoningEffort": of_three(effort(wish))}),
        ),
        // They always think.
        (Thinking::Effort, ReasoningWish::Off) => Asked::field("reasoning_effort", json!("low")),
        (Thinking::Effort, wish) => Asked::field("reasoning_effort", json!(of_three(effort(wish)))),
    })
}

fn of_claude(takes: Takes, wish: ReasoningWish, max_tokens: Option<u32>) -> Result<Asked, Unsayable> {
    let disabled = |kind: &str| Asked::field("thinking", json!({ "type": kind }));
    Ok(match (takes.thinks, wish, takes.off) {
        (Thinks::Never, ..) | (_, ReasoningWish::Off, Off::Unsaid) => Asked::default(),
        (_, ReasoningWish::Off, Off::Disabled) => disabled("disabled"),
        (_, ReasoningWish::Off, Off::BetweenTools) => disabled("between_tools"),
        (_, ReasoningWish::Off, Off::LeastEffort) => Asked {
            effort: Some("low"),
            ..Asked::default()
        },
        (Thinks::ByBudget, wish, _) => {
            let budget = within(tokens(wish), max_tokens)?;
            Asked::field("thinking", json!({"type": "enabled", "budget_tokens": budget}))
        }
        // It takes budgets too at 4.6, where they are on their way out.
        (Thinks::ByBoth | Thinks::ByEffort, wish, _) => Asked {
            effort: Some(takes.level(effort(wish))),
            ..Asked::field("thinking", json!({"type": "adaptive"}))
        },
    })
}

/// A budget that leaves room for an answer.
fn within(budget: u32, max_tokens: Option<u32>) -> Result<u32, Unsayable> {
    match max_tokens {
        Some(most) if most <= LEAST_BUDGET => Err(Unsayable::NoRoomToThink(most)),
        Some(most) => Ok(budget.min((most / 2).max(LEAST_BUDGET))),
        None => Ok(budget),
    }
}

fn tokens(wish: ReasoningWish) -> u32 {
    let tokens = match wish {
        ReasoningWish::Tokens(tokens) => tokens,
        ReasoningWish::Off => LEAST_BUDGET,
        ReasoningWish::Effort(effort) => budget_of(effort),
    };
    tokens.max(LEAST_BUDGET)
}

/// The step whose tokens come nearest.
fn effort(wish: ReasoningWish) -> Effort {
    match wish {
        ReasoningWish::Effort(effort) => effort,
        ReasoningWish::Off => Effort::Minimal,
        ReasoningWish::Tokens(..1536) => Effort::Minimal,
        ReasoningWish::Tokens(1536..5120) => Effort::Low,
        ReasoningWish::Tokens(5120..12_288) => Effort::Medium,
        ReasoningWish::Tokens(12_288..20_480) => Effort::High,
        ReasoningWish::Tokens(20_480..28_288) => Effort::XHigh,
        ReasoningWish::Tokens(28_288..) => Effort::Max,
    }
}

fn of_three(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(
        thinking: Thinking,
        wish: ReasoningWish,
        max_tokens: Option<u32>,
    ) -> (Value, Option<&'static str>) {
        let asked = asked(thinking, Some(wish), max_tokens).unwrap();
        (Value::Object(asked.fields), asked.effort)
    }

    fn claude(name: &str) -> Thinking {
        Thinking::Claude(Takes::of(name).unwrap())
    }

    const BY_BUDGET: &str = "claude-sonnet-4-5";
    const BY_EFFORT: &str = "claude-opus-5";

    #[test]
    fn without_a_wish_nothing_is_said_to_anybody() {
        for thinking in [
            Thinking::Unasked,
            claude(BY_BUDGET),
            claude(BY_EFFORT),
            Thinking::Nova,
            Thinking::Effort,
        ] {
            assert_eq!(asked(thinking, None, Some(1)).unwrap(), Asked::default());
        }
    }

    #[test]
    fn a_budget_leaves_room_for_the_answer() {
        let budget = |wish, most| said(claude(BY_BUDGET), wish, most).0["thinking"]["budget_tokens"].clone();
        assert_eq!(budget(ReasoningWish::Tokens(5000), None), 5000);
        assert_eq!(budget(ReasoningWish::Tokens(5), None), 1024);
        assert_eq!(budget(ReasoningWish::Effort(Effort::High), Some(4096)), 2048);
        assert_eq!(budget(ReasoningWish::Effort(Effort::High), Some(1025)), 1024);
        let wish = Some(ReasoningWish::Effort(Effort::Low));
        assert_eq!(
            asked(claude(BY_BUDGET), wish, Some(1024)).unwrap_err(),
            Unsayable::NoRoomToThink(1024)
        );
        assert_eq!(
            said(claude(BY_BUDGET), ReasoningWish::Off, Some(1)),
            (json!({}), None)
        );
    }

    #[test]
    fn adaptive_models_are_told_an_effort_that_they_know() {
        let asked = |wish| said(claude(BY_EFFORT), wish, None);
        assert_eq!(
            asked(ReasoningWish::Tokens(6000)),
            (json!({"thinking": {"type": "adaptive"}}), Some("medium"))
        );
        assert_eq!(asked(ReasoningWish::Effort(Effort::XHigh)).1, Some("xhigh"));
        assert_eq!(
            asked(ReasoningWish::Off),
            (json!({"thinking": {"type": "disabled"}}), None)
        );
        let older = claude("claude-opus-4-6");
        assert_eq!(
            said(older, ReasoningWish::Effort(Effort::XHigh), None).1,
            Some("high")
        );
        assert_eq!(said(older, ReasoningWish::Off, None), (json!({}), None));
        let always = claude("claude-opus-5-5");
        assert_eq!(said(always, ReasoningWish::Off, None), (json!({}), Some("low")));
    }

    #[test]
    fn others_are_told_in_their_own_words() {
        assert_eq!(
            said(Thinking::Nova, ReasoningWish::Effort(Effort::Max), None).0,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}})
        );
        assert_eq!(
            said(Thinking::Nova, ReasoningWish::Off, None).0,
            json!({"reasoningConfig": {"type": "disabled"}})
        );
        assert_eq!(
            said(Thinking::Effort, ReasoningWish::Tokens(1), None).0,
            json!({"reasoning_effort": "low"})
        );
        assert_eq!(
            said(Thinking::Unasked, ReasoningWish::Tokens(1), None).0,
            json!({})
        );
    }
}
