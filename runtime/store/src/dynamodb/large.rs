//! Payloads that are too large for the table: each is an object in a bucket, and an item of its journal that names it.
//!
//! The item comes first, so that there is no object that nobody knows of; it says `whole` when the object is whole, and
//! only then is the payload kept. Who takes a payload away marks its item as going before the object goes: whoever keeps
//! the same payload at that moment finds it so, and makes an object of another name. No name is used a second time.

use std::fmt;

use greenroom_aws::{Caller, Objects};
use greenroom_kernel::{BlobId, JournalKey, LARGE_PAYLOAD_LIMIT, PAYLOAD_LIMIT, PayloadLimit, StoreError};
use tokio::sync::OnceCell;

use super::DynamoStore;
use super::call::{Call, Outcome};
use super::error::Fault;
use super::item::{Item, Reader, key as item_key, number, set, text};
use super::keys;
use super::options::DynamoOptions;
use super::table::Range;

/// What an operator may do where no bucket is set.
const RAISE: &str = "set store.payload_bucket, and S3 keeps payloads up to 7 MiB";

/// Nobody takes it away.
const STAYS: &str = "attribute_exists(pk) AND attribute_not_exists(going)";

const STAYS_STORED: &str = "attribute_exists(whole) AND attribute_not_exists(going)";
const STAYS_BEGUN: &str =
    "attribute_exists(pk) AND attribute_not_exists(whole) AND attribute_not_exists(going)";

/// How often a payload is looked for that goes, or comes, while it is.
const LOOKS: u32 = 3;

/// Where large payloads are kept.
pub(super) struct Large {
    bucket: Option<String>,
    prefix: String,
    options: DynamoOptions,
    /// Made when first needed: what was kept in a bucket is read though none is set any more.
    objects: OnceCell<Objects>,
}

impl Large {
    pub(super) fn new(options: &DynamoOptions) -> Self {
        Self {
            bucket: options.payload_bucket.clone(),
            prefix: options.payload_prefix.clone(),
            options: options.clone(),
            objects: OnceCell::new(),
        }
    }

    /// The bucket that new payloads go to, if one is set.
    pub(super) fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    pub(super) fn limit(&self) -> PayloadLimit {
        match self.bucket {
            None => PayloadLimit {
                raise: Some(RAISE),
                ..PayloadLimit::default()
            },
            Some(_) => PayloadLimit {
                bytes: LARGE_PAYLOAD_LIMIT,
                raise: None,
            },
        }
    }

    /// # Errors
    /// `Refused` when nothing says where S3 is.
    async fn objects(&self, call: &Call<'_>) -> Result<&Objects, StoreError> {
        let make = || async {
            let caller = Caller {
                region: self.options.region.clone(),
                endpoint: self.options.payload_endpoint.clone(),
                credentials: self.options.credentials.clone(),
            };
            let endpoint = self.options.payload_endpoint.as_deref();
            // A megabyte a second is slow.
            let try_timeout = self.options.try_timeout.saturating_mul(3);
            Objects::new(&caller.find().await, endpoint, try_timeout)
        };
        self.objects
            .get_or_try_init(make)
            .await
            .map_err(|error| Fault::from(error).into_error(call.operation))
    }
}

impl fmt::Display for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bucket {
            Some(bucket) => write!(f, " with bucket {bucket}"),
            None => Ok(()),
        }
    }
}

/// Where an item says that its object is.
struct Named {
    bucket: String,
    object: String,
}

impl Named {
    fn of(call: &Call<'_>, item: &Item) -> Result<Self, StoreError> {
        let reader = Reader(call.operation);
        Ok(Self {
            bucket: reader.text(item, "bucket")?,
            object: reader.text(item, "object")?,
        })
    }
}

impl DynamoStore {
    /// Whether the bucket can be reached, listed and written as this caller; what is written is taken away again. Says
    /// nothing where none is set.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub async fn check_bucket(&self) -> Result<(), StoreError> {
        let call = self.call("check_bucket");
        let Some(bucket) = self.large.bucket() else {
            return Ok(());
        };
        let objects = self.large.objects(&call).await?;
        call.of_bucket(|| objects.look(bucket)).await?;
        let probe = format!("{}probe-{:016x}", self.large.prefix, rand::random::<u64>());
        call.of_bucket(|| objects.put(bucket, &probe, b"whether this can be written"))
            .await?;
        let read = call.of_bucket(|| objects.get(bucket, &probe, 1_024)).await;
        call.of_bucket(|| objects.delete(bucket, &probe)).await?;
        match read? {
            Some(_) => Ok(()),
            None => {
                Err(Reader(call.operation).corrupt(format!("object {probe} of bucket {bucket} is missing")))
            }
        }
    }

    /// Whether the bucket is there, where one is set.
    pub(super) async fn look_at_bucket(&self, call: &Call<'_>) -> Result<(), StoreError> {
        let Some(bucket) = self.large.bucket() else {
            return Ok(());
        };
        let objects = self.large.objects(call).await?;
        call.of_bucket(|| objects.look(bucket)).await
    }

    /// Keeps a payload in the bucket. `kept` marks this writing of it.
    pub(super) async fn keep_object(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        id: &BlobId,
        content: &str,
        kept: u64,
    ) -> Result<(), StoreError> {
        let bucket = self.large.bucket().ok_or_else(|| StoreError::TooLarge {
            operation: call.operation,
            bytes: content.len(),
            limit: PAYLOAD_LIMIT,
        })?;
        let pk = keys::partition(key);
        let mut item = match self.again(call, (&pk, bucket), id, kept).await? {
            Again::Stored => return Ok(()),
            Again::Begun(item) => item,
            Again::New => {
                let (sk, object) = (keys::large(id, kept), self.name_of(key, id, kept));
                let mut item = item_key(&pk, &sk);
                set(&mut item, "kept", number(kept));
                set(&mut item, "bucket", text(bucket));
                set(&mut item, "object", text(object));
                self.put_large(call, item.clone(), None).await?;
                item
            }
        };
        let named = Named::of(call, &item)?;
        let objects = self.large.objects(call).await?;
        let bytes = content.as_bytes();
        call.of_bucket(|| objects.put(&named.bucket, &named.object, bytes))
            .await?;
        set(&mut item, "whole", number(1));
        set(&mut item, "kept", number(kept));
        if self.put_large(call, item, Some(STAYS)).await? {
            return Ok(());
        }
        // The journal is being emptied: whoever does so may have been there before the object was.
        call.of_bucket(|| objects.delete(&named.bucket, &named.object))
            .await?;
        Err(StoreError::Busy {
            operation: call.operation,
        })
    }

    /// What was made of the same payload before: it is marked as kept by this writing, so that no sweep takes it for old.
    /// What was begun in another bucket is left where it is: that bucket may be why it was never finished.
    async fn again(
        &self,
        call: &Call<'_>,
        (pk, bucket): (&str, &str),
        id: &BlobId,
        kept: u64,
    ) -> Result<Again, StoreError> {
        let range = Range::beginning(pk, &keys::larges(id));
        let reader = Reader(call.operation);
        for found in self.table.all(call, &range).await? {
            let is_of_use = |item: &Item| {
                let there = || reader.text(item, "bucket").is_ok_and(|there| there == bucket);
                !item.contains_key("going") && (item.contains_key("whole") || there())
            };
            let mut found = Some(found);
            while let Some(mut item) = found.filter(is_of_use) {
                set(&mut item, "kept", number(kept));
                let stored = item.contains_key("whole");
                // The very item that was read, or one that is on no other way.
                let condition = if stored { STAYS_STORED } else { STAYS_BEGUN };
                match self.table.put(call, item.clone(), Some((condition, &[]))).await? {
                    Outcome::Done(_) if stored => return Ok(Again::Stored),
                    Outcome::Done(_) => return Ok(Again::Begun(item)),
                    Outcome::Failed { item, .. } => found = item,
                }
            }
        }
        Ok(Again::New)
    }

    /// Tells whether the condition held.
    async fn put_large(
        &self,
        call: &Call<'_>,
        item: Item,
        condition: Option<&str>,
    ) -> Result<bool, StoreError> {
        let condition = condition.map(|condition| (condition, &[][..]));
        Ok(matches!(
            self.table.put(call, item, condition).await?,
            Outcome::Done(_)
        ))
    }

    fn name_of(&self, key: &JournalKey, id: &BlobId, kept: u64) -> String {
        let (prefix, id) = (&self.large.prefix, id.as_str());
        format!("{prefix}{}/{}/{id}-{kept:016x}", key.tenant, key.journal)
    }

    /// A payload from a bucket, whole, and what it is named after; none when none was kept.
    pub(super) async fn kept_object(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        id: &BlobId,
    ) -> Result<Option<String>, StoreError> {
        let reader = Reader(call.operation);
        let range = Range::beginning(&keys::partition(key), &keys::larges(id));
        let mut looks = 0;
        loop {
            let items = self.table.all(call, &range).await?;
            let there = |item: &&Item| item.contains_key("whole") && !item.contains_key("going");
            let Some(item) = items.iter().find(there) else {
                return Ok(None);
            };
            let named = Named::of(call, item)?;
            let objects = self.large.objects(call).await?;
            let get = || objects.get(&named.bucket, &named.object, LARGE_PAYLOAD_LIMIT);
            let place = format!("object {} of bucket {}", named.object, named.bucket);
            looks += 1;
            match call.of_bucket(get).await? {
                Some(bytes) => {
                    let content = String::from_utf8(bytes).ok();
                    let content = content.filter(|content| BlobId::of(content) == *id);
                    return content
                        .map(Some)
                        .ok_or_else(|| reader.corrupt(format!("{place} is not what was kept there")));
                }
                None if looks < LOOKS => {}
                None => return Err(reader.corrupt(format!("{place} is missing"))),
            }
        }
    }

    /// Takes away items of a partition; last, where some of them name objects, all objects that the partition names: the
    /// bucket may be away, and the rest is not to wait for it.
    pub(super) async fn remove_with_objects(
        &self,
        call: &Call<'_>,
        pk: &str,
        sks: Vec<String>,
    ) -> Result<(), StoreError> {
        let names_an_object = |sk: &String| sk.starts_with(keys::LARGE);
        let (objects, others): (Vec<_>, Vec<_>) = sks.into_iter().partition(names_an_object);
        self.table.delete_all(call, pk, &others).await?;
        if !objects.is_empty() {
            for item in self.table.all(call, &Range::beginning(pk, keys::LARGE)).await? {
                self.remove_object(call, pk, item, false).await?;
            }
        }
        Ok(())
    }

    /// Takes away an object and the item that names it. With `only_kept` an item that was kept again since it was read
    /// stays.
    pub(super) async fn remove_object(
        &self,
        call: &Call<'_>,
        pk: &str,
        mut item: Item,
        only_kept: bool,
    ) -> Result<(), StoreError> {
        let reader = Reader(call.operation);
        let sk = reader.text(&item, "sk")?;
        let kept: u64 = reader.number(&item, "kept")?;
        set(&mut item, "going", number(1));
        let values = [(":kept", number(kept))];
        let (condition, values) = match only_kept {
            true => ("kept = :kept", &values[..]),
            false => ("attribute_exists(pk)", &[][..]),
        };
        let named = Named::of(call, &item)?;
        if let Outcome::Failed { .. } = self.table.put(call, item, Some((condition, values))).await? {
            return Ok(());
        }
        let objects = self.large.objects(call).await?;
        call.of_bucket(|| objects.delete(&named.bucket, &named.object))
            .await?;
        self.table.delete_all(call, pk, &[sk]).await
    }
}

/// What there is of a payload that is kept again.
enum Again {
    /// All of it.
    Stored,
    /// Its item.
    Begun(Item),
    New,
}
