//! What is kept beside the log: large payloads and snapshots.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use greenroom_kernel::{BlobId, JournalKey, PAYLOAD_LIMIT, Snapshot, StoreError};

use super::DynamoStore;
use super::call::{Call, Outcome};
use super::item::{Reader, key as item_key, number, set};
use super::keys;
use super::rows::beside_item;

/// How often a snapshot is read that is replaced while it is.
const READS: u32 = 3;

impl DynamoStore {
    /// A journal that something is kept beside: one without slots is marked, as new, so that a sweep finds it.
    async fn beside(&self, call: &Call<'_>, key: &JournalKey, kept: u64) -> Result<(), StoreError> {
        if self.ends.reaches(key, 1) {
            return Ok(());
        }
        let pk = keys::partition(key);
        if self.table.get(call, &pk, &keys::slot(0)).await?.is_some() {
            self.ends.saw(key, 1);
            return Ok(());
        }
        self.table
            .put(call, beside_item(&pk, None, kept), None)
            .await
            .map(drop)
    }

    pub(super) async fn keep_blob(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        id: &BlobId,
        content: &str,
    ) -> Result<(), StoreError> {
        let limit = self.large.limit();
        if content.len() > limit.bytes {
            return Err(StoreError::TooLarge {
                operation: call.operation,
                bytes: content.len(),
                limit: limit.bytes,
            });
        }
        let kept = rand::random();
        self.beside(call, key, kept).await?;
        if content.len() > PAYLOAD_LIMIT {
            return Box::pin(self.keep_object(call, key, id, content, kept)).await;
        }
        let pk = keys::partition(key);
        self.table
            .put_parts(call, &pk, &keys::blob(id), content, kept)
            .await
    }

    pub(super) async fn kept_blob(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        id: &BlobId,
    ) -> Result<Option<Arc<str>>, StoreError> {
        let found = self
            .table
            .parts(call, &keys::partition(key), &keys::blob(id))
            .await?;
        let found = match found {
            None => Box::pin(self.kept_object(call, key, id)).await?,
            found => found,
        };
        Ok(found.map(Arc::from))
    }

    pub(super) async fn keep_snapshot(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        snapshot: Snapshot,
    ) -> Result<(), StoreError> {
        let tag: u64 = rand::random();
        self.beside(call, key, tag).await?;
        let pk = keys::partition(key);
        let mut item = item_key(&pk, keys::SNAPSHOT);
        set(&mut item, "upto", number(snapshot.next));
        let prefix = keys::snapshot(tag);
        let place = self
            .table
            .place(call, &pk, || prefix.clone(), snapshot.state.to_string())
            .await?;
        place.into_item(&mut item, "state");
        let values = [(":upto", number(snapshot.next))];
        let condition = ("attribute_not_exists(pk) OR upto < :upto", &values[..]);
        // What is left over: the parts of the one before, or of this one, when a newer is there.
        let left = match self.table.put(call, item, Some(condition)).await? {
            Outcome::Done(replaced) => replaced.as_ref().and_then(|old| old.get("state_in").cloned()),
            Outcome::Failed { item, .. } => {
                let kept = item.as_ref().and_then(|kept| kept.get("state_in"));
                let own = AttributeValue::S(prefix);
                (kept != Some(&own)).then_some(own)
            }
        };
        match left.as_ref().and_then(|prefix| prefix.as_s().ok()) {
            Some(prefix) => self.table.delete_parts(call, &pk, prefix).await,
            None => Ok(()),
        }
    }

    pub(super) async fn kept_snapshot(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
    ) -> Result<Option<Snapshot>, StoreError> {
        let reader = Reader(call.operation);
        let pk = keys::partition(key);
        let mut reads = 0;
        loop {
            let Some(item) = self.table.get(call, &pk, keys::SNAPSHOT).await? else {
                return Ok(None);
            };
            reads += 1;
            match self.table.placed(call, &item, "state").await {
                Ok(Some(state)) => {
                    return Ok(Some(Snapshot {
                        next: reader.number(&item, "upto")?,
                        state: state.into(),
                    }));
                }
                // A newer one has come, and this one's parts went.
                Err(StoreError::Corrupt { .. }) if reads < READS => {}
                Ok(None) => return Err(reader.corrupt("a snapshot without its state")),
                Err(error) => return Err(error),
            }
        }
    }
}
