//! The ledger: a row a try by time, the sums of each day, requests, and budgets.
//!
//! A row goes in together with what it adds to its day's sum, in one transaction: what is sent again finds its rows there,
//! and adds nothing. Rows and sums are spread over partitions, as lists are; a sum is added to in one of eight places, so
//! that processes seldom meet there.

mod sums;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use greenroom_kernel::{
    Budget, BudgetId, Ledger, LedgerId, LedgerRow, Page, PageRequest, Records, RequestRow, SpendQuery,
    SpendRow, StoreError, TenantId, Timestamp,
};
use serde::de::DeserializeOwned;

use super::DynamoStore;
use super::call::{Call, Outcome};
use super::expiry::{UNEXPIRED, expire_after, now};
use super::item::{Item, Reader, json, key, set, text};
use super::keys::{self, SHARDS};
use super::merge::Merged;
use super::table::{PAGE, Range};
use crate::page::{after_row, cut};

/// How many rows go into one transaction, and how many requests with them: with a sum for each row, at most, they are no
/// more than it takes.
const ROWS: usize = 40;
const REQUESTS_TOGETHER: usize = 20;
/// How large those requests may be: a transaction takes 4 MB.
const BYTES_TOGETHER: usize = 1 << 20;
/// A request that says more is kept without what was said.
const SAID_AT_MOST: usize = 300 * 1024;

const BUDGETS: &str = "#budgets";

/// A partition of a tenant's rows. No journal's key begins so.
fn rows_of(what: &str, tenant: &TenantId, shard: u32) -> String {
    format!("#{what}#{tenant}#{shard:02}")
}

fn sort(id: LedgerId) -> String {
    format!("{:032x}", id.0)
}

fn row_key(what: &str, tenant: &TenantId, id: LedgerId) -> (String, String) {
    let sort = sort(id);
    (rows_of(what, tenant, keys::shard(&sort)), sort)
}

/// Roughly how large an item is.
fn size(item: &Item) -> usize {
    let row = item.get("row").and_then(|row| row.as_s().ok());
    row.map_or(0, String::len)
}

const TRIES: &str = "tries";
const REQUESTS: &str = "requests";

/// Where requests are found by their age.
fn aged(shard: u32) -> String {
    format!("{REQUESTS}#{shard:02}")
}

impl DynamoStore {
    /// Keeps tries that aren't there yet, adds those to their sums, and keeps these requests: all in one, or none.
    async fn record_together(
        &self,
        call: &Call<'_>,
        rows: &[LedgerRow],
        requests: &[Item],
    ) -> Result<(), StoreError> {
        // One that came twice is one.
        let mut seen = BTreeSet::new();
        let mut left: Vec<&LedgerRow> = rows.iter().collect();
        left.retain(|row| seen.insert((row.caller.tenant.clone(), row.id)));
        while !left.is_empty() {
            let mut writes = Vec::with_capacity(2 * left.len() + requests.len());
            for row in &left {
                writes.push(self.put(call, Self::try_item(call, row)?, true)?);
            }
            writes.extend(sums::additions(&self.table.name, call.operation, &left)?);
            for request in requests {
                writes.push(self.put(call, request.clone(), false)?);
            }
            match self.table.transact(call, writes).await? {
                Outcome::Done(()) => return Ok(()),
                // Those are there already; the others are new.
                Outcome::Failed { at, .. } => {
                    let mut place = 0..;
                    left.retain(|_| place.next().is_some_and(|place| !at.contains(&place)));
                }
            }
        }
        self.table.put_all(call, requests.to_vec()).await
    }

    fn put(&self, call: &Call<'_>, item: Item, where_absent: bool) -> Result<TransactWriteItem, StoreError> {
        let mut put = Put::builder().table_name(&self.table.name).set_item(Some(item));
        if where_absent {
            put = put.condition_expression("attribute_not_exists(pk)");
        }
        let put = put
            .build()
            .map_err(|error| Reader(call.operation).corrupt(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn try_item(call: &Call<'_>, row: &LedgerRow) -> Result<Item, StoreError> {
        let (pk, sk) = row_key(TRIES, &row.caller.tenant, row.id);
        let mut item = key(&pk, &sk);
        set(&mut item, "row", text(json(call.operation, row)?));
        Ok(item)
    }

    /// It expires by itself when it was kept for as long as requests are, whether anybody sweeps or not.
    fn request_item(&self, call: &Call<'_>, row: &RequestRow) -> Result<Item, StoreError> {
        let (pk, sk) = row_key(REQUESTS, &row.caller.tenant, row.id);
        let mut item = key(&pk, &sk);
        let mut content = json(call.operation, row)?;
        if content.len() > SAID_AT_MOST {
            let short = RequestRow {
                content: None,
                ..row.clone()
            };
            content = json(call.operation, &short)?;
        }
        set(&mut item, "row", text(content));
        set(&mut item, "work", text(aged(keys::shard(&sk))));
        set(&mut item, "when", text(sk));
        expire_after(&mut item, self.keep_requests);
        Ok(item)
    }

    /// A tenant's rows before an id, the newest first, without those that have expired and were not reaped yet.
    /// Consistently: a page ends at an id, and the next one begins behind it, so that a row which a replica lacks would
    /// be passed over for good.
    async fn newest<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        what: &str,
        tenant: &TenantId,
        after: Option<LedgerId>,
        page: &PageRequest,
    ) -> Result<Vec<T>, StoreError> {
        let before = sort(after.unwrap_or(LedgerId(u128::MAX)));
        let ranges = (0..SHARDS).map(|shard| {
            let range = Range::between(&rows_of(what, tenant, shard), sort(LedgerId(0)), before.clone());
            Range {
                only: Some("pk, sk"),
                filter: Some((UNEXPIRED, vec![now()])),
                ..range.newest_first()
            }
        });
        self.listed(call, Merged::new(ranges), &before, |_| true, page)
            .await
    }

    async fn sweep_old_requests(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let call = self.call("sweep_requests");
        let Some(last) = LedgerId::first_of(before).0.checked_sub(1) else {
            return Ok(0);
        };
        let ranges = (0..SHARDS).map(|shard| {
            Range::of(
                super::lists::WORK,
                super::lists::WORK_KEYS,
                aged(shard),
                sort(LedgerId(0)),
                sort(LedgerId(last)),
            )
        });
        let mut by_partition: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let old = Merged::new(ranges).take(&self.table, &call, limit).await?;
        let swept = old.len();
        for entry in old {
            by_partition.entry(entry.pk).or_default().push(entry.sk);
        }
        for (pk, sks) in by_partition {
            self.table.delete_all(&call, &pk, &sks).await?;
        }
        Ok(swept)
    }
}

fn budget_key(tenant: &TenantId, id: &BudgetId) -> String {
    format!("{tenant}#{id}")
}

#[async_trait]
impl Ledger for DynamoStore {
    async fn record(&self, records: Arc<Records>) -> Result<(), StoreError> {
        let call = self.call("record");
        let requests: Result<Vec<Item>, StoreError> = records
            .requests
            .iter()
            .map(|row| self.request_item(&call, row))
            .collect();
        let requests = requests?;
        // Mostly all of it is one request to the service.
        let together =
            requests.len() <= REQUESTS_TOGETHER && requests.iter().map(size).sum::<usize>() <= BYTES_TOGETHER;
        let (mut with_rows, apart) = if together {
            (&*requests, &[][..])
        } else {
            (&[][..], &*requests)
        };
        for rows in records.tries.chunks(ROWS) {
            self.record_together(&call, rows, std::mem::take(&mut with_rows))
                .await?;
        }
        self.table.put_all(&call, [with_rows, apart].concat()).await
    }

    async fn spend(&self, tenant: &TenantId, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError> {
        let call = self.call("spend");
        let mut found = Vec::new();
        for place in 0..sums::PLACES {
            let range = Range::between(
                &sums::partition(tenant, place),
                query.from.clone(),
                query.to.clone(),
            );
            found.extend(self.table.all(&call, &range).await?);
        }
        sums::summed(Reader(call.operation), &found, query)
    }

    async fn tries(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<LedgerRow>, StoreError> {
        let after = after_row(page, "tries")?;
        let call = self.call("tries");
        Ok(cut(self.newest(&call, TRIES, tenant, after, page).await?, page))
    }

    async fn requests(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<RequestRow>, StoreError> {
        let after = after_row(page, "requests")?;
        let call = self.call("requests");
        Ok(cut(
            self.newest(&call, REQUESTS, tenant, after, page).await?,
            page,
        ))
    }

    async fn sweep_requests(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(PAGE);
        let swept = self.sweep_old_requests(before, limit).await?;
        Ok(u32::try_from(swept).unwrap_or(u32::MAX))
    }

    async fn budgets(&self) -> Result<Vec<Budget>, StoreError> {
        let call = self.call("budgets");
        let range = Range::between(BUDGETS, "!".to_owned(), keys::LAST.to_string());
        let mut budgets = Vec::new();
        for item in self.table.all(&call, &range).await? {
            budgets.push(self.table.row(&call, &item).await?);
        }
        Ok(budgets)
    }

    async fn put_budget(&self, budget: &Budget) -> Result<(), StoreError> {
        let call = self.call("put_budget");
        let mut item = key(BUDGETS, &budget_key(&budget.tenant, &budget.id));
        set(&mut item, "row", text(json(call.operation, budget)?));
        self.table.put(&call, item, None).await.map(drop)
    }

    async fn remove_budget(&self, tenant: &TenantId, id: &BudgetId) -> Result<bool, StoreError> {
        let call = self.call("remove_budget");
        let sk = budget_key(tenant, id);
        if self.table.get(&call, BUDGETS, &sk).await?.is_none() {
            return Ok(false);
        }
        self.table.delete_all(&call, BUDGETS, &[sk]).await?;
        Ok(true)
    }
}
