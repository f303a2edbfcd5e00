//! The provider's own answer to a call that it refused, as far as callers of its wire family may see it.

use bytes::Bytes;
use greenroom_kernel::{ErrorAnswer, FaultClass, ProviderFault};
use serde_json::Value;

use super::detail::{Detail, Redactor};

/// What `fault`, made of an answer with this status, shows of it. Only what says that the request is at fault is shown
/// as it is: other errors are between us and the provider, and tell of keys, accounts and limits that are ours.
pub(super) fn of_answer(
    fault: &ProviderFault,
    status: u16,
    detail: &Detail,
    body: &[u8],
    redactor: &Redactor,
) -> Box<ErrorAnswer> {
    let shown = !fault.class.is_provider_fault()
        && (400..500).contains(&status)
        && !matches!(status, 401 | 403)
        && is_clean(body, redactor);
    Box::new(ErrorAnswer {
        status,
        code: code(detail, redactor),
        body: shown.then(|| Bytes::copy_from_slice(body)),
    })
}

/// What a fault made of an error inside a good answer shows of it: not the error itself, since only its wire family
/// knows what stands around it in a body.
pub(super) fn of_object(fault: &ProviderFault, detail: &Detail, redactor: &Redactor) -> Box<ErrorAnswer> {
    let named = detail.status.filter(|status| *status >= 400);
    Box::new(ErrorAnswer {
        status: named.unwrap_or(match fault.class {
            FaultClass::BadRequest | FaultClass::ContextLength | FaultClass::ContentFilter => 400,
            FaultClass::Throttled => 429,
            FaultClass::Overloaded => 503,
            FaultClass::Transient | FaultClass::HardDown | FaultClass::Cancelled => 500,
        }),
        code: code(detail, redactor),
        body: None,
    })
}

fn code(detail: &Detail, redactor: &Redactor) -> Option<String> {
    let code = detail.code.as_deref()?;
    (redactor.redact(code) == code).then(|| code.to_owned())
}

/// Whether a body is JSON of which no text holds a key, however it is escaped.
fn is_clean(body: &[u8], redactor: &Redactor) -> bool {
    let clean = |text: &str| redactor.redact(text) == text;
    fn all(value: &Value, clean: &impl Fn(&str) -> bool) -> bool {
        match value {
            Value::String(text) => clean(text),
            Value::Array(items) => items.iter().all(|item| all(item, clean)),
            Value::Object(fields) => fields
                .iter()
                .all(|(name, value)| clean(name) && all(value, clean)),
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        }
    }
    serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object() && all(&value, &clean))
}
