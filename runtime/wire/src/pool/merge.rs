//! Several supervisors' views as one.

use std::collections::BTreeMap;

use greenroom_kernel::{
    ActorNode, ActorState, AgentInstance, AgentName, AgentStatus, BreakerState, Failure, Health,
    SupervisionEvent,
};

use super::SupervisorStatus;

/// Every agent once, by name. What runs and waits is the sum of all supervisors', what is measured the worst of them:
/// medians can't be added.
pub(super) fn agents(views: impl IntoIterator<Item = AgentStatus>) -> Vec<AgentStatus> {
    let mut merged = BTreeMap::<AgentName, AgentStatus>::new();
    for view in views {
        match merged.get_mut(&view.card.name) {
            Some(agent) => join(agent, view),
            None => drop(merged.insert(view.card.name.clone(), view)),
        }
    }
    merged.into_values().collect()
}

fn join(agent: &mut AgentStatus, view: AgentStatus) {
    for instance in view.instances {
        match agent.instances.iter_mut().find(|known| known.id == instance.id) {
            Some(known) => join_instance(known, instance),
            None => agent.instances.push(instance),
        }
    }
    // It works as long as it works for somebody.
    agent.health = *[agent.health, view.health]
        .iter()
        .min_by_key(|h| badness(**h))
        .unwrap_or(&view.health);
    agent.breaker = if openness(view.breaker) < openness(agent.breaker) {
        view.breaker
    } else {
        agent.breaker
    };
    agent.in_flight = agent.in_flight.saturating_add(view.in_flight);
    agent.queued = agent.queued.saturating_add(view.queued);
    agent.last_error = agent.last_error.take().or(view.last_error);
    agent.latency_ms_p50 = agent.latency_ms_p50.max(view.latency_ms_p50);
    agent.latency_ms_p99 = agent.latency_ms_p99.max(view.latency_ms_p99);
    agent.checked_at = agent.checked_at.min(view.checked_at);
}

/// One instance as several find it: the trouble that one has with it must be seen.
fn join_instance(known: &mut AgentInstance, view: AgentInstance) {
    if badness(view.health) > badness(known.health) {
        known.health = view.health;
    }
    if openness(view.breaker) > openness(known.breaker) {
        known.breaker = view.breaker;
    }
    known.in_flight = known.in_flight.saturating_add(view.in_flight);
    known.restarts = known.restarts.saturating_add(view.restarts);
    known.last_error = known.last_error.take().or(view.last_error);
}

fn badness(health: Health) -> u8 {
    match health {
        Health::Healthy => 0,
        Health::Degraded => 1,
        Health::Draining => 2,
        Health::Unhealthy => 3,
    }
}

fn openness(breaker: BreakerState) -> u8 {
    match breaker {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

/// A supervisor's whole tree under its node's name; one that doesn't tell its own says why.
pub(super) fn node(status: SupervisorStatus, tree: Result<Vec<ActorNode>, Failure>) -> ActorNode {
    let path = status.node.to_string();
    let (state, last_cause, children) = match tree {
        Ok(tree) => (ActorState::Running, None, tree),
        Err(failure) => (ActorState::Failed, Some(failure.message), Vec::new()),
    };
    ActorNode {
        kind: "node".to_owned(),
        state,
        restarts: 0,
        last_cause,
        mailbox: status.in_flight,
        breaker: Some(status.breaker),
        children: children.into_iter().map(|child| under(&path, child)).collect(),
        path,
    }
}

fn under(node: &str, actor: ActorNode) -> ActorNode {
    ActorNode {
        path: format!("{node}/{}", actor.path),
        children: actor
            .children
            .into_iter()
            .map(|child| under(node, child))
            .collect(),
        ..actor
    }
}

/// What happened in a supervisor's tree, under its node's name.
pub(super) fn event(node: &str, event: SupervisionEvent) -> SupervisionEvent {
    SupervisionEvent {
        path: format!("{node}/{}", event.path),
        ..event
    }
}
