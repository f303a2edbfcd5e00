//! How much work a schema can make: a small one whose parts refer to each other can stand for an immense one.

use std::collections::{HashMap, HashSet};
use std::ptr;

use serde_json::Value;

use crate::bounds;

/// A value whose parts are being weighed.
struct Open<'a> {
    value: &'a Value,
    parts: Vec<&'a Value>,
    sum: u64,
}

/// How many values a schema has when its references are followed, those back into what is being followed `levels`
/// times. Past `enough` it is not weighed on. No recursion: a chain of references can be as long as the schema.
pub(crate) fn weigh(schema: &Value, levels: usize, enough: u64) -> u64 {
    let mut weights = Weights::new();
    let mut whole = 1;
    for _ in 0..=levels {
        let again = weigh_once(schema, &weights);
        whole = again.get(&ptr::from_ref(schema)).copied().unwrap_or(1);
        if whole > enough || again == weights {
            break;
        }
        weights = again;
    }
    whole
}

type Weights = HashMap<*const Value, u64>;

/// Weighs each value once; a reference back into what is being weighed weighs what it did in the round before.
fn weigh_once(schema: &Value, before: &Weights) -> Weights {
    let mut known = Weights::new();
    let mut begun = HashSet::from([ptr::from_ref(schema)]);
    let open = |value| Open {
        value,
        parts: parts(schema, value),
        sum: 1,
    };
    let mut stack = vec![open(schema)];
    while let Some(top) = stack.last_mut() {
        let Some(part) = top.parts.pop() else {
            let (value, sum) = (ptr::from_ref(top.value), top.sum);
            known.insert(value, sum);
            stack.pop();
            if let Some(above) = stack.last_mut() {
                above.sum = above.sum.saturating_add(sum);
            }
            continue;
        };
        let place = ptr::from_ref(part);
        if begun.insert(place) {
            stack.push(open(part));
        } else {
            let weight = known.get(&place).or(before.get(&place)).copied().unwrap_or(1);
            top.sum = top.sum.saturating_add(weight);
        }
    }
    known
}

/// What a value holds and refers to.
fn parts<'a>(schema: &'a Value, value: &'a Value) -> Vec<&'a Value> {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            let target = target.and_then(|reference| bounds::target(schema, reference));
            members
                .values()
                .filter(|member| holds(member))
                .chain(target)
                .collect()
        }
        Value::Array(items) => items.iter().filter(|item| holds(item)).collect(),
        _ => Vec::new(),
    }
}

fn holds(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(links: usize, link: impl Fn(String) -> Value) -> Value {
        let mut parts: serde_json::Map<_, _> = (0..links)
            .map(|i| (format!("p{i}"), link(format!("#/$defs/p{}", i + 1))))
            .collect();
        parts.insert(format!("p{links}"), json!({}));
        json!({ "$defs": parts, "$ref": "#/$defs/p0" })
    }

    #[test]
    fn a_plain_schema_weighs_its_values_and_a_reference_its_target() {
        assert_eq!(weigh(&json!({ "type": "object" }), 0, u64::MAX), 1);
        let schema =
            json!({ "properties": { "a": { "$ref": "#/$defs/a" } }, "$defs": { "a": { "items": {} } } });
        // Itself, two maps, the property, and twice what it refers to.
        assert_eq!(weigh(&schema, 9, u64::MAX), 8);
    }

    #[test]
    fn a_part_that_contains_itself_weighs_more_with_every_level() {
        let list = json!({ "properties": { "next": { "$ref": "#" } } });
        assert_eq!(
            [0, 1, 100].map(|levels| weigh(&list, levels, u64::MAX)),
            [4, 7, 304]
        );
        let again = json!({ "properties": { "x": { "$ref": "#" } } });
        assert!(weigh(&json!({ "anyOf": [again, again] }), 60, u64::MAX) > 1 << 60);
    }

    #[test]
    fn doubling_is_weighed_without_being_done_and_a_long_chain_without_a_stack() {
        let doubled = chain(
            60,
            |next| json!({ "allOf": [{ "$ref": next }, { "$ref": next }] }),
        );
        assert!(weigh(&doubled, 0, u64::MAX) > 1 << 60);
        assert!(weigh(&chain(100_000, |next| json!({ "$ref": next })), 0, u64::MAX) > 100_000);
    }
}
