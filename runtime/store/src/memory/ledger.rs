//! The ledger without a disk.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use greenroom_kernel::{
    Budget, BudgetId, Ledger, LedgerId, LedgerRow, Page, PageRequest, Records, RequestRow, SpendDimension,
    SpendGroup, SpendQuery, SpendRow, Spent, StoreError, TenantId, Timestamp,
};
use parking_lot::Mutex;

use crate::page::{after_row, cut, fetch};

type OfTenant<T> = BTreeMap<(TenantId, LedgerId), T>;

#[derive(Default)]
struct Kept {
    tries: OfTenant<LedgerRow>,
    requests: OfTenant<RequestRow>,
    budgets: BTreeMap<(TenantId, BudgetId), Budget>,
}

/// The in-memory twin of the ledger that [`SqliteStore`](crate::SqliteStore) keeps, for tests and benchmarks. Nothing
/// is durable; sums look at every row.
#[derive(Default)]
pub struct MemoryLedger {
    kept: Mutex<Kept>,
}

impl MemoryLedger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A tenant's rows before an id, the newest first.
fn newest<T: Clone>(rows: &OfTenant<T>, tenant: &TenantId, after: Option<LedgerId>, limit: usize) -> Vec<T> {
    let (first, before) = (LedgerId(0), after.unwrap_or(LedgerId(u128::MAX)));
    let range = rows.range((tenant.clone(), first)..(tenant.clone(), before));
    range.rev().take(limit).map(|(_, row)| row.clone()).collect()
}

fn group_of(row: &LedgerRow, query: &SpendQuery) -> SpendGroup {
    let by = |dimension, text: &str| query.group_by.contains(&dimension).then(|| text.to_owned());
    let day = row.at.date();
    SpendGroup {
        month: by(SpendDimension::Month, day.get(..7).unwrap_or_default()),
        day: by(SpendDimension::Day, &day),
        subject: by(SpendDimension::Subject, row.caller.subject.as_str()),
        key: row
            .caller
            .key
            .as_deref()
            .and_then(|key| by(SpendDimension::Key, key)),
        provider: by(SpendDimension::Provider, &row.provider),
        model: by(SpendDimension::Model, &row.model),
        kind: by(SpendDimension::Kind, row.kind.as_str()),
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn record(&self, records: Arc<Records>) -> Result<(), StoreError> {
        let mut kept = self.kept.lock();
        for row in &records.tries {
            let key = (row.caller.tenant.clone(), row.id);
            kept.tries.entry(key).or_insert_with(|| row.clone());
        }
        for row in &records.requests {
            let key = (row.caller.tenant.clone(), row.id);
            kept.requests.entry(key).or_insert_with(|| row.clone());
        }
        Ok(())
    }

    async fn spend(&self, tenant: &TenantId, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError> {
        let kept = self.kept.lock();
        let mut sums: BTreeMap<SpendGroup, Spent> = BTreeMap::new();
        if query.group_by.is_empty() {
            sums.insert(SpendGroup::default(), Spent::default());
        }
        let of_tenant = kept.tries.values().filter(|row| row.caller.tenant == *tenant);
        let in_time = of_tenant.filter(|row| (&query.from..&query.to).contains(&&row.at.date()));
        for row in in_time {
            let sum = sums.entry(group_of(row, query)).or_default();
            *sum = sum.plus(Spent::of(row));
        }
        let mut rows: Vec<SpendRow> = sums
            .into_iter()
            .map(|(group, spent)| SpendRow { group, spent })
            .collect();
        rows.sort_by_key(|row| Reverse((row.spent.cost_nanos, row.spent.tokens())));
        rows.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
        Ok(rows)
    }

    async fn tries(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<LedgerRow>, StoreError> {
        let after = after_row(page, "tries")?;
        Ok(cut(
            newest(&self.kept.lock().tries, tenant, after, fetch(page)),
            page,
        ))
    }

    async fn requests(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<RequestRow>, StoreError> {
        let after = after_row(page, "requests")?;
        Ok(cut(
            newest(&self.kept.lock().requests, tenant, after, fetch(page)),
            page,
        ))
    }

    async fn sweep_requests(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let mut kept = self.kept.lock();
        let before = LedgerId::first_of(before);
        let mut old: Vec<_> = kept
            .requests
            .keys()
            .filter(|key| key.1 < before)
            .cloned()
            .collect();
        old.sort_by_key(|key| key.1);
        old.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        old.iter().for_each(|key| drop(kept.requests.remove(key)));
        Ok(u32::try_from(old.len()).unwrap_or(u32::MAX))
    }

    async fn budgets(&self) -> Result<Vec<Budget>, StoreError> {
        Ok(self.kept.lock().budgets.values().cloned().collect())
    }

    async fn put_budget(&self, budget: &Budget) -> Result<(), StoreError> {
        let key = (budget.tenant.clone(), budget.id.clone());
        // What isn't written down isn't kept here either.
        let budget = Budget {
            configured: false,
            ..budget.clone()
        };
        self.kept.lock().budgets.insert(key, budget);
        Ok(())
    }

    async fn remove_budget(&self, tenant: &TenantId, id: &BudgetId) -> Result<bool, StoreError> {
        let key = (tenant.clone(), id.clone());
        Ok(self.kept.lock().budgets.remove(&key).is_some())
    }
}
