//! What was spent of a budget before it was set. Until that is known a hard one lets nothing through: it would count from
//! nothing, and let everything through that was spent before.

use std::time::Duration;

use greenroom_kernel::{
    BudgetId, Charge, Failure, Ledger, SpendDimension, SpendQuery, StoreError, TenantId, Timestamp,
    UnknownPast,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

use super::{Accounts, Ticket};

/// How long a call waits for what was spent to be known, and whoever sets a budget.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits before it is read again where it couldn't be read, and how long at most.
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_AT_MOST: Duration = Duration::from_secs(10);
/// How many sums one budget's past may be made of.
const PAST: u32 = 1_000_000;

/// When what isn't known is read next.
#[derive(Debug, Default)]
pub(super) struct Readings {
    failed: u32,
    /// None: at once.
    pub(super) next: Option<Instant>,
}

impl Readings {
    /// Whether it is time.
    pub(super) fn are_due(&self) -> bool {
        self.next.is_none_or(|next| next <= Instant::now())
    }

    /// Some could be read, or not all.
    pub(super) fn told(&mut self, all: bool) {
        if all {
            *self = Self::default();
            return;
        }
        let wait = AGAIN.saturating_mul(1 << self.failed.min(10)).min(AGAIN_AT_MOST);
        self.failed = self.failed.saturating_add(1);
        self.next = Some(Instant::now() + wait);
    }
}

impl Accounts {
    /// The budgets whose past is to be read. Whoever asks writes down first what was settled until now.
    pub(super) fn unknown(&self, now: Timestamp) -> Vec<UnknownPast> {
        self.state.lock().book.unknown(now)
    }

    /// Reads what was spent of these; says whether all could be read.
    pub(super) async fn learn_all(&self, ledger: &dyn Ledger, unknown: &[UnknownPast]) -> bool {
        let mut all = true;
        for unknown in unknown {
            if let Err(error) = self.learn(ledger, unknown).await {
                all = false;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    tenant = %unknown.budget.tenant,
                    budget = unknown.budget.id.as_str(),
                    "what was spent of a budget is not known: it is read again, and until then a hard one lets nothing \
                     through"
                );
            }
        }
        self.budgets_changed();
        self.learned.notify_waiters();
        all
    }

    /// Tells the book what was spent of a budget in its present window.
    pub(super) async fn learn(&self, ledger: &dyn Ledger, unknown: &UnknownPast) -> Result<(), StoreError> {
        let budget = &unknown.budget;
        let query = SpendQuery {
            from: unknown.since.date(),
            to: budget.window.end(unknown.since).date(),
            group_by: vec![
                SpendDimension::Subject,
                SpendDimension::Key,
                SpendDimension::Provider,
                SpendDimension::Model,
            ],
            limit: PAST,
        };
        let rows = ledger.spend(&budget.tenant, &query).await?;
        let mut state = self.state.lock();
        for row in rows {
            let charge = Charge {
                tenant: &budget.tenant,
                subject: row.group.subject.as_deref().unwrap_or_default(),
                key: row.group.key.as_deref(),
                provider: row.group.provider.as_deref().unwrap_or_default(),
                model: row.group.model.as_deref().unwrap_or_default(),
            };
            state.book.spent_already(unknown, &charge, row.spent.amount());
        }
        state.book.known(unknown);
        Ok(())
    }

    /// Whether what was spent of any budget isn't known. No lock is taken.
    pub(crate) fn has_unknown(&self) -> bool {
        self.has_unknown.load(Ordering::Acquire)
    }

    /// Waits, for a while, until what was spent of every hard budget that counts such a try is known.
    pub(crate) async fn known_for(&self, ticket: &Ticket, provider: &Arc<str>, model: &Arc<str>) {
        let charge = ticket.charge(provider, model);
        self.until(|accounts| !accounts.state.lock().book.waits(&charge))
            .await;
    }

    /// Waits, for a while, until what was spent of this budget is known.
    ///
    /// # Errors
    /// It isn't.
    pub(super) async fn until_known(&self, tenant: &TenantId, id: &BudgetId) -> Result<(), Failure> {
        let is_known = |accounts: &Self| accounts.state.lock().book.is_known(tenant, id);
        if self.until(is_known).await {
            return Ok(());
        }
        Err(Failure::unavailable(format!(
            "budget {id} is set, and what was spent of it before isn't known yet: it is read again until it is, and \
             until then a hard one lets nothing through"
        )))
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut learned = std::pin::pin!(self.learned.notified());
            learned.as_mut().enable();
            if is_so(self) {
                return true;
            }
            if tokio::time::timeout_at(until, learned).await.is_err() {
                return is_so(self);
            }
        }
    }
}
