//! What tries of models cost, a row a try, and the requests they were made for: the port to where that is kept.
//!
//! The ledger is written in groups, behind the calls it tells of; the journal is not its witness and it is none of the
//! journal's. It is a port of its own, so that it may be kept elsewhere than sessions are.

mod request;
mod row;
mod spend;

use std::sync::Arc;

use async_trait::async_trait;

pub use request::*;
pub use row::*;
pub use spend::*;

use crate::{Budget, BudgetId, Failure, Page, PageRequest, Principal, StoreError, TenantId, Timestamp};

/// What is kept in one go.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Records {
    /// Tries that ended.
    pub tries: Vec<LedgerRow>,
    /// Requests that ended.
    pub requests: Vec<RequestRow>,
}

impl Records {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.tries.is_empty() && self.requests.is_empty()
    }
}

/// Where rows are kept.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Keeps all of these, or none. Durable when it returns. A row whose id is there already is left as it is, and
    /// counts once: what isn't answered may be sent again.
    async fn record(&self, records: Arc<Records>) -> Result<(), StoreError>;

    /// Sums of a tenant's tries, the dearest group first, at most [`SpendQuery::limit`] of them.
    async fn spend(&self, tenant: &TenantId, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError>;

    /// The sums with the sum of all, and whether there are more of them. Estimates are none of the ledger's.
    async fn report(&self, tenant: &TenantId, query: &SpendQuery) -> Result<SpendReport, StoreError> {
        let one_more = SpendQuery {
            limit: query.limit.saturating_add(1),
            ..query.clone()
        };
        let mut rows = self.spend(tenant, &one_more).await?;
        let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let total = SpendQuery {
            group_by: Vec::new(),
            ..one_more
        };
        let total = self.spend(tenant, &total).await?;
        Ok(SpendReport {
            total: total.first().map(|row| row.spent).unwrap_or_default(),
            rows,
            more,
            estimators: Vec::new(),
        })
    }

    /// A tenant's tries, the newest first.
    async fn tries(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<LedgerRow>, StoreError>;

    /// A tenant's requests, the newest first.
    async fn requests(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<RequestRow>, StoreError>;

    /// Removes requests that ended before, at most `limit` of them; says how many went. Tries and sums stay.
    async fn sweep_requests(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Every budget of every tenant.
    async fn budgets(&self) -> Result<Vec<Budget>, StoreError>;

    /// Keeps a budget in place of the one of its tenant and id.
    async fn put_budget(&self, budget: &Budget) -> Result<(), StoreError>;

    /// Removes a budget; says whether it was there.
    async fn remove_budget(&self, tenant: &TenantId, id: &BudgetId) -> Result<bool, StoreError>;
}

/// What callers may ask about costs and set: always of their own tenant.
#[async_trait]
pub trait Costs: Send + Sync + 'static {
    /// What was spent.
    async fn spend(&self, who: &Principal, query: SpendQuery) -> Result<SpendReport, Failure>;

    /// The requests that the caller may see, the newest first: its own, or all of its tenant's where it may see every
    /// subject's. A page may hold fewer than were asked for, even none, though more follow: of a long log only so much is
    /// looked through at once.
    async fn requests(
        &self,
        who: &Principal,
        query: RequestQuery,
        page: PageRequest,
    ) -> Result<Page<RequestRow>, Failure>;

    /// Every budget and how it stands.
    async fn budgets(&self, who: &Principal) -> Result<Vec<crate::BudgetStanding>, Failure>;

    /// Sets a budget in place of the one of its id; none removes it. In force when it returns.
    ///
    /// # Errors
    /// FORBIDDEN for another tenant's, CONFLICT for one that the configuration sets, BAD_USER_INPUT when there are too
    /// many.
    async fn set_budget(
        &self,
        who: &Principal,
        id: BudgetId,
        budget: Option<Budget>,
    ) -> Result<Vec<crate::BudgetStanding>, Failure>;
}

/// Nothing is counted here.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCosts;

impl NoCosts {
    fn absent() -> Failure {
        Failure::unavailable("no ledger is kept by this process")
    }
}

#[async_trait]
impl Costs for NoCosts {
    async fn spend(&self, _: &Principal, _: SpendQuery) -> Result<SpendReport, Failure> {
        Err(Self::absent())
    }

    async fn requests(
        &self,
        _: &Principal,
        _: RequestQuery,
        _: PageRequest,
    ) -> Result<Page<RequestRow>, Failure> {
        Err(Self::absent())
    }

    async fn budgets(&self, _: &Principal) -> Result<Vec<crate::BudgetStanding>, Failure> {
        Err(Self::absent())
    }

    async fn set_budget(
        &self,
        _: &Principal,
        _: BudgetId,
        _: Option<Budget>,
    ) -> Result<Vec<crate::BudgetStanding>, Failure> {
        Err(Self::absent())
    }
}
