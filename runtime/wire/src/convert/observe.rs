//! What operators watch: agents, providers, the supervision tree.

use greenroom_kernel::{
    ActorNode, ActorState, AgentInstance, AgentStatus, BreakerState, Credentials, Health, ProviderStatus,
    SupervisionChange, SupervisionEvent, Timestamp,
};
use greenroom_proto::v1 as pb;

use super::common::{decode_card, encode_card, list, need, paired};
use crate::Malformed;

paired!(encode_health, decode_health, Health, pb::Health, {
    Healthy <=> Healthy, Degraded <=> Degraded, Unhealthy <=> Unhealthy, Draining <=> Draining,
});
paired!(encode_breaker, decode_breaker, BreakerState, pb::BreakerState, {
    Closed <=> Closed, Open <=> Open, HalfOpen <=> HalfOpen,
});
paired!(encode_actor_state, decode_actor_state, ActorState, pb::ActorState, {
    Waiting <=> Waiting, Starting <=> Starting, Running <=> Running, Stopping <=> Stopping,
    Backoff <=> Backoff, Stopped <=> Stopped, Failed <=> Failed,
});
paired!(encode_change, decode_change, SupervisionChange, pb::SupervisionChange, {
    Started <=> Started, Restarted <=> Restarted, Stopped <=> Stopped, Failed <=> Failed,
    Escalated <=> Escalated,
});

pub(crate) fn encode_agent(agent: AgentStatus) -> pb::AgentStatus {
    let instance = |instance: AgentInstance| pb::AgentInstance {
        id: instance.id,
        node: instance.node,
        version: instance.version,
        health: encode_health(instance.health),
        breaker: encode_breaker(instance.breaker),
        in_flight: instance.in_flight,
        restarts: instance.restarts,
        last_error: instance.last_error,
    };
    pb::AgentStatus {
        card: Some(encode_card(agent.card)),
        health: encode_health(agent.health),
        breaker: encode_breaker(agent.breaker),
        instances: agent.instances.into_iter().map(instance).collect(),
        in_flight: agent.in_flight,
        queued: agent.queued,
        last_error: agent.last_error,
        latency_ms_p50: agent.latency_ms_p50,
        latency_ms_p99: agent.latency_ms_p99,
        checked_at_ms: agent.checked_at.as_millis(),
    }
}

pub(crate) fn decode_agent(agent: pb::AgentStatus) -> Result<AgentStatus, Malformed> {
    let instance = |instance: pb::AgentInstance| {
        Ok(AgentInstance {
            id: instance.id,
            node: instance.node,
            version: instance.version,
            health: decode_health(instance.health, "instance.health")?,
            breaker: decode_breaker(instance.breaker, "instance.breaker")?,
            in_flight: instance.in_flight,
            restarts: instance.restarts,
            last_error: instance.last_error,
        })
    };
    Ok(AgentStatus {
        card: decode_card(need(agent.card, "agent.card")?)?,
        health: decode_health(agent.health, "agent.health")?,
        breaker: decode_breaker(agent.breaker, "agent.breaker")?,
        instances: list(agent.instances, instance)?,
        in_flight: agent.in_flight,
        queued: agent.queued,
        last_error: agent.last_error,
        latency_ms_p50: agent.latency_ms_p50,
        latency_ms_p99: agent.latency_ms_p99,
        checked_at: Timestamp::from_millis(agent.checked_at_ms),
    })
}

pub(crate) fn encode_provider(provider: ProviderStatus) -> pb::ProviderStatus {
    pb::ProviderStatus {
        name: provider.name,
        node: provider.node,
        health: encode_health(provider.health),
        breaker: encode_breaker(provider.breaker),
        concurrency_limit: provider.concurrency_limit,
        in_flight: provider.in_flight,
        error_rate: provider.error_rate,
        latency_ms_p50: provider.latency_ms_p50,
        ttft_ms_p50: provider.ttft_ms_p50,
        last_error: provider.last_error,
        concurrency_ceiling: provider.concurrency_ceiling,
        ttft_ms_average: provider.ttft_ms_average,
        tokens_per_second: provider.tokens_per_second,
        held_until_ms: provider.held_until.map(Timestamp::as_millis),
        credentials: provider.credentials.map(|of| pb::Credentials {
            usable: of.usable,
            total: of.total,
        }),
        requests_left: provider.requests_left,
        tokens_left: provider.tokens_left,
        quota_resets_at_ms: provider.quota_resets_at.map(Timestamp::as_millis),
    }
}

pub(crate) fn decode_provider(provider: pb::ProviderStatus) -> Result<ProviderStatus, Malformed> {
    Ok(ProviderStatus {
        name: provider.name,
        node: provider.node,
        health: decode_health(provider.health, "provider.health")?,
        breaker: decode_breaker(provider.breaker, "provider.breaker")?,
        concurrency_limit: provider.concurrency_limit,
        in_flight: provider.in_flight,
        error_rate: provider.error_rate,
        latency_ms_p50: provider.latency_ms_p50,
        ttft_ms_p50: provider.ttft_ms_p50,
        last_error: provider.last_error,
        concurrency_ceiling: provider.concurrency_ceiling,
        ttft_ms_average: provider.ttft_ms_average,
        tokens_per_second: provider.tokens_per_second,
        held_until: provider.held_until_ms.map(Timestamp::from_millis),
        credentials: provider.credentials.map(|of| Credentials {
            usable: of.usable,
            total: of.total,
        }),
        requests_left: provider.requests_left,
        tokens_left: provider.tokens_left,
        quota_resets_at: provider.quota_resets_at_ms.map(Timestamp::from_millis),
    })
}

pub(crate) fn encode_actor(actor: ActorNode) -> pb::ActorNode {
    pb::ActorNode {
        path: actor.path,
        kind: actor.kind,
        state: encode_actor_state(actor.state),
        restarts: actor.restarts,
        last_cause: actor.last_cause,
        mailbox: actor.mailbox,
        breaker: actor.breaker.map(encode_breaker),
        children: actor.children.into_iter().map(encode_actor).collect(),
    }
}

pub(crate) fn decode_actor(actor: pb::ActorNode) -> Result<ActorNode, Malformed> {
    let breaker = |state| decode_breaker(state, "actor.breaker");
    Ok(ActorNode {
        path: actor.path,
        kind: actor.kind,
        state: decode_actor_state(actor.state, "actor.state")?,
        restarts: actor.restarts,
        last_cause: actor.last_cause,
        mailbox: actor.mailbox,
        breaker: actor.breaker.map(breaker).transpose()?,
        children: list(actor.children, decode_actor)?,
    })
}

pub(crate) fn encode_supervision(event: SupervisionEvent) -> pb::SupervisionEvent {
    pb::SupervisionEvent {
        path: event.path,
        kind: event.kind,
        what: encode_change(event.what),
        cause: event.cause,
        at_ms: event.at.as_millis(),
    }
}

pub(crate) fn decode_supervision(event: pb::SupervisionEvent) -> Result<SupervisionEvent, Malformed> {
    Ok(SupervisionEvent {
        path: event.path,
        kind: event.kind,
        what: decode_change(event.what, "event.what")?,
        cause: event.cause,
        at: Timestamp::from_millis(event.at_ms),
    })
}
