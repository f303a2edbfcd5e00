//! The ledger's tables.

mod pages;
mod read;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_kernel::{
    Budget, BudgetId, Ledger, LedgerId, LedgerRow, Page, PageRequest, Records, RequestRow, SpendQuery,
    SpendRow, StoreError, TenantId, Timestamp,
};
use rusqlite::Connection;

use super::SqliteStore;
use super::rows::json;
use super::writer::Written;
use crate::page::{after_row, cut, fetch};

/// Writes rows of an older schema as pages; their sums are there already.
pub(super) fn rewrite(connection: &Connection, records: &Records) -> rusqlite::Result<()> {
    let prepared = write::Prepared::of(records)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    prepared.write(connection, |_| {})
}

#[async_trait]
impl Ledger for SqliteStore {
    async fn record(&self, records: Arc<Records>) -> Result<(), StoreError> {
        // Text of a thousand rows is made beside the async threads, and not while others wait for the writer.
        let made = tokio::task::spawn_blocking(move || {
            let prepared = write::Prepared::of(&records)?;
            Ok((records, prepared))
        });
        let (records, prepared) = made.await.map_err(|source| StoreError::Unanswered {
            operation: "record",
            source: Some(Box::new(source)),
        })??;
        self.write("record", move |connection| {
            write::record(connection, &records.tries, &prepared)
        })
        .await
    }

    async fn spend(&self, tenant: &TenantId, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError> {
        let (tenant, query) = (tenant.clone(), query.clone());
        self.query("spend", move |connection| {
            read::spend(connection, &tenant, &query)
        })
        .await
    }

    async fn tries(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<LedgerRow>, StoreError> {
        let (tenant, after, limit) = (tenant.clone(), after_row(page, "tries")?, fetch(page));
        let read = move |connection: &Connection| pages::newest(connection, &tenant, after, limit);
        Ok(cut(self.query("tries", read).await?, page))
    }

    async fn requests(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<RequestRow>, StoreError> {
        let (tenant, after, limit) = (tenant.clone(), after_row(page, "requests")?, fetch(page));
        let read = move |connection: &Connection| pages::newest(connection, &tenant, after, limit);
        Ok(cut(self.query("requests", read).await?, page))
    }

    async fn sweep_requests(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let before = LedgerId::first_of(before);
        self.write("sweep_requests", move |connection| {
            write::sweep(connection, before, limit)
        })
        .await
    }

    async fn budgets(&self) -> Result<Vec<Budget>, StoreError> {
        self.query("budgets", read::budgets).await
    }

    async fn put_budget(&self, budget: &Budget) -> Result<(), StoreError> {
        let row = json("put_budget", budget)?;
        let (tenant, id) = (budget.tenant.clone(), budget.id.clone());
        self.write("put_budget", move |connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO budgets (tenant, id, row) VALUES (?1, ?2, ?3)")?
                .execute([tenant.as_str(), id.as_str(), row.as_str()])?;
            Ok(Written::other((), row.len()))
        })
        .await
    }

    async fn remove_budget(&self, tenant: &TenantId, id: &BudgetId) -> Result<bool, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.write("remove_budget", move |connection| {
            let removed = connection
                .prepare_cached("DELETE FROM budgets WHERE tenant = ?1 AND id = ?2")?
                .execute([tenant.as_str(), id.as_str()])?;
            Ok(Written::other(removed > 0, 0))
        })
        .await
    }
}
