//! Rows with every field set.

use std::time::Duration;

use greenroom_kernel::{
    AcceptCall, AcceptRequest, ActorNode, ActorState, AgentCard, AgentInstance, AgentName, AgentRecord,
    AgentSeen, AgentStatus, BlobId, BreakerState, ChatEvent, ChatEventBody, Credentials, Cursor, Effect,
    Failure, Health, IdempotencyKey, InstanceId, InstanceSeen, JournalKind, Message, MessageRow, NodeId,
    Payload, Position, Principal, ProviderStatus, Role, SessionId, SessionRow, Span, StepKind, StepStatus,
    StepView, Subject, SupervisionChange, SupervisionEvent, TaskId, TaskOutput, TaskRow, TaskStatus,
    TenantId, Timestamp, Usage,
};
use serde_json::json;

pub(crate) fn session_id() -> SessionId {
    SessionId::parse("s-1").unwrap()
}

pub(crate) fn task_id() -> TaskId {
    TaskId::parse("s-1.3").unwrap()
}

pub(crate) fn agent_name() -> AgentName {
    AgentName::parse("echo").unwrap()
}

pub(crate) fn key() -> IdempotencyKey {
    IdempotencyKey::parse("k=1").unwrap()
}

pub(crate) fn principal() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: Subject::parse("me@example.org").unwrap(),
        scopes: vec!["sessions:all".into(), "x".into()],
        tier: "gold".into(),
    }
}

pub(crate) fn cursor() -> Cursor {
    Cursor {
        position: Position { seq: 300, index: 2 },
        attempt: 3,
        offset: 4096,
    }
}

pub(crate) fn stored() -> Payload {
    Payload::Blob {
        id: BlobId::of("large"),
        bytes: 5,
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn usage() -> Usage {
    Usage {
        input_tokens: 1,
        cached_input_tokens: 2,
        cache_write_tokens: 3,
        output_tokens: 4,
        reasoning_tokens: 5,
        cost_usd: Some(0.25),
        estimated: true,
    }
}

pub(crate) fn accepts() -> Vec<AcceptRequest> {
    let request = |call, session, timeout, trace| AcceptRequest {
        call,
        session,
        key: key(),
        timeout,
        wait: Duration::from_millis(55_000),
        trace,
    };
    vec![
        request(
            AcceptCall::Chat {
                content: "hi".into(),
                agent: Some(agent_name()),
                model: Some("m".into()),
                metadata: Some(json!({ "a": [1, null] })),
            },
            Some(session_id()),
            Some(Duration::from_millis(250)),
            Some("00-1-2-01".into()),
        ),
        request(
            AcceptCall::Chat {
                content: String::new(),
                agent: None,
                model: None,
                metadata: None,
            },
            None,
            None,
            None,
        ),
        request(
            AcceptCall::Task {
                agent: agent_name(),
                input: "[1]".into(),
            },
            None,
            None,
            None,
        ),
    ]
}

pub(crate) fn session(full: bool) -> SessionRow {
    SessionRow {
        id: session_id(),
        subject: principal().subject,
        title: full.then(|| "title".into()),
        metadata: full.then(|| json!({ "k": 1.5 })),
        created_at: at(-1),
        updated_at: at(2),
        last: Position { seq: 9, index: 1 },
        deleted: full,
    }
}

pub(crate) fn message(full: bool) -> MessageRow {
    MessageRow {
        session: session_id(),
        position: Position { seq: 4, index: 2 },
        at: at(7),
        message: Message {
            task: 3,
            number: 1,
            role: if full { Role::Assistant } else { Role::User },
            content: if full { stored() } else { Payload::inline("text") },
            agent: full.then(agent_name),
            usage: full.then(usage),
            metadata: full.then(|| json!("data")),
        },
    }
}

pub(crate) fn task(full: bool) -> TaskRow {
    TaskRow {
        id: task_id(),
        subject: principal().subject,
        kind: if full {
            JournalKind::Task
        } else {
            JournalKind::Session
        },
        turn: full,
        agent: agent_name(),
        status: if full {
            TaskStatus::Completed
        } else {
            TaskStatus::Waiting
        },
        input: if full {
            Payload::inline("{}")
        } else {
            Payload::Hollow
        },
        output: full.then(|| TaskOutput {
            content: Some(Payload::inline("done")),
            data: Some(stored()),
            provider: Some("p".into()),
            model: Some("m".into()),
        }),
        error: full.then(|| Failure::unavailable("later").retry_after(Duration::from_secs(1))),
        usage: full.then(usage),
        attempts: 2,
        created_at: at(1),
        updated_at: at(2),
        deadline: full.then(|| at(3)),
        parent: full.then(task_id),
        first: Position { seq: 1, index: 0 },
        last: Position { seq: 2, index: 5 },
        due: full.then(|| at(4)),
    }
}

pub(crate) fn step(full: bool) -> StepView {
    StepView {
        number: 2,
        attempt: 1,
        kind: if full { StepKind::Approval } else { StepKind::Model },
        name: full.then(|| "n".into()),
        effect: if full {
            Effect::NonIdempotent
        } else {
            Effect::ReadOnly
        },
        status: if full {
            StepStatus::OutcomeUnknown
        } else {
            StepStatus::Started
        },
        started_at: at(5),
        finished_at: full.then(|| at(6)),
        usage: full.then(usage),
        error: full.then(|| Failure::bad_input("no")),
        prompt: full.then(|| Payload::inline("\"sure?\"")),
    }
}

pub(crate) fn events() -> Vec<ChatEvent> {
    let bodies = [
        ChatEventBody::Message(message(true)),
        ChatEventBody::Delta {
            task: task_id(),
            attempt: 2,
            offset: 17,
            delta: "wörds".into(),
        },
        ChatEventBody::Attempt {
            task: task_id(),
            attempt: 2,
        },
        ChatEventBody::Step {
            task: task_id(),
            step: step(false),
        },
        ChatEventBody::Waiting {
            task: task(false),
            step: step(true),
        },
        ChatEventBody::Ended(task(true)),
    ];
    let event = |(number, body)| ChatEvent {
        cursor: Cursor {
            offset: cursor().offset + number,
            ..cursor()
        },
        session: session_id(),
        at: at(11),
        body,
    };
    (0..).zip(bodies).map(event).collect()
}

pub(crate) fn agent(full: bool) -> AgentStatus {
    let instance = AgentInstance {
        id: "echo@a".into(),
        node: "n1".into(),
        version: "1".into(),
        health: Health::Draining,
        breaker: BreakerState::HalfOpen,
        in_flight: 3,
        restarts: 4,
        last_error: full.then(|| "e".into()),
    };
    AgentStatus {
        card: AgentCard {
            name: agent_name(),
            version: "1".into(),
            description: "d".into(),
            skills: vec!["s".into()],
            input_schema: full.then(|| json!({ "type": "object" })),
            output_schema: full.then_some(serde_json::Value::Bool(true)),
        },
        health: Health::Degraded,
        breaker: BreakerState::Open,
        instances: if full {
            vec![instance.clone(), instance]
        } else {
            Vec::new()
        },
        in_flight: 1,
        queued: 2,
        last_error: full.then(|| "e".into()),
        latency_ms_p50: full.then_some(3),
        latency_ms_p99: full.then_some(4),
        checked_at: at(12),
    }
}

pub(crate) fn record(full: bool) -> AgentRecord {
    let instance = InstanceSeen {
        id: InstanceId::parse("a@http://10.0.0.1:7071").unwrap(),
        version: "1".into(),
        health: Health::Draining,
        breaker: BreakerState::HalfOpen,
        in_flight: 3,
    };
    AgentRecord {
        agent: agent_name(),
        node: NodeId::parse("n").unwrap(),
        seen: if full {
            AgentSeen::Instance(instance)
        } else {
            AgentSeen::Gone
        },
        span: Span::new(at(12), at(13)),
    }
}

pub(crate) fn provider(full: bool) -> ProviderStatus {
    ProviderStatus {
        name: "p".into(),
        node: "n".into(),
        health: Health::Unhealthy,
        breaker: BreakerState::Closed,
        concurrency_limit: 8,
        in_flight: 2,
        error_rate: 0.125,
        latency_ms_p50: full.then_some(5),
        ttft_ms_p50: full.then_some(6),
        last_error: full.then(|| "e".into()),
        concurrency_ceiling: 9,
        ttft_ms_average: full.then_some(7),
        tokens_per_second: full.then_some(0.5),
        held_until: full.then_some(Timestamp::from_millis(8)),
        credentials: full.then_some(Credentials { usable: 1, total: 2 }),
        requests_left: full.then_some(10),
        tokens_left: full.then_some(11),
        quota_resets_at: full.then_some(Timestamp::from_millis(12)),
    }
}

pub(crate) fn actors(full: bool) -> Vec<ActorNode> {
    let actor = |path: &str, children| ActorNode {
        path: path.into(),
        kind: "supervisor".into(),
        state: ActorState::Backoff,
        restarts: 1,
        last_cause: full.then(|| "panic: boom".into()),
        mailbox: 2,
        breaker: full.then_some(BreakerState::HalfOpen),
        children,
    };
    let leaf = actor("node/a/b", Vec::new());
    vec![actor(
        "node",
        vec![actor("node/a", vec![leaf]), actor("node/c", Vec::new())],
    )]
}

pub(crate) fn supervision() -> Vec<SupervisionEvent> {
    use SupervisionChange::{Escalated, Failed, Restarted, Started, Stopped};
    let event = |what| SupervisionEvent {
        path: "node".into(),
        kind: "k".into(),
        what,
        cause: (what == Failed).then(|| "hang".into()),
        at: at(13),
    };
    [Started, Restarted, Stopped, Failed, Escalated]
        .into_iter()
        .map(event)
        .collect()
}
