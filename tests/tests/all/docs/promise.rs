//! What a document promises against what the server answers: the same shape, and the same values where every run
//! has them.

use serde_json::Value;

use crate::support::FakeModel;

/// Members whose value no run changes.
const EXACT: [&str; 15] = [
    "action",
    "agent",
    "attempts",
    "code",
    "complete",
    "effect",
    "kind",
    "message",
    "name",
    "ok",
    "prompt",
    "retryable",
    "role",
    "seq",
    "title",
];

/// The first difference that matters, with the way to it.
pub(super) fn difference(promised: &Value, real: &Value) -> Option<String> {
    between("", promised, real)
}

fn between(key: &str, promised: &Value, real: &Value) -> Option<String> {
    let inner = match (promised, real) {
        (Value::Object(left), Value::Object(right)) => {
            let names = |map: &serde_json::Map<String, Value>| {
                let mut names: Vec<String> = map.keys().cloned().collect();
                names.sort();
                names
            };
            if names(left) != names(right) {
                return Some(format!(
                    "{key}: promised {:?}, got {:?}",
                    names(left),
                    names(right)
                ));
            }
            left.iter()
                .find_map(|(name, value)| between(name, value, &right[name]))
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                return Some(format!(
                    "{key}: promised {} of them, got {}",
                    left.len(),
                    right.len()
                ));
            }
            left.iter().zip(right).find_map(|(l, r)| between(key, l, r))
        }
        _ => {
            let alike = std::mem::discriminant(promised) == std::mem::discriminant(real);
            let alike = alike && same(key, promised, real);
            return (!alike).then(|| format!("{key}: promised {promised}, got {real}"));
        }
    };
    inner.map(|inner| format!("{key}.{inner}"))
}

fn same(key: &str, promised: &Value, real: &Value) -> bool {
    let (Some(left), Some(right)) = (promised.as_str(), real.as_str()) else {
        return !EXACT.contains(&key) || promised == real;
    };
    match key {
        "status" => left == right || (is_under_way(left) && is_under_way(right)),
        // Ids are chosen by the caller, or differ in every run.
        "id" | "taskId" | "sessionId" => left == right || !(is_chosen(left) || is_chosen(right)),
        // What a model says is its own affair.
        "delta" => true,
        "content" => left == right || FakeModel::may_have_said(right),
        "message" => lasting(left) == lasting(right),
        key => !EXACT.contains(&key) || left == right,
    }
}

fn is_under_way(status: &str) -> bool {
    status == "ACCEPTED" || status == "RUNNING"
}

fn is_chosen(id: &str) -> bool {
    let session = id.split('.').next().unwrap_or_default();
    session.len() < 26
}

/// A message without what differs from run to run: numbers, addresses and paths.
fn lasting(text: &str) -> String {
    let word = |word: &str| match word {
        word if word.contains('/') => "/".to_owned(),
        word => word.split(|c: char| c.is_ascii_digit()).collect::<String>(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn shapes_and_lasting_values_are_compared_and_passing_ones_are_not() {
    use serde_json::json;
    let said = FakeModel::answer("x");
    let promised = json!({ "id": "first.0", "status": "RUNNING", "code": "X", "cursor": "1-0", "content": "Hi",
                           "message": "port 80" });
    let mut real = json!({ "id": "first.0", "status": "ACCEPTED", "code": "X", "cursor": "9-9", "content": said,
                           "message": "port 1234" });
    assert_eq!(difference(&promised, &real), None);
    for (key, other) in [
        ("id", json!("second.0")),
        ("status", json!("FAILED")),
        ("code", json!("Y")),
        ("cursor", json!(null)),
        ("content", json!("a fixed answer")),
        ("message", json!("no port")),
        ("more", json!(1)),
    ] {
        let before = real[key].take();
        real[key] = other;
        let found = difference(&promised, &real).unwrap_or_default();
        assert!(found.contains(key), "{key}: {found}");
        real[key] = before;
        if real["more"].is_null() {
            real.as_object_mut().unwrap().remove("more");
        }
    }
    assert!(difference(&json!([1]), &json!([1, 2])).is_some());
}
