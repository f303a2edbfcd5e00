//! Agents and what was seen of them, as answers: in the words of the GraphQL queries of that name.

use greenroom_kernel::{
    AgentHistory, AgentInstance, AgentRecord, AgentSeen, AgentStatus, Failure, HistoryQuery, Page,
    PageRequest,
};
use serde_json::{Value, json};

/// Agents as they are now.
pub(super) fn agents(agents: &[AgentStatus]) -> Value {
    let agents: Vec<Value> = agents.iter().map(agent).collect();
    json!({ "agents": agents })
}

fn agent(agent: &AgentStatus) -> Value {
    let instances: Vec<Value> = agent.instances.iter().map(instance).collect();
    json!({
        "name": agent.card.name,
        "version": agent.card.version,
        "description": agent.card.description,
        "health": agent.health,
        "breaker": agent.breaker,
        "instances": instances,
        "inFlight": agent.in_flight,
        "queued": agent.queued,
        "lastError": agent.last_error,
    })
}

fn instance(instance: &AgentInstance) -> Value {
    json!({
        "id": instance.id,
        "node": instance.node,
        "version": instance.version,
        "health": instance.health,
        "breaker": instance.breaker,
        "inFlight": instance.in_flight,
        "restarts": instance.restarts,
        "lastError": instance.last_error,
    })
}

/// A page of a history.
pub(super) fn records(page: &Page<AgentRecord>) -> Value {
    let records: Vec<Value> = page.rows.iter().map(record).collect();
    json!({ "records": records, "next": page.next })
}

fn record(record: &AgentRecord) -> Value {
    let seen = match &record.seen {
        AgentSeen::Gone => None,
        AgentSeen::Instance(seen) => Some(seen),
    };
    json!({
        "agent": record.agent,
        "node": record.node,
        "instance": seen.map(|seen| &seen.id),
        "version": seen.map(|seen| &seen.version),
        "health": record.seen.health(),
        "breaker": seen.map(|seen| seen.breaker),
        "inFlight": seen.map(|seen| seen.in_flight),
        "since": record.span.since().to_string(),
        "until": record.span.until().to_string(),
    })
}

/// A page of a history out of a store.
pub(super) async fn read(
    history: &dyn AgentHistory,
    query: &HistoryQuery,
    page: &PageRequest,
) -> Result<Value, Failure> {
    let page = history.history(query, page).await;
    page.map(|page| records(&page))
        .map_err(|error| Failure::from(&error))
}
