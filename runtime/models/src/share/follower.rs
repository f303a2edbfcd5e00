//! What remains of a call that shared another's answer: a row without tokens, for those were billed to the other.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    CallContext, CallFailure, FaultClass, LedgerRow, Reservation, ServedBy, TryKind, Usage, WireCall,
};
use tokio::time::Instant;

use crate::accounts::{Outcome, Ticket};
use crate::asked::Asked;
use crate::metrics::TryRecord;
use crate::router::Shared;

/// A call that shares. Dropped before it has ended (its caller hung up) it is recorded as cancelled.
pub(super) struct Follower {
    shared: Arc<Shared>,
    ticket: Option<Arc<Ticket>>,
    began: Instant,
    by: Option<ServedBy>,
    fault: Option<FaultClass>,
}

impl Follower {
    pub(super) fn of(
        shared: &Arc<Shared>,
        call: &WireCall,
        context: &CallContext,
        by: Option<&ServedBy>,
        began: Instant,
    ) -> Self {
        let asked = Asked::Wire(call.clone());
        Self {
            shared: Arc::clone(shared),
            ticket: Ticket::of(&shared.accounts, context, &asked, None),
            began,
            by: by.cloned(),
            fault: Some(FaultClass::Cancelled),
        }
    }

    /// It has all of the answer.
    pub(super) fn answered(&mut self) {
        self.fault = None;
        if let Some(ticket) = &self.ticket {
            ticket.ended(Outcome::Answered);
        }
    }

    /// There is no answer, or not all of it.
    pub(super) fn failed(&mut self, failed: &CallFailure) {
        let class = failed.fault.as_ref().map(|fault| fault.class);
        self.fault = Some(class.unwrap_or(FaultClass::Cancelled));
        if let Some(ticket) = &self.ticket {
            ticket.ended(Outcome::Failed(failed.failure.code));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let (provider, model) = match self.by.take() {
            Some(by) => (by.provider, by.model),
            None => Default::default(),
        };
        let took = self.began.elapsed();
        if let Some(ticket) = &self.ticket {
            let row = LedgerRow {
                number: 0,
                kind: TryKind::Joined,
                fault: self.fault,
                took_ms: millis(took),
                ..ticket.row(&provider, &model)
            };
            ticket.settle(Reservation::default(), self.began, row);
        }
        self.shared.metrics.tried(&TryRecord {
            provider: &provider,
            model: &model,
            number: 0,
            kind: TryKind::Joined,
            outrun: false,
            fault: self.fault,
            took,
            first_content: None,
            usage: Usage::default(),
        });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
