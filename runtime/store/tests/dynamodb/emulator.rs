//! A service of DynamoDB's interface that somebody else wrote: PyPI's `ministack`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use greenroom_aws::testkit::Ministack;
use greenroom_store::{DynamoOptions, DynamoStore};

pub(crate) struct Emulator {
    pub(crate) ministack: Ministack,
    pub(crate) url: String,
    prefixes: AtomicU32,
}

impl Emulator {
    /// Starts it, and waits until it takes connections.
    pub(crate) fn start() -> Self {
        let ministack = Ministack::start();
        Self {
            url: ministack.url(),
            ministack,
            prefixes: AtomicU32::new(0),
        }
    }

    /// Options of a store that nobody else has, reached at `url`.
    pub(crate) fn options(&self, url: &str) -> DynamoOptions {
        let number = self.prefixes.fetch_add(1, Ordering::Relaxed);
        DynamoOptions {
            table_prefix: format!("t{number}"),
            region: Some("us-east-1".to_owned()),
            endpoint: Some(url.to_owned()),
            credentials: Some(Ministack::credentials()),
            // Nothing here is about time, and the machine may be busy.
            try_timeout: Duration::from_secs(60),
            patience: Duration::from_secs(120),
            ..DynamoOptions::default()
        }
    }

    /// The same, with a bucket, reached at `url` too.
    pub(crate) fn options_with_bucket(&self, url: &str) -> DynamoOptions {
        let options = self.options(url);
        let bucket = format!("payloads-{}", options.table_prefix);
        self.ministack.make_bucket(&bucket);
        DynamoOptions {
            payload_bucket: Some(bucket),
            payload_prefix: "kept/".to_owned(),
            payload_endpoint: Some(url.to_owned()),
            ..options
        }
    }

    /// A new store whose table was made directly, reached at `url`.
    pub(crate) async fn store(&self, url: &str) -> DynamoStore {
        let options = self.options(&self.url);
        DynamoStore::migrate(&options).await.unwrap();
        let options = DynamoOptions {
            endpoint: Some(url.to_owned()),
            ..options
        };
        DynamoStore::open(options).await.unwrap()
    }

    /// The same with a bucket, and which it is.
    pub(crate) async fn store_with_bucket(&self, url: &str) -> (DynamoStore, String) {
        let options = self.options_with_bucket(&self.url);
        DynamoStore::migrate(&options).await.unwrap();
        let bucket = options.payload_bucket.clone().unwrap();
        let options = DynamoOptions {
            endpoint: Some(url.to_owned()),
            payload_endpoint: Some(url.to_owned()),
            ..options
        };
        (DynamoStore::open(options).await.unwrap(), bucket)
    }
}
