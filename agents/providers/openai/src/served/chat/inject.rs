//! Puts what we know of a conversation into a request that is otherwise passed on as it is.

use serde_json::{Map, Value, json};

use crate::served::reference;

/// Puts `text` behind the caller's own instructions and before the conversation. A request whose messages are no list
/// stays as it is: whoever reads it refuses it.
pub(super) fn inject(request: &mut Map<String, Value>, text: &str) {
    let Some(messages) = request.get_mut("messages").and_then(Value::as_array_mut) else {
        return;
    };
    let role = |message: &Value| message.get("role").and_then(Value::as_str).map(str::to_owned);
    let instructs = |message: &Value| matches!(role(message).as_deref(), Some("system" | "developer"));
    let at = messages.iter().take_while(|message| instructs(message)).count();
    // Servers refuse a request that calls instructions by both names.
    let theirs = messages.iter().find(|message| instructs(message)).and_then(role);
    let role = theirs.unwrap_or_else(|| "system".to_owned());
    let content = reference(text);
    messages.insert(at, json!({"role": role, "content": content}));
}
