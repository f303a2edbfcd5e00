//! What tries of a day came to, kept as they come in: an item for each day, caller, credential, provider, model and kind.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use greenroom_kernel::{
    LedgerRow, SpendDimension, SpendGroup, SpendQuery, SpendRow, Spent, StoreError, TenantId,
};
use serde::{Deserialize, Serialize};

use crate::dynamodb::item::{Item, Reader, json, key, number, text};

/// In how many places a tenant's sums are added to.
pub(super) const PLACES: u32 = 8;

/// Adds to what is there, or to nothing.
const ADD: &str =
    "SET of_what = :of ADD n0 :n0, n1 :n1, n2 :n2, n3 :n3, n4 :n4, n5 :n5, n6 :n6, n7 :n7, n8 :n8, n9 :n9";

/// What a sum is of. An absent credential is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Of {
    day: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    provider: String,
    model: String,
    kind: String,
}

impl Of {
    fn row(row: &LedgerRow) -> Self {
        Self {
            day: row.at.date(),
            subject: row.caller.subject.as_str().to_owned(),
            key: row.caller.key.as_deref().map(str::to_owned),
            provider: row.provider.to_string(),
            model: row.model.to_string(),
            kind: row.kind.as_str().to_owned(),
        }
    }

    fn group(self, query: &SpendQuery) -> SpendGroup {
        let by = |dimension, text: String| query.group_by.contains(&dimension).then_some(text);
        SpendGroup {
            month: by(
                SpendDimension::Month,
                self.day.get(..7).unwrap_or_default().to_owned(),
            ),
            day: by(SpendDimension::Day, self.day),
            subject: by(SpendDimension::Subject, self.subject),
            key: self.key.and_then(|key| by(SpendDimension::Key, key)),
            provider: by(SpendDimension::Provider, self.provider),
            model: by(SpendDimension::Model, self.model),
            kind: by(SpendDimension::Kind, self.kind),
        }
    }
}

/// A sum's figures, in the order of their attributes.
const fn figures(spent: &Spent) -> [u64; 10] {
    [
        spent.tries,
        spent.failed,
        spent.input,
        spent.cached_input,
        spent.cache_write,
        spent.output,
        spent.reasoning,
        spent.cost_nanos,
        spent.unpriced,
        spent.estimated,
    ]
}

const fn spent(
    [
        tries,
        failed,
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
        cost_nanos,
        unpriced,
        estimated,
    ]: [u64; 10],
) -> Spent {
    Spent {
        tries,
        failed,
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
        cost_nanos,
        unpriced,
        estimated,
    }
}

pub(super) fn partition(tenant: &TenantId, place: u32) -> String {
    format!("#spend#{tenant}#{place}")
}

/// What rows add to their sums, as writes of one transaction.
pub(super) fn additions(
    table: &str,
    operation: &'static str,
    rows: &[&LedgerRow],
) -> Result<Vec<TransactWriteItem>, StoreError> {
    let mut sums: BTreeMap<(&TenantId, Of), Spent> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry((&row.caller.tenant, Of::row(row))).or_default();
        *sum = sum.plus(Spent::of(row));
    }
    let place = rand::random::<u32>() % PLACES;
    let write = |((tenant, of), sum): ((&TenantId, Of), Spent)| {
        let name = json(operation, &of)?;
        // Sorted by day; the rest only tells sums apart.
        let sk = format!("{}#{}", of.day, blake3::hash(name.as_bytes()).to_hex());
        let mut update = Update::builder()
            .table_name(table)
            .set_key(Some(key(&partition(tenant, place), &sk)))
            .update_expression(ADD)
            .expression_attribute_values(":of", text(name));
        for (index, figure) in figures(&sum).into_iter().enumerate() {
            update = update.expression_attribute_values(format!(":n{index}"), number(figure));
        }
        let update = update
            .build()
            .map_err(|error| Reader(operation).corrupt(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    };
    sums.into_iter().map(write).collect()
}

/// The sums asked for, the dearest first.
pub(super) fn summed(
    reader: Reader,
    items: &[Item],
    query: &SpendQuery,
) -> Result<Vec<SpendRow>, StoreError> {
    let mut sums: BTreeMap<SpendGroup, Spent> = BTreeMap::new();
    if query.group_by.is_empty() {
        sums.insert(SpendGroup::default(), Spent::default());
    }
    for item in items {
        let of: Of = reader.parsed("what a sum is of", &reader.text(item, "of_what")?)?;
        let mut read = [0; 10];
        for (index, figure) in read.iter_mut().enumerate() {
            *figure = reader.count(item, &format!("n{index}"))?;
        }
        let sum = sums.entry(of.group(query)).or_default();
        *sum = sum.plus(spent(read));
    }
    let mut rows: Vec<SpendRow> = sums
        .into_iter()
        .map(|(group, spent)| SpendRow { group, spent })
        .collect();
    rows.sort_by_key(|row| Reverse((row.spent.cost_nanos, row.spent.tokens())));
    rows.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
    Ok(rows)
}
