//! Rows as a store would hold them.

use std::sync::Arc;

use greenroom_kernel::{
    ActorNode, ActorState, AgentCard, AgentInstance, AgentName, AgentRecord, AgentSeen, AgentStatus,
    BreakerState, Credentials, Effect, Health, InstanceId, InstanceSeen, JournalKind, Message, MessageRow,
    NodeId, Payload, Position, ProviderStatus, Role, SessionId, SessionRow, Span, StepKind, StepStatus,
    StepView, Subject, SupervisionChange, SupervisionEvent, TaskId, TaskOutput, TaskRow, TaskStatus,
    Timestamp, Usage,
};

pub(crate) const T0: Timestamp = Timestamp::from_millis(1_795_305_599_123);

pub(crate) fn session(id: &SessionId, subject: &Subject, title: Option<String>, n: i64) -> SessionRow {
    SessionRow {
        id: id.clone(),
        subject: subject.clone(),
        title,
        metadata: Some(serde_json::json!({ "n": n })),
        created_at: Timestamp::from_millis(T0.as_millis() + n),
        updated_at: Timestamp::from_millis(T0.as_millis() + n),
        last: Position { seq: 0, index: 0 },
        deleted: false,
    }
}

pub(crate) fn task(id: TaskId, subject: &Subject, agent: &AgentName, input: &str, at: Position) -> TaskRow {
    let is_own = id.journal.as_str().starts_with("t-");
    TaskRow {
        id,
        subject: subject.clone(),
        kind: if is_own {
            JournalKind::Task
        } else {
            JournalKind::Session
        },
        turn: !is_own,
        agent: agent.clone(),
        status: TaskStatus::Running,
        input: Payload::inline(input),
        output: None,
        error: None,
        usage: None,
        attempts: 1,
        created_at: T0,
        updated_at: T0,
        deadline: Some(Timestamp::from_millis(T0.as_millis() + 60_000)),
        parent: None,
        first: at,
        last: at,
        due: None,
    }
}

pub(crate) fn completed(mut task: TaskRow, content: Payload, data: &str) -> TaskRow {
    task.status = TaskStatus::Completed;
    task.output = Some(TaskOutput {
        content: Some(content),
        data: Some(Payload::inline(data)),
        provider: Some("fake".into()),
        model: Some("tiny".into()),
    });
    task.usage = Some(usage());
    task.updated_at = Timestamp::from_millis(T0.as_millis() + 250);
    task
}

pub(crate) fn usage() -> Usage {
    Usage {
        input_tokens: 3,
        output_tokens: 5,
        cost_usd: Some(0.25),
        estimated: true,
        ..Usage::default()
    }
}

pub(crate) fn message(
    task: &TaskId,
    number: u32,
    role: Role,
    content: &str,
    position: Position,
) -> MessageRow {
    MessageRow {
        session: task.journal.clone(),
        position,
        at: T0,
        message: Message {
            task: task.ordinal,
            number,
            role,
            content: Payload::inline(content),
            agent: (role == Role::Assistant).then(|| AgentName::parse("assistant").unwrap()),
            usage: (role == Role::Assistant).then(usage),
            metadata: None,
        },
    }
}

pub(crate) fn step(number: u32) -> StepView {
    StepView {
        number,
        attempt: 1,
        kind: StepKind::Approval,
        name: Some("approve".into()),
        effect: Effect::NonIdempotent,
        status: StepStatus::Waiting,
        started_at: T0,
        finished_at: None,
        usage: None,
        error: None,
        prompt: Some(Payload::inline(r#"{"question":"really?"}"#)),
    }
}

pub(crate) fn agent(name: &str) -> AgentStatus {
    AgentStatus {
        card: AgentCard {
            name: AgentName::parse(name).unwrap(),
            version: "1.2.3".into(),
            description: format!("the agent {name}"),
            skills: vec![],
            input_schema: None,
            output_schema: None,
        },
        health: Health::Degraded,
        breaker: BreakerState::HalfOpen,
        instances: vec![AgentInstance {
            id: format!("{name}@here"),
            node: "node-1".into(),
            version: "1.2.3".into(),
            health: Health::Draining,
            breaker: BreakerState::Open,
            in_flight: 2,
            restarts: 1,
            last_error: Some("boom".into()),
        }],
        in_flight: 2,
        queued: 3,
        last_error: None,
        latency_ms_p50: Some(12),
        latency_ms_p99: Some(u64::MAX),
        checked_at: T0,
    }
}

pub(crate) fn provider() -> ProviderStatus {
    ProviderStatus {
        name: "local".into(),
        node: "node-1".into(),
        health: Health::Healthy,
        breaker: BreakerState::Closed,
        concurrency_limit: 1,
        in_flight: 0,
        error_rate: 0.5,
        latency_ms_p50: None,
        ttft_ms_p50: Some(80),
        last_error: None,
        concurrency_ceiling: 4,
        ttft_ms_average: Some(90),
        tokens_per_second: Some(12.5),
        held_until: Some(T0),
        credentials: Some(Credentials { usable: 1, total: 2 }),
        requests_left: Some(7),
        tokens_left: Some(5_000_000_000),
        quota_resets_at: Some(T0),
    }
}

/// What was seen of the agent `echo`, a minute apart: its last instance leaves.
pub(crate) fn records() -> Vec<AgentRecord> {
    let record = |minute: i64, seen| AgentRecord {
        agent: AgentName::parse("echo").unwrap(),
        node: NodeId::parse("supervisor-1").unwrap(),
        seen,
        span: Span::at(Timestamp::from_millis(T0.as_millis() + minute * 60_000)),
    };
    let instance = AgentSeen::Instance(InstanceSeen {
        id: InstanceId::parse("echo@here").unwrap(),
        version: "1.2.3".into(),
        health: Health::Degraded,
        breaker: BreakerState::HalfOpen,
        in_flight: 4,
    });
    vec![
        record(2, AgentSeen::Gone),
        record(1, instance.clone()),
        record(0, instance),
    ]
}

pub(crate) fn tree() -> ActorNode {
    let leaf = ActorNode {
        path: "node/agents".into(),
        kind: "agents".into(),
        state: ActorState::Backoff,
        restarts: 2,
        last_cause: Some("panic: boom".into()),
        mailbox: 4,
        breaker: Some(BreakerState::Closed),
        children: vec![],
    };
    ActorNode {
        path: "node".into(),
        state: ActorState::Running,
        breaker: None,
        children: vec![leaf.clone()],
        ..leaf
    }
}

pub(crate) fn supervision(n: i64) -> SupervisionEvent {
    SupervisionEvent {
        path: format!("node/agents/{n}"),
        kind: "agent".into(),
        what: SupervisionChange::Restarted,
        cause: Some("panic".into()),
        at: T0,
    }
}

pub(crate) fn text(text: &str) -> Arc<str> {
    text.into()
}
