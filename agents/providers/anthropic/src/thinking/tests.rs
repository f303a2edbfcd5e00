use greenroom_kernel::{Content, Reasoning, ToolCall};
use serde_json::json;

use super::*;
use crate::takes::takes;

const USUAL: u32 = 4096;

fn thought(model: &str, wish: ReasoningWish, bound: Option<u32>) -> Thought {
    let request = ModelRequest {
        reasoning: Some(wish),
        max_tokens: bound,
        ..ModelRequest::default()
    };
    Thought::of(takes(model), &request, USUAL)
}

fn budget(thought: Thought) -> Option<u32> {
    match thought.thinking {
        Some(Thinking::Enabled { budget_tokens }) => Some(budget_tokens),
        _ => None,
    }
}

#[test]
fn a_budget_goes_as_it_is_or_is_lowered_to_half_of_a_bound_that_leaves_no_room() {
    for (tokens, bound, expected) in [
        (2000, Some(8000), (Some(2000), 8000)),
        (2000, None, (Some(2000), 2000 + USUAL)),
        (8000, Some(8000), (Some(4000), 8000)),
        (8000, Some(2048), (Some(1024), 2048)),
        // Neither fits the least that the wire lets a model think.
        (8000, Some(2000), (None, 2000)),
        (1000, None, (None, USUAL)),
        (u32::MAX, None, (Some(u32::MAX), u32::MAX)),
    ] {
        let thought = thought("claude-sonnet-4-5", ReasoningWish::Tokens(tokens), bound);
        assert_eq!(
            (budget(thought), thought.max_tokens),
            expected,
            "{tokens} {bound:?}"
        );
        if let Some(budget) = budget(thought)
            && tokens < u32::MAX
        {
            assert!(budget < thought.max_tokens);
        }
    }
}

#[test]
fn a_level_goes_with_adaptive_thinking_and_the_nearest_is_taken() {
    let adaptive = Some(Thinking::Adaptive {
        display: "summarized",
    });
    for (model, effort, expected) in [
        ("claude-opus-5-5", Effort::Minimal, "low"),
        ("claude-opus-5-5", Effort::XHigh, "xhigh"),
        ("claude-opus-5-5", Effort::Max, "max"),
        ("claude-opus-4-6", Effort::XHigh, "high"),
        ("claude-opus-4-6", Effort::Max, "max"),
    ] {
        let thought = thought(model, ReasoningWish::Effort(effort), None);
        assert_eq!(
            (thought.thinking, thought.effort),
            (adaptive, Some(expected)),
            "{model}"
        );
        assert_eq!(thought.max_tokens, USUAL + ROOM);
    }
    let budgeted = thought(
        "claude-haiku-4-5",
        ReasoningWish::Effort(Effort::High),
        Some(6000),
    );
    assert_eq!((budget(budgeted), budgeted.effort), (Some(3000), None));
    let levelled = thought("claude-opus-5-5", ReasoningWish::Tokens(9000), Some(20_000));
    assert_eq!(
        (levelled.thinking, levelled.effort, levelled.max_tokens),
        (adaptive, Some("medium"), 20_000)
    );
    // Budgets are deprecated there, and kept exactly as long as they are.
    let both = thought("claude-sonnet-4-6", ReasoningWish::Tokens(9000), Some(20_000));
    assert_eq!((budget(both), both.effort), (Some(9000), None));
}

#[test]
fn a_model_is_asked_not_to_think_in_the_words_it_has_for_that() {
    for (model, thinking, effort) in [
        ("claude-sonnet-4-5", None, None),
        ("claude-opus-4-8", None, None),
        ("claude-opus-5", Some(Thinking::Disabled), None),
        ("claude-sonnet-5-5", Some(Thinking::BetweenTools), None),
        ("claude-opus-5-5", None, Some("low")),
        ("kimi-k3", Some(Thinking::Disabled), None),
    ] {
        for wish in [ReasoningWish::Off, ReasoningWish::Tokens(0)] {
            let thought = thought(model, wish, None);
            if wish == ReasoningWish::Off || takes(model).thinks == Thinks::ByEffort {
                assert_eq!((thought.thinking, thought.effort), (thinking, effort), "{model}");
            }
            assert!(!thought.is_asked_for());
        }
    }
}

#[test]
fn without_a_wish_nothing_is_said_and_a_model_that_thinks_anyway_gets_room_for_it() {
    for (model, bound, expected) in [
        ("claude-sonnet-4-5", None, USUAL),
        ("claude-opus-5-5", None, USUAL + ROOM),
        ("claude-opus-5-5", Some(10), 10),
        ("m", None, USUAL),
    ] {
        let request = ModelRequest {
            max_tokens: bound,
            ..ModelRequest::default()
        };
        let thought = Thought::of(takes(model), &request, USUAL);
        assert_eq!((thought.thinking, thought.effort), (None, None));
        assert_eq!(thought.max_tokens, expected, "{model}");
    }
    let never = thought(
        "claude-3-5-haiku-latest",
        ReasoningWish::Effort(Effort::Max),
        None,
    );
    assert_eq!(
        (never.thinking, never.effort, never.max_tokens),
        (None, None, USUAL)
    );
}

#[test]
fn a_forced_tool_goes_before_a_wish_to_think() {
    for tool_choice in [ToolChoice::Required, ToolChoice::Tool("f".into())] {
        let request = |wish| ModelRequest {
            reasoning: Some(wish),
            tool_choice: tool_choice.clone(),
            ..ModelRequest::default()
        };
        let of = |model, wish| Thought::of(takes(model), &request(wish), USUAL).thinking;
        assert_eq!(of("claude-sonnet-4-5", ReasoningWish::Tokens(2000)), None);
        assert_eq!(of("claude-opus-4-8", ReasoningWish::Effort(Effort::High)), None);
    }
}

#[test]
fn a_turn_begun_without_thoughts_goes_on_without_where_budgets_are_taken() {
    let asking = |content| ModelMessage {
        tool_calls: vec![ToolCall {
            id: "a".into(),
            name: "f".into(),
            arguments: "{}".into(),
        }],
        ..ModelMessage::new(ModelRole::Assistant, content)
    };
    let result = ModelMessage {
        tool_call_id: Some("a".into()),
        ..ModelMessage::text(ModelRole::Tool, "1")
    };
    let thinking = |model: &str, content: Content, last: ModelMessage| {
        let request = ModelRequest {
            reasoning: Some(ReasoningWish::Tokens(2000)),
            messages: vec![asking(content), last],
            ..ModelRequest::default()
        };
        Thought::of(takes(model), &request, USUAL).thinking
    };
    let sealed = || {
        Content::Parts(vec![Part::Reasoning(Reasoning {
            text: "hm".into(),
            seal: Some(seal::sealed(json!({"type": "thinking", "signature": "s"}))),
        })])
    };
    assert_eq!(thinking("claude-sonnet-4-5", "".into(), result.clone()), None);
    assert!(thinking("claude-sonnet-4-5", sealed(), result.clone()).is_some());
    assert!(thinking("claude-opus-5-5", "".into(), result).is_some());
    let user = ModelMessage::text(ModelRole::User, "on");
    assert!(thinking("claude-sonnet-4-5", "".into(), user).is_some());
}
