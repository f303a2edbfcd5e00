//! Texts too large for an item, in several. The first part says how many there are and is written last: a text is there
//! when all of it is.

use aws_sdk_dynamodb::types::AttributeValue;
use greenroom_kernel::StoreError;

use super::call::{Call, Outcome};
use super::item::{Item, Reader, binary, key, number, set, text};
use super::keys;
use super::table::{Range, Table};

/// How much a part holds: an item has at most 400 KB, keys and names included.
const PART: usize = 350 * 1024;

/// What fits into an item beside what else is in it. A transaction holds 4 MB.
pub(super) const FITS: usize = 128 * 1024;

/// Where a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In its item.
    Here(String),
    /// In parts whose keys begin with this.
    Apart(String),
}

impl Place {
    /// Into `item`, as attribute `name`.
    pub(super) fn into_item(self, item: &mut Item, name: &str) {
        match self {
            Self::Here(content) => set(item, name, text(content)),
            Self::Apart(prefix) => set(item, &apart(name), text(prefix)),
        }
    }
}

fn apart(name: &str) -> String {
    format!("{name}_in")
}

impl Table {
    /// Decides where a text goes. What doesn't fit is written here and now, before the item that names it.
    pub(super) async fn place(
        &self,
        call: &Call<'_>,
        pk: &str,
        prefix: impl FnOnce() -> String,
        content: String,
    ) -> Result<Place, StoreError> {
        if content.len() <= FITS {
            return Ok(Place::Here(content));
        }
        let prefix = prefix();
        self.put_parts(call, pk, &prefix, &content, 0).await?;
        Ok(Place::Apart(prefix))
    }

    /// A text that an item holds or names; none when it has no such attribute.
    pub(super) async fn placed(
        &self,
        call: &Call<'_>,
        item: &Item,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        let reader = Reader(call.operation);
        if let Some(here) = reader.optional_text(item, name) {
            return Ok(Some(here));
        }
        let Some(prefix) = reader.optional_text(item, &apart(name)) else {
            return Ok(None);
        };
        let pk = reader.text(item, "pk")?;
        let found = self.parts(call, &pk, &prefix).await?;
        found
            .map(Some)
            .ok_or_else(|| reader.corrupt(format!("a part of {prefix} in {pk} is missing")))
    }

    /// Writes a text in parts. `kept` marks this writing of them.
    pub(super) async fn put_parts(
        &self,
        call: &Call<'_>,
        pk: &str,
        prefix: &str,
        content: &str,
        kept: u64,
    ) -> Result<(), StoreError> {
        let bytes = content.as_bytes();
        let parts: Vec<&[u8]> = if bytes.is_empty() {
            vec![bytes]
        } else {
            bytes.chunks(PART).collect()
        };
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate().rev() {
            let mut item = key(pk, &keys::part(prefix, index));
            set(&mut item, "content", binary(part));
            set(&mut item, "kept", number(kept));
            if index == 0 {
                set(&mut item, "parts", number(count));
            }
            match self.put(call, item, None).await? {
                Outcome::Done(_) => {}
                Outcome::Failed { .. } => {
                    return Err(Reader(call.operation).corrupt("a condition that nobody set"));
                }
            }
        }
        Ok(())
    }

    /// A text in parts; none when it isn't there, or not whole.
    pub(super) async fn parts(
        &self,
        call: &Call<'_>,
        pk: &str,
        prefix: &str,
    ) -> Result<Option<String>, StoreError> {
        let reader = Reader(call.operation);
        let items = self
            .all(call, &Range::beginning(pk, &format!("{prefix}#")))
            .await?;
        let Some(first) = items.first().filter(|first| first.contains_key("parts")) else {
            return Ok(None);
        };
        let count: usize = reader.number(first, "parts")?;
        if items.len() < count {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        for item in items.iter().take(count) {
            bytes.extend(reader.bytes(item, "content")?);
        }
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| reader.corrupt(format!("{prefix} in {pk} is no text")))
    }

    /// Removes the parts of a text.
    pub(super) async fn delete_parts(
        &self,
        call: &Call<'_>,
        pk: &str,
        prefix: &str,
    ) -> Result<(), StoreError> {
        let range = Range {
            only: Some("sk"),
            ..Range::beginning(pk, &format!("{prefix}#"))
        };
        let sks = sort_keys(&self.all(call, &range).await?);
        self.delete_all(call, pk, &sks).await
    }
}

/// The sort keys of items.
pub(super) fn sort_keys(items: &[Item]) -> Vec<String> {
    let of = |item: &Item| {
        item.get("sk")
            .and_then(|sk: &AttributeValue| sk.as_s().ok())
            .cloned()
    };
    items.iter().filter_map(of).collect()
}
