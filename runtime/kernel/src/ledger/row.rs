//! One try as it is billed, one request as it is logged.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, FaultClass, SessionId, Subject, TaskId, TenantId, Timestamp, TryKind, Usage};

/// Who makes a call, and within what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// Who pays.
    pub tenant: TenantId,
    /// Which caller of that tenant.
    pub subject: Subject,
    /// The name of the credential it called with, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The request, as its answer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Arc<str>>,
}

impl Caller {
    /// A caller outside of any session and task.
    pub fn new(tenant: TenantId, subject: Subject) -> Self {
        Self {
            tenant,
            subject,
            key: None,
            session: None,
            task: None,
            request: None,
        }
    }
}

/// A row's name: it orders rows by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LedgerId(pub u128);

impl LedgerId {
    /// Of this moment, the `number`th of a process that is told from others by `run`, of which 48 bits count.
    pub fn new(at: Timestamp, run: u64, number: u32) -> Self {
        let run = u128::from(run & 0xffff_ffff_ffff) << 32;
        Self(Self::first_of(at).0 | run | u128::from(number))
    }

    /// Before every row of this moment and later.
    pub fn first_of(at: Timestamp) -> Self {
        Self(u128::from(u64::try_from(at.as_millis()).unwrap_or(0)) << 80)
    }
}

impl TryKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::First,
        Self::Retry,
        Self::Failover,
        Self::Hedge,
        Self::Recovery,
        Self::Joined,
    ];

    /// The kind of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A try that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Its name.
    pub id: LedgerId,
    /// When it ended: the day it is billed to.
    pub at: Timestamp,
    /// For whom.
    pub caller: Arc<Caller>,
    /// The model that was asked for; none asked for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Arc<str>>,
    /// The target that its route put first, as `provider/model`.
    pub assigned: Arc<str>,
    /// The provider that was tried.
    pub provider: Arc<str>,
    /// Its model.
    pub model: Arc<str>,
    /// Which try of its call, from 1.
    pub number: u32,
    /// Why it was made.
    pub kind: TryKind,
    /// How it ended; none: well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultClass>,
    /// How many tries this row stands for: 1, or more where rows were drawn together because nobody could keep them as
    /// fast as they came.
    pub tries: u32,
    /// From its dispatch to its end, milliseconds.
    pub took_ms: u64,
    /// From its dispatch to its first content, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_content_ms: Option<u64>,
    /// What it used. Estimated where the provider gave no figures.
    pub usage: Usage,
    /// How far off our estimates for this model were of late, as a share: of estimated rows alone, once it was
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_error: Option<f64>,
    /// The version of the prices that its cost is by.
    pub prices: Arc<str>,
}

/// A request that ended: one call of a model, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Its name among requests.
    pub id: LedgerId,
    /// When it ended.
    pub at: Timestamp,
    /// For whom.
    pub caller: Arc<Caller>,
    /// The model that was asked for; none asked for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Arc<str>>,
    /// Whether the answer was told as it came.
    pub streamed: bool,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<(Arc<str>, Arc<str>)>,
    /// How many tries were made.
    pub tries: u32,
    /// How it failed; none: it didn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ErrorCode>,
    /// From its arrival to its end, milliseconds.
    pub took_ms: u64,
    /// From its arrival to its first content, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_content_ms: Option<u64>,
    /// What all its tries used.
    pub usage: Usage,
    /// What was said; only where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<RequestContent>,
}

/// What was said in a request, without secrets, cut where it is long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestContent {
    /// What was asked.
    pub asked: String,
    /// What was answered.
    pub answered: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_order_by_time_whoever_makes_them() {
        let at = Timestamp::from_millis;
        let (early, late) = (
            LedgerId::new(at(5), u64::MAX, u32::MAX),
            LedgerId::new(at(6), 0, 0),
        );
        assert_ne!(LedgerId::new(at(5), 1, 1), LedgerId::new(at(5), 1, 2));
        assert!(early < late);
        assert!(LedgerId::first_of(at(5)) <= early && LedgerId::first_of(at(6)) > early);
    }

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        for kind in TryKind::ALL {
            assert_eq!(TryKind::parse(kind.as_str()), Some(kind));
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.as_str())
            );
        }
    }
}
