//! What several services say alike.

use greenroom_kernel::{
    AgentCard, AgentName, Effect, ErrorCode, Failure, Principal, Role, StepKind, Subject, TenantId,
};
use greenroom_proto::v1 as pb;
use serde_json::Value;

use crate::Malformed;

/// Declares one pairing of a kernel enum with its wire enum, both ways: a variant missing on either side does not
/// compile.
macro_rules! paired {
    ($encode:ident, $decode:ident, $kernel:ty, $wire:ty, { $($k:ident <=> $w:ident),+ $(,)? }) => {
        pub(crate) const fn $encode(value: $kernel) -> i32 {
            (match value { $(<$kernel>::$k => <$wire>::$w,)+ }) as i32
        }

        pub(crate) fn $decode(value: i32, field: &'static str) -> Result<$kernel, Malformed> {
            match <$wire>::try_from(value) {
                $(Ok(<$wire>::$w) => Ok(<$kernel>::$k),)+
                Ok(<$wire>::Unspecified) => Err(Malformed::absent(field)),
                Err(_) => Err(Malformed::new(field, format_args!("{value} has no meaning"))),
            }
        }
    };
}

paired!(encode_code, decode_code, ErrorCode, pb::ErrorCode, {
    Unauthenticated <=> Unauthenticated, Forbidden <=> Forbidden, NotFound <=> NotFound,
    BadUserInput <=> BadUserInput, Conflict <=> Conflict, ResourceExhausted <=> ResourceExhausted,
    LimitExceeded <=> LimitExceeded, DeadlineExceeded <=> DeadlineExceeded, Unavailable <=> Unavailable,
    AgentFailed <=> AgentFailed, ProviderFailed <=> ProviderFailed, Cancelled <=> Cancelled,
    OutcomeUnknown <=> OutcomeUnknown, NonDeterministic <=> NonDeterministic, Internal <=> Internal,
});
paired!(encode_role, decode_role, Role, pb::Role, {
    User <=> User, Assistant <=> Assistant, System <=> System, Tool <=> Tool,
});
paired!(encode_kind, decode_kind, StepKind, pb::StepKind, {
    Model <=> Model, Tool <=> Tool, Agent <=> Agent, Effect <=> Effect, Timer <=> Timer, Approval <=> Approval,
});
paired!(encode_effect, decode_effect, Effect, pb::Effect, {
    ReadOnly <=> ReadOnly, Idempotent <=> Idempotent, NonIdempotent <=> NonIdempotent,
});
pub(crate) use paired;

/// A failure as data, inside a message. Where else to ask is said of calls alone, by their status.
pub(crate) fn encode_failure(failure: Failure) -> pb::ErrorInfo {
    pb::ErrorInfo {
        code: encode_code(failure.code),
        message: failure.message,
        retryable: failure.retryable,
        retry_after_ms: failure.retry_after_ms,
        elsewhere: None,
        elsewhere_node: None,
        not_begun: false,
    }
}

/// A code that a newer peer knows and we don't is INTERNAL: the message still says what happened.
pub(crate) fn decode_failure(info: pb::ErrorInfo, field: &'static str) -> Result<Failure, Malformed> {
    let code = match pb::ErrorCode::try_from(info.code) {
        Ok(_) => decode_code(info.code, field)?,
        Err(_) => ErrorCode::Internal,
    };
    Ok(Failure {
        code,
        message: info.message,
        retryable: info.retryable,
        retry_after_ms: info.retry_after_ms,
        elsewhere: None,
        elsewhere_node: None,
        not_begun: false,
    })
}

pub(crate) fn encode_principal(principal: &Principal) -> pb::Principal {
    pb::Principal {
        tenant: principal.tenant.as_str().to_owned(),
        subject: principal.subject.as_str().to_owned(),
        scopes: principal.scopes.clone(),
        tier: principal.tier.clone(),
    }
}

pub(crate) fn decode_principal(principal: Option<pb::Principal>) -> Result<Principal, Malformed> {
    let principal = principal.ok_or(Malformed::absent("principal"))?;
    Ok(Principal {
        tenant: TenantId::parse(&principal.tenant).map_err(|e| Malformed::new("principal.tenant", e))?,
        subject: Subject::parse(&principal.subject).map_err(|e| Malformed::new("principal.subject", e))?,
        scopes: principal.scopes,
        tier: principal.tier,
    })
}

/// An agent's card for the wire.
pub fn encode_card(card: AgentCard) -> pb::AgentCard {
    pb::AgentCard {
        name: card.name.as_str().to_owned(),
        version: card.version,
        description: card.description,
        skills: card.skills,
        input_schema_json: card.input_schema.map(|schema| schema.to_string()),
        output_schema_json: card.output_schema.map(|schema| schema.to_string()),
    }
}

/// An agent's card from the wire.
pub fn decode_card(card: pb::AgentCard) -> Result<AgentCard, Malformed> {
    Ok(AgentCard {
        name: AgentName::parse(&card.name).map_err(|e| Malformed::new("card.name", e))?,
        version: card.version,
        description: card.description,
        skills: card.skills,
        input_schema: decode_json(card.input_schema_json, "card.input_schema_json")?,
        output_schema: decode_json(card.output_schema_json, "card.output_schema_json")?,
    })
}

pub(crate) fn decode_json(text: Option<String>, field: &'static str) -> Result<Option<Value>, Malformed> {
    text.map(|text| serde_json::from_str(&text).map_err(|e| Malformed::new(field, e)))
        .transpose()
}

/// A field that must be there.
pub(crate) fn need<T>(value: Option<T>, field: &'static str) -> Result<T, Malformed> {
    value.ok_or(Malformed::absent(field))
}

/// A value that has a type of its own, from its text.
pub(crate) fn parsed<T, E: ToString>(
    parse: impl FnOnce(&str) -> Result<T, E>,
    text: &str,
    field: &'static str,
) -> Result<T, Malformed> {
    parse(text).map_err(|error| Malformed::new(field, error.to_string()))
}

/// The same of a text that may be absent.
pub(crate) fn parsed_if<T, E: ToString>(
    parse: impl FnOnce(&str) -> Result<T, E>,
    text: Option<String>,
    field: &'static str,
) -> Result<Option<T>, Malformed> {
    text.map(|text| parsed(parse, &text, field)).transpose()
}

pub(crate) fn list<A, B>(
    values: Vec<A>,
    decode: impl Fn(A) -> Result<B, Malformed>,
) -> Result<Vec<B>, Malformed> {
    values.into_iter().map(decode).collect()
}

pub(crate) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A text that must be JSON, unread.
pub(crate) fn checked_json(text: String, field: &'static str) -> Result<String, Malformed> {
    match serde_json::from_str::<&serde_json::value::RawValue>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Malformed::new(field, error)),
    }
}

pub(crate) fn checked_json_if(
    text: Option<String>,
    field: &'static str,
) -> Result<Option<String>, Malformed> {
    text.map(|text| checked_json(text, field)).transpose()
}
