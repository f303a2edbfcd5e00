//! Many items at once, in no order. The service may do a batch in part: the rest is sent again.

use aws_sdk_dynamodb::types::{
    DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity, WriteRequest,
};
use greenroom_kernel::StoreError;

use super::call::Call;
use super::item::{Item, key};
use super::table::Table;

/// The service takes no more in one batch of writes.
const WRITES: usize = 25;
/// The service takes no more in one batch of reads.
const GETS: usize = 100;

impl Table {
    /// Deletes items of a partition, in no order.
    pub(super) async fn delete_all(
        &self,
        call: &Call<'_>,
        pk: &str,
        sks: &[String],
    ) -> Result<(), StoreError> {
        let deletes = sks
            .iter()
            .filter_map(|sk| DeleteRequest::builder().set_key(Some(key(pk, sk))).build().ok())
            .map(|delete| WriteRequest::builder().delete_request(delete).build());
        self.write_all(call, deletes.collect()).await
    }

    /// Puts items, in no order.
    pub(super) async fn put_all(&self, call: &Call<'_>, items: Vec<Item>) -> Result<(), StoreError> {
        let puts = items
            .into_iter()
            .filter_map(|item| PutRequest::builder().set_item(Some(item)).build().ok())
            .map(|put| WriteRequest::builder().put_request(put).build());
        self.write_all(call, puts.collect()).await
    }

    async fn write_all(&self, call: &Call<'_>, writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        for batch in writes.chunks(WRITES) {
            let (mut left, mut tries) = (batch.to_vec(), 0);
            while !left.is_empty() {
                let request = self
                    .client
                    .batch_write_item()
                    .request_items(&self.name, left)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total);
                let answer = call.send(|| request.clone().send()).await?;
                left = answer
                    .unprocessed_items
                    .and_then(|mut tables| tables.remove(&self.name))
                    .unwrap_or_default();
                if !left.is_empty() {
                    tries += 1;
                    call.breathe(tries).await?;
                }
            }
        }
        Ok(())
    }

    /// The items of these keys that are there, in no order.
    pub(super) async fn get_all(
        &self,
        call: &Call<'_>,
        keys: &[(String, String)],
        consistent: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for batch in keys.chunks(GETS) {
            let mut left: Vec<Item> = batch.iter().map(|(pk, sk)| key(pk, sk)).collect();
            let mut tries = 0;
            while !left.is_empty() {
                let wanted = KeysAndAttributes::builder()
                    .set_keys(Some(left))
                    .consistent_read(consistent)
                    .build()
                    .map_err(|source| StoreError::Corrupt {
                        operation: call.operation,
                        what: "a request without keys".into(),
                        source: Some(Box::new(source)),
                    })?;
                let request = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, wanted)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total);
                let answer = call.send(|| request.clone().send()).await?;
                let items = answer.responses.and_then(|mut tables| tables.remove(&self.name));
                found.extend(items.unwrap_or_default());
                left = answer
                    .unprocessed_keys
                    .and_then(|mut tables| tables.remove(&self.name))
                    .map(|keys| keys.keys)
                    .unwrap_or_default();
                if !left.is_empty() {
                    tries += 1;
                    call.breathe(tries).await?;
                }
            }
        }
        Ok(found)
    }
}
