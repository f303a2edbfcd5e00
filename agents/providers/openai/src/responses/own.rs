//! Seals of this wire's own thoughts.
//!
//! Only the provider that encrypted a thought can read it, and another server of this wire refuses a conversation that
//! holds one. So each is sealed with the name of its provider and goes back to nobody else.

use greenroom_kernel::Seal;
use serde_json::{Value, json};

/// The family of seals that this wire reads.
const FAMILY: &str = "openai";

/// A thought's item, as `provider` wrote it.
pub(crate) fn seal(item: Value, provider: &str) -> Seal {
    Seal {
        family: FAMILY.to_owned(),
        value: json!({"provider": provider, "item": item}),
    }
}

/// The item that goes back to `provider`, if it wrote one.
pub(crate) fn item_for<'s>(seal: &'s Seal, provider: &str) -> Option<&'s Value> {
    let is_its =
        seal.family == FAMILY && seal.value.get("provider").and_then(Value::as_str) == Some(provider);
    let item = seal.value.get("item").filter(|item| item.is_object());
    item.filter(|_| is_its)
}
