//! The form in which two JSON inputs that say the same are the same text.

use serde_json::Value;

/// A longer input is brought into its canonical form beside the async threads.
const AT_ONCE: usize = 64 * 1024;

/// A JSON text with its members sorted at every depth, without blanks; none where it has no such form.
pub(super) async fn canonical(text: &str) -> Option<String> {
    if text.len() <= AT_ONCE {
        return canonical_now(text);
    }
    let text = text.to_owned();
    let formed = tokio::task::spawn_blocking(move || canonical_now(&text));
    formed.await.ok().flatten()
}

fn canonical_now(text: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    if !is_exact(&value) {
        return None;
    }
    value.sort_all_objects();
    Some(value.to_string())
}

/// Whether no number is so large that others would become the same.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().is_some_and(|number| number.abs() < 9e15),
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_input_has_a_canonical_form_too_and_a_number_too_large_none() {
        let long = "x".repeat(AT_ONCE);
        let formed = canonical(&format!(r#"{{"b": "{long}", "a": [1.5]}}"#)).await;
        assert_eq!(formed, Some(format!(r#"{{"a":[1.5],"b":"{long}"}}"#)));
        for none in ["", "{", "[123456789012345678901234567890]"] {
            assert_eq!(canonical(none).await, None, "{none}");
        }
    }
}
