//! What callers ask about costs.

use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    Budget, BudgetId, BudgetStanding, Costs, ErrorCode, Failure, Ledger, Page, PageRequest, Principal,
    RequestQuery, RequestRow, SpendQuery, SpendReport, StoreError,
};

use super::{Accounts, requests};

/// How many budgets a tenant may have.
const BUDGETS: usize = 100;
/// How many of those that one budget counts apart are told of.
const APART: usize = 20;
/// How long a question waits for what was spent just before to be in the ledger.
const PATIENCE: Duration = Duration::from_secs(2);

impl Accounts {
    fn kept_in(&self) -> Result<&dyn Ledger, Failure> {
        let why = "no ledger is kept by this process: it needs a store that processes share (store.kind = \"dynamodb\")";
        let absent = || Failure::new(ErrorCode::Unavailable, why);
        self.ledger.as_deref().ok_or_else(absent)
    }

    /// Waits until what has ended is in the ledger, for a while.
    async fn flushed(&self) {
        let wanted = self.state.lock().taken + 1;
        let mut written = self.written.subscribe();
        self.woken.notify_one();
        // Without it the answer is a little older.
        let _ = tokio::time::timeout(PATIENCE, written.wait_for(|written| *written >= wanted)).await;
    }

    /// Puts a budget into force. One that counts what another of its name did goes on with its sums; else what was spent
    /// already is read from the ledger, by the task that writes to it: it alone knows what is in there.
    fn put(&self, budget: Budget) {
        {
            let mut state = self.state.lock();
            state.set += 1;
            state.book.put(budget);
            state.is_set = state.book.has_unknown();
        }
        self.budgets_changed();
        self.woken.notify_one();
    }

    fn standings(&self, who: &Principal) -> Vec<BudgetStanding> {
        let now = self.clock.now();
        self.state.lock().book.standings(&who.tenant, APART, now)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn failed(error: StoreError) -> Failure {
    Failure::from(&error)
}

#[async_trait]
impl Costs for Accounts {
    async fn spend(&self, who: &Principal, query: SpendQuery) -> Result<SpendReport, Failure> {
        let ledger = self.kept_in()?;
        self.flushed().await;
        let report = ledger.report(&who.tenant, &query).await.map_err(failed)?;
        Ok(SpendReport {
            estimators: self.estimators.all(),
            ..report
        })
    }

    async fn requests(
        &self,
        who: &Principal,
        query: RequestQuery,
        page: PageRequest,
    ) -> Result<Page<RequestRow>, Failure> {
        let ledger = self.kept_in()?;
        self.flushed().await;
        requests::fitting(ledger, who, &query, page).await
    }

    async fn budgets(&self, who: &Principal) -> Result<Vec<BudgetStanding>, Failure> {
        self.kept_in()?;
        Ok(self.standings(who))
    }

    async fn set_budget(
        &self,
        who: &Principal,
        id: BudgetId,
        budget: Option<Budget>,
    ) -> Result<Vec<BudgetStanding>, Failure> {
        let ledger = self.kept_in()?;
        {
            let book = &self.state.lock().book;
            let before = book.get(&who.tenant, &id);
            if before.is_some_and(|budget| budget.configured) {
                let why = format!("budget {id} is set by the configuration: change it under [[budgets]]");
                return Err(Failure::new(ErrorCode::Conflict, why));
            }
            if before.is_none() && budget.is_some() && book.count(&who.tenant) >= BUDGETS {
                return Err(Failure::bad_input(format!(
                    "a tenant has at most {BUDGETS} budgets: remove one first"
                )));
            }
        }
        match budget {
            Some(budget) if budget.tenant != who.tenant || budget.id != id => {
                return Err(Failure::new(ErrorCode::Forbidden, "a budget of another tenant"));
            }
            Some(budget) => {
                ledger.put_budget(&budget).await.map_err(failed)?;
                self.put(budget);
                self.until_known(&who.tenant, &id).await?;
            }
            None => {
                ledger.remove_budget(&who.tenant, &id).await.map_err(failed)?;
                let mut state = self.state.lock();
                state.set += 1;
                state.book.remove(&who.tenant, &id);
                drop(state);
                self.budgets_changed();
            }
        }
        let standings = self.standings(who);
        Ok(standings
            .into_iter()
            .filter(|standing| standing.budget.id == id)
            .collect())
    }
}
