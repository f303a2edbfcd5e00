//! The items of an answer.

use greenroom_kernel::ToolCall;
use serde_json::{Value, json};

/// One item.
#[derive(Debug)]
pub(super) enum Item {
    Message {
        id: String,
        text: String,
    },
    Thought {
        id: String,
        text: String,
        sealed: Option<String>,
    },
    Call {
        id: String,
        call: ToolCall,
    },
}

impl Item {
    pub(super) fn message(answer: &str, at: usize, text: String) -> Self {
        Self::Message {
            id: format!("msg_{answer}{at:04x}"),
            text,
        }
    }

    pub(super) fn thought(answer: &str, at: usize, text: String, sealed: Option<String>) -> Self {
        Self::Thought {
            id: format!("rs_{answer}{at:04x}"),
            text,
            sealed,
        }
    }

    pub(super) fn call(answer: &str, at: usize, call: &ToolCall) -> Self {
        Self::Call {
            id: format!("fc_{answer}{at:04x}"),
            call: call.clone(),
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::Thought { id, .. } | Self::Call { id, .. } => id,
        }
    }

    /// As it is before anything of it was told.
    pub(super) fn begun(&self) -> Value {
        match self {
            Self::Message { id, .. } => {
                json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []})
            }
            Self::Thought { id, .. } => json!({"id": id, "type": "reasoning", "summary": []}),
            Self::Call { id, call } => call_item(id, call, "in_progress", ""),
        }
    }

    pub(super) fn whole(&self, status: &str) -> Value {
        match self {
            Self::Message { id, text } => json!({
                "id": id, "type": "message", "status": status, "role": "assistant", "content": [text_part(text)],
            }),
            Self::Thought { id, text, sealed } => {
                let summary = if text.is_empty() {
                    json!([])
                } else {
                    json!([summary_part(text)])
                };
                let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
                if let Some(sealed) = sealed {
                    item["encrypted_content"] = Value::from(sealed.as_str());
                }
                item
            }
            Self::Call { id, call } => call_item(id, call, status, &call.arguments),
        }
    }
}

fn call_item(id: &str, call: &ToolCall, status: &str, arguments: &str) -> Value {
    json!({
        "id": id, "type": "function_call", "status": status, "arguments": arguments, "call_id": call.id,
        "name": call.name,
    })
}

pub(super) fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

pub(super) fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}
