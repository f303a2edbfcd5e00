//! A wish to think, in the words that the asked model takes.
//!
//! - A budget goes as it is where the answer's bound leaves room for it, and is lowered where it doesn't: the bound
//!   counts thoughts too, and the wish was "at most". Without a bound, the usual one is put on top of it.
//! - A level goes as `output_config.effort` with adaptive thinking, the nearest level where a model knows fewer; a model
//!   that only takes budgets gets one for it. A budget for a model that only takes levels becomes one.
//! - Thinking and sampling settings exclude each other, and so do thinking and a forced tool: a wish to think gives way
//!   to the tool, sampling to the wish.
//! - A model that takes budgets refuses to think on in a turn whose calls it made without thinking (another model's, or
//!   one whose thoughts were lost): there the wish is left out.

use greenroom_kernel::{Effort, ModelMessage, ModelRequest, ModelRole, Part, ReasoningWish, ToolChoice};
use greenroom_provider_claude::{LEAST_BUDGET, Off, Takes, Thinks, budget_of};
use serde::Serialize;

use crate::seal;

/// What thoughts may take beside an answer without a bound, of a model that thinks as it sees fit.
const ROOM: u32 = 12_288;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Thinking {
    Enabled {
        budget_tokens: u32,
    },
    /// Newer models keep their thoughts to themselves unless a summary is asked for.
    Adaptive {
        display: &'static str,
    },
    Disabled,
    BetweenTools,
}

/// What a request says of thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thought {
    pub(crate) thinking: Option<Thinking>,
    pub(crate) effort: Option<&'static str>,
    pub(crate) max_tokens: u32,
}

impl Thought {
    /// `max_tokens` is for a request without a bound.
    pub(crate) fn of(takes: Takes, request: &ModelRequest, max_tokens: u32) -> Self {
        let silent = Self {
            thinking: None,
            effort: None,
            max_tokens: request.max_tokens.unwrap_or(if takes.by_default {
                max_tokens.saturating_add(ROOM)
            } else {
                max_tokens
            }),
        };
        let forced = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Tool(_));
        let budget = |tokens: u32| {
            let tokens = match request.max_tokens {
                Some(bound) if tokens >= bound => bound / 2,
                _ => tokens,
            };
            let possible = tokens >= LEAST_BUDGET && !forced && !goes_on_thoughtless(&request.messages);
            if !possible {
                return silent;
            }
            Self {
                thinking: Some(Thinking::Enabled {
                    budget_tokens: tokens,
                }),
                max_tokens: request
                    .max_tokens
                    .unwrap_or_else(|| tokens.saturating_add(max_tokens)),
                ..silent
            }
        };
        let level = |effort: Effort| Self {
            thinking: (!forced).then_some(Thinking::Adaptive {
                display: "summarized",
            }),
            effort: Some(takes.level(effort)),
            max_tokens: request
                .max_tokens
                .unwrap_or_else(|| max_tokens.saturating_add(ROOM)),
        };
        match (request.reasoning, takes.thinks) {
            (None, _) | (_, Thinks::Never) => silent,
            (Some(ReasoningWish::Off), _) => Self::off(takes, silent),
            (Some(ReasoningWish::Tokens(n)), Thinks::ByBudget | Thinks::ByBoth) => budget(n),
            (Some(ReasoningWish::Effort(effort)), Thinks::ByBudget) => {
                // A level is vague: it is no reason to leave thinking out where half the bound is enough for some.
                budget(budget_of(effort))
            }
            (Some(ReasoningWish::Tokens(n)), Thinks::ByEffort) if n < LEAST_BUDGET => {
                Self::off(takes, silent)
            }
            (Some(ReasoningWish::Tokens(n)), Thinks::ByEffort) => level(level_of(n)),
            (Some(ReasoningWish::Effort(effort)), Thinks::ByBoth | Thinks::ByEffort) => level(effort),
        }
    }

    fn off(takes: Takes, silent: Self) -> Self {
        match takes.off {
            Off::Unsaid => silent,
            Off::Disabled => Self {
                thinking: Some(Thinking::Disabled),
                ..silent
            },
            Off::BetweenTools => Self {
                thinking: Some(Thinking::BetweenTools),
                ..silent
            },
            Off::LeastEffort => Self {
                effort: Some("low"),
                ..silent
            },
        }
    }

    /// Whether the model was asked to think: then it takes no sampling settings.
    pub(crate) fn is_asked_for(&self) -> bool {
        matches!(
            self.thinking,
            Some(Thinking::Enabled { .. } | Thinking::Adaptive { .. })
        )
    }
}

const fn level_of(tokens: u32) -> Effort {
    match tokens {
        0..=4096 => Effort::Low,
        4097..=16_384 => Effort::Medium,
        _ => Effort::High,
    }
}

/// Whether the conversation ends with results of calls whose message holds no thought that can go back.
fn goes_on_thoughtless(messages: &[ModelMessage]) -> bool {
    if messages.last().is_none_or(|last| last.role != ModelRole::Tool) {
        return false;
    }
    let asking = messages.iter().rev().find(|m| m.role == ModelRole::Assistant);
    asking.is_some_and(|message| {
        let greenroom_kernel::Content::Parts(parts) = &message.content else {
            return true;
        };
        let sealed =
            |part: &Part| matches!(part, Part::Reasoning(thought) if seal::opened(thought).is_some());
        !parts.iter().any(sealed)
    })
}

#[cfg(test)]
mod tests;
