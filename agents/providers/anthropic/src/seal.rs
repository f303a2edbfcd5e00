//! Thoughts that go back to who thought them: a block of the wire without its text is a thought's seal.

use greenroom_kernel::{Reasoning, Seal};
use serde_json::{Value, json};

/// What seals of this wire are called.
const FAMILY: &str = "anthropic";

/// What is needed to hand a thought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened<'a> {
    /// Its text, unchanged, and this.
    Signature(&'a str),
    /// This alone.
    Redacted(&'a str),
}

/// A seal of this wire.
pub(crate) fn sealed(value: Value) -> Seal {
    Seal {
        family: FAMILY.to_owned(),
        value,
    }
}

/// A thought that the server signed. One without a signature has no seal: it can't go back.
pub(crate) fn signed(text: String, signature: &str) -> Reasoning {
    Reasoning {
        text,
        seal: (!signature.is_empty()).then(|| sealed(json!({"type": "thinking", "signature": signature}))),
    }
}

/// A thought that the server doesn't show.
pub(crate) fn redacted(data: &str) -> Reasoning {
    Reasoning {
        text: String::new(),
        seal: Some(sealed(json!({"type": "redacted_thinking", "data": data}))),
    }
}

/// What a thought of this wire was sealed with; none for the thoughts of others.
pub(crate) fn opened(thought: &Reasoning) -> Option<Opened<'_>> {
    let seal = thought.seal.as_ref().filter(|seal| seal.family == FAMILY)?;
    let text = |name: &str| seal.value.get(name)?.as_str().filter(|text| !text.is_empty());
    match seal.value.get("type")?.as_str()? {
        "thinking" => text("signature").map(Opened::Signature),
        "redacted_thinking" => text("data").map(Opened::Redacted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_seal_of_this_wire_opens() {
        assert_eq!(opened(&signed("hm".into(), "s")), Some(Opened::Signature("s")));
        assert_eq!(opened(&redacted("d")), Some(Opened::Redacted("d")));
        assert_eq!(opened(&signed("hm".into(), "")), None);
        let foreign = Reasoning {
            seal: Some(Seal {
                family: "openai".into(),
                value: json!({"type": "thinking", "signature": "s"}),
            }),
            ..Reasoning::default()
        };
        assert_eq!(opened(&foreign), None);
        for value in [
            json!(null),
            json!({"type": "thinking"}),
            json!({"type": "other", "signature": "s"}),
            json!({"type": "redacted_thinking", "data": 7}),
        ] {
            let seal = Some(sealed(value));
            assert_eq!(
                opened(&Reasoning {
                    seal,
                    ..Reasoning::default()
                }),
                None
            );
        }
    }
}
