//! What the tries of one call have in common: who pays, what was asked for, what all of it came to. When the last of
//! them lets go of it the request has ended, and is written down.

use std::sync::Arc;

use greenroom_kernel::{
    CallContext, CallFailure, Caller, Charge, ErrorCode, LedgerId, LedgerRow, RequestContent, RequestRow,
    Reservation, Timestamp, TryKind, Usage,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Accounts;
use crate::asked::Asked;
use crate::call::{Step, Target};

/// How many bytes of what was said are kept, of either side.
const CONTENT_AT_MOST: usize = 64 * 1024;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Failed(ErrorCode),
}

#[derive(Default)]
struct Sum {
    tries: u32,
    usage: Usage,
    served: Option<(Arc<str>, Arc<str>)>,
    first_content_ms: Option<u64>,
    outcome: Option<Outcome>,
    answered: String,
}

/// One call's ticket.
pub(crate) struct Ticket {
    accounts: Arc<Accounts>,
    caller: Arc<Caller>,
    asked: Option<Arc<str>>,
    assigned: Arc<str>,
    streamed: bool,
    began: Instant,
    /// What was asked, where that is kept.
    content: Option<String>,
    sum: Mutex<Sum>,
}

/// How many bytes of the name a caller asked for stand in a row: callers choose them.
const ASKED_AT_MOST: usize = 256;

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(ASKED_AT_MOST))
        .unwrap_or(name)
}

impl Ticket {
    /// Of a call; none where nobody pays or nobody counts.
    pub(crate) fn of(
        accounts: &Arc<Accounts>,
        context: &CallContext,
        asked: &Asked,
        first: Option<&Target>,
    ) -> Option<Arc<Self>> {
        accounts.ledger.as_ref()?;
        let caller = Arc::clone(context.caller.as_ref()?);
        let assigned = first.map(|target| format!("{}/{}", target.gate.name(), target.model));
        Some(Arc::new(Self {
            content: accounts
                .config
                .content
                .is_some()
                .then(|| asked.shown(CONTENT_AT_MOST)),
            accounts: Arc::clone(accounts),
            caller,
            asked: asked.logical().map(|name| Arc::from(cut(name))),
            assigned: assigned.unwrap_or_default().into(),
            streamed: asked.is_streamed(),
            began: Instant::now(),
            sum: Mutex::default(),
        }))
    }

    pub(super) fn charge<'a>(&'a self, provider: &'a str, model: &'a str) -> Charge<'a> {
        Charge {
            tenant: &self.caller.tenant,
            subject: self.caller.subject.as_str(),
            key: self.caller.key.as_deref(),
            provider,
            model,
        }
    }

    /// A row of this call, to be filled in.
    pub(crate) fn row(&self, provider: &Arc<str>, model: &Arc<str>) -> LedgerRow {
        LedgerRow {
            id: LedgerId(0),
            at: Timestamp::default(),
            caller: Arc::clone(&self.caller),
            asked: self.asked.clone(),
            assigned: Arc::clone(&self.assigned),
            provider: Arc::clone(provider),
            model: Arc::clone(model),
            number: 1,
            kind: TryKind::First,
            fault: None,
            tries: 1,
            took_ms: 0,
            first_content_ms: None,
            usage: Usage::default(),
            estimate_error: None,
            prices: Arc::default(),
        }
    }

    /// A try of it has ended that was dispatched at `began`.
    pub(crate) fn settle(&self, held: Reservation, began: Instant, row: LedgerRow) {
        let mut sum = self.sum.lock();
        sum.tries += row.tries;
        sum.usage = sum.usage.plus(row.usage);
        if row.fault.is_none() {
            sum.served = Some((Arc::clone(&row.provider), Arc::clone(&row.model)));
        }
        if let (None, Some(ms)) = (sum.first_content_ms, row.first_content_ms) {
            let before = began.duration_since(self.began).as_millis();
            sum.first_content_ms = Some(ms.saturating_add(u64::try_from(before).unwrap_or(u64::MAX)));
        }
        drop(sum);
        self.accounts.settle(held, row);
    }

    /// The call is over.
    pub(crate) fn ended(&self, outcome: Outcome) {
        self.sum.lock().outcome = Some(outcome);
    }

    /// What the call brought its reader.
    pub(crate) fn saw(&self, step: &Result<Step, CallFailure>) {
        match step {
            Ok(Step::End(_)) => self.ended(Outcome::Answered),
            Ok(Step::Text(text)) => self.said(text.as_bytes()),
            Ok(Step::Piece(piece)) => self.said(piece),
            Ok(Step::Restart) => self.unsaid(),
            Ok(Step::Thinking(_) | Step::Call(_) | Step::Working) => {}
            Err(failed) => self.ended(Outcome::Failed(failed.failure.code)),
        }
    }

    /// More was answered.
    fn said(&self, text: &[u8]) {
        if self.content.is_none() {
            return;
        }
        let answered = &mut self.sum.lock().answered;
        let room = CONTENT_AT_MOST.saturating_sub(answered.len());
        answered.push_str(&String::from_utf8_lossy(text.get(..room).unwrap_or(text)));
    }

    /// The call starts over.
    fn unsaid(&self) {
        self.sum.lock().answered.clear();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let sum = std::mem::take(self.sum.get_mut());
        // Secrets are taken out on the way into the ledger.
        let content = self.content.take().map(|asked| RequestContent {
            asked,
            answered: sum.answered,
        });
        let at = self.accounts.clock.now();
        self.accounts.request_ended(RequestRow {
            id: self.accounts.new_id(at),
            at,
            caller: Arc::clone(&self.caller),
            asked: self.asked.clone(),
            streamed: self.streamed,
            served: sum.served,
            tries: sum.tries,
            failure: match sum.outcome {
                Some(Outcome::Answered) => None,
                Some(Outcome::Failed(code)) => Some(code),
                // Nobody waited for its end.
                None => Some(ErrorCode::Cancelled),
            },
            took_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            first_content_ms: sum.first_content_ms,
            usage: sum.usage,
            content,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_asked_for_is_cut_between_characters() {
        assert_eq!(cut("p/m"), "p/m");
        let long = format!("x{}", "\u{e9}".repeat(ASKED_AT_MOST));
        assert_eq!(cut(&long).len(), ASKED_AT_MOST - 1);
    }
}
