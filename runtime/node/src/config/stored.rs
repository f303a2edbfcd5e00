//! Where the journal is kept, checked.

use std::path::PathBuf;

use super::error::ConfigError;
use super::paths::default_store;
use super::raw::{RawStore, RawStoreKind};

/// `[store]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StoreSettings {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A table that many processes share.
    DynamoDb(DynamoSettings),
}

/// A table of Amazon DynamoDB.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DynamoSettings {
    pub(crate) table_prefix: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    /// Where payloads above 4 MiB go; none refuses them.
    pub(crate) payload_bucket: Option<String>,
    pub(crate) payload_prefix: String,
    pub(crate) payload_endpoint: Option<String>,
    /// What this machine's processes on this table name their control socket after.
    pub(crate) seat: PathBuf,
}

impl StoreSettings {
    pub(super) fn of(raw: &RawStore) -> Result<Self, ConfigError> {
        let path = match &raw.path {
            Some(path) if path.as_os_str().is_empty() => {
                return Err(ConfigError::value("store.path", "it is empty"));
            }
            Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            None => match (default_store(), raw.kind) {
                (Some(path), _) => path,
                (None, RawStoreKind::Sqlite) => return Err(ConfigError::NoDataFolder),
                // A folder for the control socket: containers often have no home.
                (None, RawStoreKind::Dynamodb) => std::env::temp_dir().join("greenroom.sqlite"),
            },
        };
        if raw.kind == RawStoreKind::Sqlite {
            return Ok(Self::Sqlite(path));
        }
        if !cfg!(feature = "dynamodb") {
            let why = "this greenroom was built without the feature `dynamodb`";
            return Err(ConfigError::value("store.kind", why));
        }
        let prefix = &raw.table_prefix;
        let of_a_table = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if !(3..=200).contains(&prefix.len()) || !prefix.bytes().all(of_a_table) {
            let why = "it must have 3 to 200 characters of A-Z, a-z, 0-9, `_`, `.` and `-`";
            return Err(ConfigError::value("store.table_prefix", why));
        }
        let of_a_bucket = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        let bucket = raw.payload_bucket.clone().filter(|bucket| !bucket.is_empty());
        if let Some(bucket) = &bucket
            && (!(3..=63).contains(&bucket.len()) || !bucket.bytes().all(of_a_bucket))
        {
            let why = "it must be a bucket's name alone: 3 to 63 characters of a-z, 0-9, `.` and `-`";
            return Err(ConfigError::value("store.payload_bucket", why));
        }
        let objects = &raw.payload_prefix;
        let of_an_object = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/');
        if objects.len() > 200 || objects.starts_with('/') || !objects.bytes().all(of_an_object) {
            let why = "it may have 200 characters of A-Z, a-z, 0-9, `_`, `.`, `-` and `/`, the first no `/`";
            return Err(ConfigError::value("store.payload_prefix", why));
        }
        Ok(Self::DynamoDb(DynamoSettings {
            table_prefix: prefix.clone(),
            region: raw.region.clone().filter(|region| !region.is_empty()),
            endpoint: raw.endpoint.clone(),
            payload_bucket: bucket,
            payload_prefix: objects.clone(),
            payload_endpoint: raw.payload_endpoint.clone(),
            seat: path.with_file_name(format!("dynamodb-{prefix}")),
        }))
    }

    /// What the control socket of a process on this store is named after.
    pub(crate) fn seat(&self) -> &std::path::Path {
        match self {
            Self::Sqlite(path) => path,
            Self::DynamoDb(table) => &table.seat,
        }
    }
}
