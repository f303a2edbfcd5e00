//! What the tests ask for, in few words.

use std::time::Duration;

use greenroom_kernel::{
    AcceptCall, AcceptRequest, AgentName, Effect, IdempotencyKey, Principal, SessionId, StepCall, StepKind,
    StepPath, Subject, TenantId,
};

pub(crate) fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

pub(crate) fn path(text: &str) -> StepPath {
    StepPath::parse(text).unwrap()
}

pub(crate) fn ann() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: Subject::parse("ann").unwrap(),
        scopes: Vec::new(),
        tier: String::new(),
    }
}

pub(crate) const LONG: Duration = Duration::from_secs(120);
pub(crate) const NOT: Duration = Duration::ZERO;

pub(crate) fn chat(session: Option<&SessionId>, content: &str, key: &str, wait: Duration) -> AcceptRequest {
    AcceptRequest {
        call: AcceptCall::Chat {
            content: content.to_owned(),
            agent: None,
            model: None,
            metadata: None,
        },
        session: session.cloned(),
        key: IdempotencyKey::parse(key).unwrap(),
        timeout: None,
        wait,
        trace: None,
    }
}

pub(crate) fn task(agent: &str, key: &str, wait: Duration) -> AcceptRequest {
    AcceptRequest {
        call: AcceptCall::Task {
            agent: name(agent),
            input: "{}".to_owned(),
        },
        ..chat(None, "", key, wait)
    }
}

pub(crate) fn call(place: &str, kind: StepKind, effect: Effect, input: &str) -> StepCall {
    StepCall {
        path: path(place),
        kind,
        name: Some("thing".into()),
        effect,
        input: input.to_owned(),
        visible: false,
    }
}

pub(crate) fn tool(place: &str, effect: Effect) -> StepCall {
    call(place, StepKind::Tool, effect, "{}")
}

pub(crate) fn hand_off(place: &str, agent: &str) -> StepCall {
    StepCall {
        name: Some(agent.to_owned()),
        ..call(place, StepKind::Agent, Effect::Idempotent, "{}")
    }
}

pub(crate) fn approval(place: &str, input: &str) -> StepCall {
    call(place, StepKind::Approval, Effect::ReadOnly, input)
}

pub(crate) fn model(place: &str) -> StepCall {
    StepCall {
        visible: true,
        ..call(place, StepKind::Model, Effect::ReadOnly, "{\"messages\":[]}")
    }
}
