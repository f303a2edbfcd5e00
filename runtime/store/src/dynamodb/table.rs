//! The requests that the store is made of, each for one table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, TransactWriteItem};
use greenroom_kernel::StoreError;

use super::call::{Call, Outcome};
use super::item::{Item, key, text};

/// A table, and how to reach it.
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

/// A range of a partition or of an index's partition.
#[derive(Clone)]
pub(super) struct Range<'r> {
    /// The index; none is the table itself.
    pub(super) index: Option<&'r str>,
    /// The names of its keys.
    pub(super) keys: (&'r str, &'r str),
    pub(super) partition: String,
    /// Both ends belong to it.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) newest_first: bool,
    pub(super) consistent: bool,
    /// What is left out of what was read, with its values.
    pub(super) filter: Option<(&'r str, Vec<(&'r str, AttributeValue)>)>,
    /// Only these attributes, with `#` names for reserved words; none is all.
    pub(super) only: Option<&'r str>,
}

impl<'r> Range<'r> {
    /// What a journal's partition holds whose sort keys begin with `prefix`, oldest first, consistently.
    pub(super) fn beginning(partition: &str, prefix: &str) -> Self {
        Self::between(
            partition,
            prefix.to_owned(),
            format!("{prefix}{}", super::keys::LAST),
        )
    }

    pub(super) fn between(partition: &str, from: String, to: String) -> Self {
        Self {
            index: None,
            keys: ("pk", "sk"),
            partition: partition.to_owned(),
            from,
            to,
            newest_first: false,
            consistent: true,
            filter: None,
            only: None,
        }
    }

    /// What an index's partition holds.
    pub(super) fn of(
        index: &'r str,
        keys: (&'r str, &'r str),
        partition: String,
        from: String,
        to: String,
    ) -> Self {
        Self {
            index: Some(index),
            keys,
            consistent: false,
            ..Self::between(&partition, from, to)
        }
    }

    pub(super) fn newest_first(self) -> Self {
        Self {
            newest_first: true,
            ..self
        }
    }
}

/// One page of a range, and where it goes on.
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Item>,
}

impl Table {
    pub(super) async fn get(&self, call: &Call<'_>, pk: &str, sk: &str) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key(pk, sk)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = call.send(|| request.clone().send()).await?;
        Ok(answer.item)
    }

    /// Puts an item, on a condition if there is one. Where that fails, what is there is told.
    pub(super) async fn put(
        &self,
        call: &Call<'_>,
        item: Item,
        condition: Option<(&str, &[(&str, AttributeValue)])>,
    ) -> Result<Outcome<Option<Item>>, StoreError> {
        use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
        let mut request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some((condition, values)) = condition {
            request = request
                .condition_expression(condition)
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            for (name, value) in values {
                request = request.expression_attribute_values(*name, value.clone());
            }
        }
        Ok(match call.try_to(|| request.clone().send()).await? {
            Outcome::Done(answer) => Outcome::Done(answer.attributes),
            Outcome::Failed { item, at, resent } => Outcome::Failed { item, at, resent },
        })
    }

    pub(super) async fn transact(
        &self,
        call: &Call<'_>,
        items: Vec<TransactWriteItem>,
    ) -> Result<Outcome<()>, StoreError> {
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        // Without a token of ours the SDK makes one for each try: one that was done already then fails its condition,
        // as a single item's does.
        Ok(match call.try_to(|| request.clone().send()).await? {
            Outcome::Done(_) => Outcome::Done(()),
            Outcome::Failed { item, at, resent } => Outcome::Failed { item, at, resent },
        })
    }

    /// Deletes an item, on a condition if there is one. Tells whether it held.
    pub(super) async fn delete(
        &self,
        call: &Call<'_>,
        pk: &str,
        sk: &str,
        condition: (&str, &str, AttributeValue),
    ) -> Result<bool, StoreError> {
        let (condition, name, value) = condition;
        let request = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key(pk, sk)))
            .condition_expression(condition)
            .expression_attribute_values(name, value)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match call.try_to(|| request.clone().send()).await? {
            Outcome::Done(_) => Ok(true),
            Outcome::Failed { resent: false, .. } => Ok(false),
            // An earlier try may have done it.
            Outcome::Failed { .. } => Ok(self.get(call, pk, sk).await?.is_none()),
        }
    }

    /// One page of a range: at most `limit` items are looked at, and at most a megabyte.
    pub(super) async fn page(
        &self,
        call: &Call<'_>,
        range: &Range<'_>,
        start: Option<Item>,
        limit: usize,
    ) -> Result<Part, StoreError> {
        if range.from > range.to {
            return Ok(Part {
                items: Vec::new(),
                next: None,
            });
        }
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(range.index.map(str::to_owned))
            .key_condition_expression("#p = :p AND #s BETWEEN :f AND :t")
            .expression_attribute_names("#p", range.keys.0)
            .expression_attribute_names("#s", range.keys.1)
            .expression_attribute_values(":p", text(&*range.partition))
            .expression_attribute_values(":f", text(&*range.from))
            .expression_attribute_values(":t", text(&*range.to))
            .scan_index_forward(!range.newest_first)
            .set_exclusive_start_key(start)
            .set_projection_expression(range.only.map(str::to_owned))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if range.consistent {
            request = request.consistent_read(true);
        }
        if let Some((filter, values)) = &range.filter {
            request = request.filter_expression(*filter);
            for (name, value) in values {
                request = request.expression_attribute_values(*name, value.clone());
            }
        }
        let answer = call.send(|| request.clone().send()).await?;
        Ok(Part {
            items: answer.items.unwrap_or_default(),
            next: answer.last_evaluated_key.filter(|next| !next.is_empty()),
        })
    }

    /// A range whole.
    pub(super) async fn all(&self, call: &Call<'_>, range: &Range<'_>) -> Result<Vec<Item>, StoreError> {
        let mut part = self.page(call, range, None, PAGE).await?;
        let mut items = part.items;
        while let Some(next) = part.next {
            part = self.page(call, range, Some(next), PAGE).await?;
            items.append(&mut part.items);
        }
        Ok(items)
    }
}

/// How many items are asked for at once where nothing bounds them but their size.
pub(super) const PAGE: usize = 1_000;
