//! What agents were like.

use std::time::Duration;

use async_graphql::{ID, SimpleObject};
use greenroom_kernel::{AgentSeen, Failure, HistoryQuery, Timestamp};

use super::enums::{BreakerState, Health};
use super::reach::{agent_name, int};
use super::scalars::DateTime;

/// How far back it is looked where nobody says.
const LATELY: Duration = Duration::from_secs(3_600);

/// What one supervisor saw of one agent, and how long it stayed so.
#[derive(SimpleObject)]
pub(crate) struct AgentRecord {
    /// The agent.
    agent: String,
    /// The supervisor that saw it.
    node: String,
    /// The instance; null: the agent's last one had left.
    instance: Option<ID>,
    /// The instance's version.
    version: Option<String>,
    /// Its health; of an agent without instances UNHEALTHY.
    health: Health,
    /// Its breaker.
    breaker: Option<BreakerState>,
    /// Attempts that ran on it.
    in_flight: Option<i32>,
    /// When it was seen so first.
    since: DateTime,
    /// When it was seen so last: an hour later at most, then another record goes on.
    until: DateTime,
}

impl From<greenroom_kernel::AgentRecord> for AgentRecord {
    fn from(record: greenroom_kernel::AgentRecord) -> Self {
        let health = record.seen.health().into();
        let seen = match record.seen {
            AgentSeen::Gone => None,
            AgentSeen::Instance(seen) => Some(seen),
        };
        Self {
            agent: record.agent.to_string(),
            node: record.node.to_string(),
            instance: seen.as_ref().map(|seen| ID(seen.id.as_str().to_owned())),
            health,
            breaker: seen.as_ref().map(|seen| seen.breaker.into()),
            in_flight: seen.as_ref().map(|seen| int(seen.in_flight)),
            version: seen.map(|seen| seen.version),
            since: DateTime(record.span.since()),
            until: DateTime(record.span.until()),
        }
    }
}

/// What is asked for.
pub(super) fn query(
    name: &str,
    since: Option<DateTime>,
    before: Option<DateTime>,
    now: Timestamp,
) -> Result<HistoryQuery, Failure> {
    // What began this very moment is asked for too.
    let to = before.map_or(now.after(Duration::from_millis(1)), |at| at.0);
    let from = since.map_or(to.before(LATELY), |at| at.0);
    if from > to {
        return Err(Failure::bad_input("since must not lie behind before"));
    }
    Ok(HistoryQuery {
        agent: agent_name(name)?,
        from,
        to,
    })
}
