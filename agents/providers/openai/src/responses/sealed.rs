//! Thoughts of other families, carried in the `encrypted_content` of a reasoning item.
//!
//! A caller of this wire gives reasoning items back as they were. What another family must get back with its thoughts
//! travels in them, so that a translated conversation keeps it: the wire's own place for what only its writer can read.

use greenroom_kernel::Reasoning;

/// Before what we wrote: no provider's own content begins so.
pub(crate) const OURS: &str = "greenroom:1:";

/// What carries these thoughts; none where nothing must go back.
pub(crate) fn seal(thoughts: &[Reasoning]) -> Option<String> {
    if thoughts.iter().all(|thought| thought.seal.is_none()) {
        return None;
    }
    let json = serde_json::to_string(thoughts).ok()?;
    Some(format!("{OURS}{json}"))
}

/// The thoughts that we sealed; none where somebody else did.
pub(crate) fn unseal(content: &str) -> Option<Vec<Reasoning>> {
    serde_json::from_str(content.strip_prefix(OURS)?).ok()
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::Seal;
    use serde_json::json;

    use super::*;

    #[test]
    fn sealed_thoughts_come_back_and_foreign_content_is_left_alone() {
        let thought = Reasoning {
            text: "hm".into(),
            seal: Some(Seal {
                family: "anthropic".into(),
                value: json!({"signature": "abc"}),
            }),
        };
        let content = seal(std::slice::from_ref(&thought)).unwrap();
        assert_eq!(unseal(&content), Some(vec![thought]));
        assert_eq!(unseal("gAAAA"), None);
        assert_eq!(unseal("greenroom:1:{"), None);
        assert_eq!(seal(&[Reasoning::default()]), None);
    }
}
