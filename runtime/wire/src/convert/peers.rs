//! What supervisors say to each other.

use greenroom_kernel::{Holding, JournalKey, SessionId, TenantId};
use greenroom_proto::v1 as pb;

use super::common::{paired, parsed};
use crate::Malformed;

paired!(encode_how, decode_how, Holding, pb::Holding, { Free <=> Free, Held <=> Held });

pub(crate) fn encode_journal(key: &JournalKey) -> pb::JournalRequest {
    pb::JournalRequest {
        tenant: key.tenant.to_string(),
        journal: key.journal.to_string(),
    }
}

pub(crate) fn decode_journal(request: pb::JournalRequest) -> Result<JournalKey, Malformed> {
    Ok(JournalKey {
        tenant: parsed(TenantId::parse, &request.tenant, "tenant")?,
        journal: parsed(SessionId::parse, &request.journal, "journal")?,
    })
}

pub(crate) fn encode_holding(holding: Holding) -> pb::HoldingAnswer {
    pb::HoldingAnswer {
        holding: encode_how(holding),
    }
}

pub(crate) fn decode_holding(answer: pb::HoldingAnswer) -> Result<Holding, Malformed> {
    decode_how(answer.holding, "holding")
}
