//! What comes back: events of a stream, and the response that the last of them holds.

use std::borrow::Cow;

use greenroom_kernel::{FinishReason, Reach, Reported, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::response::bounded;

/// What kinds of events there are, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing of the answer yet, or only a repetition of it.
    Lifecycle,
    /// More of what the model says; a refusal is what it says instead.
    Said,
    /// More of what it thinks.
    Thought,
    /// Another part of a thought's summary begins.
    ThoughtPart,
    /// More of a tool call.
    CallPart,
    /// A tool that the provider itself runs is at work.
    Hosted,
    ItemAdded,
    ItemDone,
    /// The end, with the whole response.
    Ended,
    Failed,
    Error,
    /// No type is given: something else, or an error of another wire.
    Untyped,
}

/// What every event is looked at for.
#[derive(Debug, Deserialize)]
pub(crate) struct Head<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
}

impl Head<'_> {
    pub(crate) fn kind(&self) -> Kind {
        Kind::named(&self.r#type)
    }

    /// Whether the response begins, or a part of a message.
    pub(crate) fn begins(&self) -> bool {
        matches!(&*self.r#type, "response.created" | "response.content_part.added")
    }

    /// Whether a part of a message ends: nothing can be added to that message.
    pub(crate) fn closes(&self) -> bool {
        matches!(
            &*self.r#type,
            "response.output_text.done" | "response.content_part.done" | "response.refusal.done"
        )
    }

    /// Whether it tells how the response stands.
    pub(crate) fn stands(&self) -> bool {
        matches!(
            &*self.r#type,
            "response.created" | "response.queued" | "response.in_progress"
        )
    }

    /// Whether it is text, and no refusal.
    pub(crate) fn is_text(&self) -> bool {
        self.r#type == "response.output_text.delta"
    }

    /// Its piece of text; none where it has none.
    pub(crate) fn delta_text(&self) -> Option<String> {
        serde_json::from_str(self.delta?.get()).ok()
    }

    /// The length of its piece of text, with escapes as they are written; none where it has none.
    pub(crate) fn delta_bytes(&self) -> Option<usize> {
        let text = self.delta?.get().strip_prefix('"')?;
        Some(text.len() - 1)
    }
}

impl Kind {
    fn named(name: &str) -> Self {
        match name {
            "response.output_text.delta" | "response.refusal.delta" => Self::Said,
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => Self::Thought,
            "response.reasoning_summary_part.added" => Self::ThoughtPart,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                Self::CallPart
            }
            "response.output_item.added" => Self::ItemAdded,
            "response.output_item.done" => Self::ItemDone,
            "response.completed" | "response.incomplete" => Self::Ended,
            "response.failed" => Self::Failed,
            "error" => Self::Error,
            "" => Self::Untyped,
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                Self::Lifecycle
            }
            // Those that exist and those that will: `web_search_call`, `mcp_call_arguments`, `mcp_list_tools`.
            _ if name.contains("_call") || name.contains("mcp_") => Self::Hosted,
            _ => Self::Lifecycle,
        }
    }
}

/// A piece of a text.
#[derive(Debug, Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(borrow)]
    pub(crate) delta: Cow<'a, str>,
}

/// Which part of a summary begins.
#[derive(Debug, Deserialize)]
pub(crate) struct SummaryPart {
    #[serde(default)]
    pub(crate) summary_index: u64,
}

/// An event about an item.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemEvent {
    #[serde(default)]
    pub(crate) item: Value,
}

/// An event that holds a response.
#[derive(Debug, Deserialize)]
pub(crate) struct ResponseEvent<'a> {
    #[serde(borrow)]
    pub(crate) response: Response<'a>,
}

/// A response, as far as it is not told by other events.
#[derive(Debug, Deserialize)]
pub(crate) struct Response<'a> {
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) error: Option<Value>,
    #[serde(default)]
    incomplete_details: Option<IncompleteDetails>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(borrow, default)]
    pub(crate) output: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct IncompleteDetails {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ItemHead {
    #[serde(default)]
    r#type: String,
}

impl Response<'_> {
    /// Why it ended; `calls` says whether tools were seen to be asked for.
    pub(crate) fn finish(&self, calls: bool) -> FinishReason {
        if self.status.as_deref() == Some("incomplete") {
            let reason = self.incomplete_details.as_ref().and_then(|d| d.reason.as_deref());
            return match reason {
                Some("content_filter") => FinishReason::ContentFilter,
                _ => FinishReason::Length,
            };
        }
        if calls || self.has_calls() {
            FinishReason::ToolCalls
        } else {
            FinishReason::Stop
        }
    }

    fn has_calls(&self) -> bool {
        let items = self
            .output
            .and_then(|output| serde_json::from_str::<Vec<ItemHead>>(output.get()).ok());
        items.is_some_and(|items| items.iter().any(|item| is_call(&item.r#type)))
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.map(Usage::from)
    }

    /// What is told of it besides its end.
    pub(crate) fn reported(&self) -> Option<Reported> {
        let usage = self.usage?;
        let ended = matches!(
            self.status.as_deref(),
            Some("completed" | "incomplete" | "failed" | "cancelled")
        );
        Some(Reported {
            usage: usage.into(),
            output: match usage.output_tokens {
                None => Reach::Begun,
                Some(_) if ended => Reach::Whole,
                Some(_) => Reach::Until { ahead: 0 },
            },
        })
    }

    /// What it failed of; none where it didn't fail.
    pub(crate) fn failure(&self) -> Option<Value> {
        let error = self.error.as_ref().filter(|error| !error.is_null());
        match (error, self.status.as_deref()) {
            (Some(error), _) => Some(error.clone()),
            (None, Some("failed")) => Some(Value::from("the response failed and does not say of what")),
            (None, _) => None,
        }
    }
}

/// What an event tells of the usage of the response that it holds.
pub(crate) fn figures_in(data: &[u8]) -> Option<Reported> {
    let event: ResponseEvent<'_> = serde_json::from_slice(data).ok()?;
    event.response.reported()
}

/// Whether an item of this type asks the caller for a tool.
pub(crate) fn is_call(kind: &str) -> bool {
    matches!(kind, "function_call" | "custom_tool_call")
}

/// The error object of an event that is an error: the event itself, by the contract, or one inside it.
pub(crate) fn error_in(event: Value) -> Option<Value> {
    match event {
        Value::Object(mut fields) => match fields.remove("error").filter(|error| !error.is_null()) {
            Some(error) => Some(error),
            None => fields.contains_key("message").then_some(Value::Object(fields)),
        },
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct WireUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    /// The wire counts what was read from and written to a cache among the input, and reasoning among the output:
    /// taken apart here.
    fn from(wire: WireUsage) -> Self {
        let (input, output) = (bounded(wire.input_tokens), bounded(wire.output_tokens));
        let details = wire.input_tokens_details.unwrap_or_default();
        let cached = details.cached_tokens.unwrap_or(0).min(input);
        let written = details.cache_write_tokens.unwrap_or(0).min(input - cached);
        let reasoning = wire.output_tokens_details.unwrap_or_default();
        let reasoning = reasoning.reasoning_tokens.unwrap_or(0).min(output);
        Usage {
            input_tokens: input - cached - written,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: output - reasoning,
            reasoning_tokens: reasoning,
            ..Usage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_classes_are_disjoint_and_never_underflow() {
        let usage = |json: &str| Usage::from(serde_json::from_str::<WireUsage>(json).unwrap());
        let whole = usage(
            r#"{"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
                "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 20}, "total_tokens": 150}"#,
        );
        assert_eq!(
            (
                whole.input_tokens,
                whole.cached_input_tokens,
                whole.cache_write_tokens
            ),
            (30, 60, 10)
        );
        assert_eq!((whole.output_tokens, whole.reasoning_tokens), (30, 20));
        assert_eq!(whole.total_tokens(), 150);
        let odd = usage(
            r#"{"input_tokens": 5, "input_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
                "output_tokens": null, "output_tokens_details": {"reasoning_tokens": 1}}"#,
        );
        assert_eq!((odd.total_tokens(), odd.cached_input_tokens), (5, 5));
    }

    #[test]
    fn figures_beyond_all_measure_are_bounded_so_that_they_can_be_added_up() {
        let wire = r#"{"input_tokens": 18446744073709551615, "output_tokens": 18446744073709551615}"#;
        let usage = Usage::from(serde_json::from_str::<WireUsage>(wire).unwrap());
        assert_eq!(usage.total_tokens(), 2 * u64::from(u32::MAX));
    }

    #[test]
    fn kinds_of_events_that_nobody_has_thought_of_yet_are_read_too() {
        for (name, kind) in [
            ("response.web_search_call.searching", Kind::Hosted),
            ("response.mcp_list_tools.in_progress", Kind::Hosted),
            ("response.function_call_arguments.done", Kind::Lifecycle),
            ("response.content_part.added", Kind::Lifecycle),
            ("response.new_thing.delta", Kind::Lifecycle),
            ("keepalive", Kind::Lifecycle),
            ("", Kind::Untyped),
        ] {
            assert_eq!(Kind::named(name), kind, "{name}");
        }
    }
}
