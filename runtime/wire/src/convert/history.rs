//! What supervisors saw of agents.

use greenroom_kernel::{
    AgentName, AgentRecord, AgentSeen, HistoryQuery, InstanceId, InstanceSeen, NodeId, Page, PageRequest,
    Span, Timestamp,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::agent_record::Seen;

use super::common::{list, need, parsed};
use super::observe::{decode_breaker, decode_health, encode_breaker, encode_health};
use super::requests::{decode_page, encode_page};
use crate::Malformed;

pub(crate) fn encode_history_query(query: HistoryQuery, page: PageRequest) -> pb::ListAgentHistoryRequest {
    pb::ListAgentHistoryRequest {
        agent: query.agent.to_string(),
        from_ms: query.from.as_millis(),
        to_ms: query.to.as_millis(),
        page: Some(encode_page(page)),
    }
}

pub(crate) fn decode_history_query(
    request: pb::ListAgentHistoryRequest,
) -> Result<(HistoryQuery, PageRequest), Malformed> {
    let query = HistoryQuery {
        agent: parsed(AgentName::parse, &request.agent, "agent")?,
        from: Timestamp::from_millis(request.from_ms),
        to: Timestamp::from_millis(request.to_ms),
    };
    Ok((query, decode_page(request.page)?))
}

pub(crate) fn encode_records(page: Page<AgentRecord>) -> pb::AgentRecordPage {
    pb::AgentRecordPage {
        records: page.rows.into_iter().map(encode_record).collect(),
        next: page.next,
    }
}

pub(crate) fn decode_records(page: pb::AgentRecordPage) -> Result<Page<AgentRecord>, Malformed> {
    Ok(Page {
        rows: list(page.records, decode_record)?,
        next: page.next,
    })
}

fn encode_record(record: AgentRecord) -> pb::AgentRecord {
    let seen = match record.seen {
        AgentSeen::Gone => Seen::Gone(pb::Nothing {}),
        AgentSeen::Instance(seen) => Seen::Instance(pb::InstanceSeen {
            id: seen.id.into(),
            version: seen.version,
            health: encode_health(seen.health),
            breaker: encode_breaker(seen.breaker),
            in_flight: seen.in_flight,
        }),
    };
    pb::AgentRecord {
        agent: record.agent.to_string(),
        node: record.node.to_string(),
        seen: Some(seen),
        since_ms: record.span.since().as_millis(),
        until_ms: record.span.until().as_millis(),
    }
}

fn decode_record(record: pb::AgentRecord) -> Result<AgentRecord, Malformed> {
    let seen = match need(record.seen, "record.seen")? {
        Seen::Gone(_) => AgentSeen::Gone,
        Seen::Instance(seen) => AgentSeen::Instance(InstanceSeen {
            id: parsed(InstanceId::parse, &seen.id, "record.instance.id")?,
            version: seen.version,
            health: decode_health(seen.health, "record.instance.health")?,
            breaker: decode_breaker(seen.breaker, "record.instance.breaker")?,
            in_flight: seen.in_flight,
        }),
    };
    Ok(AgentRecord {
        agent: parsed(AgentName::parse, &record.agent, "record.agent")?,
        node: parsed(NodeId::parse, &record.node, "record.node")?,
        seen,
        span: Span::new(
            Timestamp::from_millis(record.since_ms),
            Timestamp::from_millis(record.until_ms),
        ),
    })
}
