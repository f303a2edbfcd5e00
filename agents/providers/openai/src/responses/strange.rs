//! JSON that nobody would send, for tests that nothing breaks on it.

use proptest::prelude::*;
use serde_json::{Map, Value};

/// Any value, of few and telling words.
pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            object(inner),
        ]
    })
}

/// An object of any values.
pub(super) fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((word(), inner), 0..5)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

/// An event of a known type with anything in it.
pub(super) fn event() -> impl Strategy<Value = Value> {
    (any::<prop::sample::Index>(), object(value())).prop_map(|(kind, mut event)| {
        event["type"] = Value::from(KINDS[kind.index(KINDS.len())]);
        event
    })
}

const KINDS: &[&str] = &[
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.reasoning_summary_part.added",
    "response.function_call_arguments.delta",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "error",
    "",
];

fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "type",
        "role",
        "content",
        "text",
        "input",
        "output",
        "item",
        "response",
        "delta",
        "error",
        "status",
        "usage",
        "name",
        "call_id",
        "arguments",
        "summary",
        "encrypted_content",
        "message",
        "user",
        "assistant",
        "system",
        "developer",
        "input_text",
        "input_image",
        "image_url",
        "output_text",
        "function_call",
        "function_call_output",
        "reasoning",
        "instructions",
        "tools",
        "tool_choice",
        "function",
        "parameters",
        "format",
        "json_schema",
        "schema",
        "effort",
        "max_output_tokens",
        "temperature",
        "metadata",
        "stream",
        "completed",
        "failed",
        "detail",
        "required",
        "none",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "\\PC{0,6}"]
}
