//! Objects in buckets of Amazon S3: put whole, read whole, deleted.
//!
//! Four requests are all that is needed, so they are written here over the signer and the connector that the SDK's other
//! clients use; S3's own client is a minute of every cold build (decision 0038). What is sent again, and how often, is the
//! caller's to decide.

mod address;
mod refused;
mod sign;
mod who;

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_http_client::default_connector;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};

use crate::Causes;
use address::Addresses;
use refused::{no_bucket, refused};
use sign::Asked;
use who::Who;

pub use refused::ObjectError;

/// An error's own words are no longer than this, in bytes.
const ERROR_BYTES: usize = 64 * 1024;

/// The objects that a caller reaches, of any bucket of its region.
pub struct Objects {
    connector: SharedHttpConnector,
    addresses: Addresses,
    region: String,
    who: Who,
    try_timeout: Duration,
}

impl Objects {
    /// Those that `found` names, in its region. `endpoint` is another address than the region's own; none takes
    /// `AWS_ENDPOINT_URL_S3`, or what `found` has. A try is given up after `try_timeout`. Connects to nothing yet.
    ///
    /// # Errors
    /// `Refused` without a region, or when the endpoint is no URL.
    pub fn new(
        found: &SdkConfig,
        endpoint: Option<&str>,
        try_timeout: Duration,
    ) -> Result<Self, ObjectError> {
        let region = found
            .region()
            .map(ToString::to_string)
            .ok_or_else(|| ObjectError::refused("no AWS region is set", "set store.region, or AWS_REGION"))?;
        let connector = default_connector(&HttpConnectorSettings::default(), None)
            .ok_or_else(|| ObjectError::refused("there is no way to connect", "report this as a defect"))?;
        Ok(Self {
            connector,
            addresses: Addresses::new(&region, endpoint, found)?,
            region,
            who: Who::new(found.credentials_provider()),
            try_timeout,
        })
    }

    /// The region that is asked.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Puts an object, durably: its bytes are compared with their SHA-256 before they are kept. Dropped, it may yet take
    /// effect.
    pub async fn put(&self, bucket: &str, key: &str, content: &[u8]) -> Result<(), ObjectError> {
        let put = self.ask(bucket, "PUT", Some(key), "", content).await;
        self.there(bucket, put)
    }

    /// An object's bytes, at most `limit` of them; none when it isn't there.
    pub async fn get(&self, bucket: &str, key: &str, limit: usize) -> Result<Option<Vec<u8>>, ObjectError> {
        let read = async {
            let answer = self.sent(bucket, "GET", Some(key), "", &[]).await?;
            self.whole(bucket, answer, limit).await
        };
        match self.in_time(bucket, read).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ObjectError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object. One that isn't there is deleted already, as is all that a bucket held which is gone.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        match self.ask(bucket, "DELETE", Some(key), "", &[]).await {
            Ok(_) | Err(ObjectError::Missing | ObjectError::NoBucket { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the bucket is there, and this caller's to list.
    pub async fn look(&self, bucket: &str) -> Result<(), ObjectError> {
        let query = "list-type=2&max-keys=1";
        let looked = self.ask(bucket, "GET", None, query, &[]).await;
        self.there(bucket, looked)
    }

    /// Where no object was asked for, it is the bucket that is missing.
    fn there(&self, bucket: &str, answer: Result<Vec<u8>, ObjectError>) -> Result<(), ObjectError> {
        match answer {
            Err(ObjectError::Missing) => Err(no_bucket(&self.place(bucket))),
            other => other.map(drop),
        }
    }

    async fn ask(
        &self,
        bucket: &str,
        method: &str,
        key: Option<&str>,
        query: &str,
        content: &[u8],
    ) -> Result<Vec<u8>, ObjectError> {
        let asked = async {
            let answer = self.sent(bucket, method, key, query, content).await?;
            self.whole(bucket, answer, ERROR_BYTES).await
        };
        self.in_time(bucket, asked).await
    }

    async fn in_time<T>(
        &self,
        bucket: &str,
        asked: impl Future<Output = Result<T, ObjectError>>,
    ) -> Result<T, ObjectError> {
        let asked = tokio::time::timeout(self.try_timeout, asked).await;
        asked.unwrap_or_else(|_| {
            let waited = self.try_timeout.as_millis();
            let place = self.place(bucket);
            Err(ObjectError::Unanswered(format!(
                "{place}: no answer within {waited} ms"
            )))
        })
    }

    async fn sent(
        &self,
        bucket: &str,
        method: &str,
        key: Option<&str>,
        query: &str,
        content: &[u8],
    ) -> Result<Response, ObjectError> {
        let credentials = self.who.credentials(&self.place(bucket)).await?;
        let asked = Asked {
            method,
            url: self.addresses.of(bucket, key, query),
            content,
            region: &self.region,
        };
        let request = asked.signed(&credentials)?;
        let answer = self.connector.call(request).await.map_err(|error| {
            let causes = Causes::of(&error);
            ObjectError::Unanswered(format!("{}: {}", self.place(bucket), causes.text))
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let of_region = answer.headers().get("x-amz-bucket-region").map(str::to_owned);
        let said = read(answer.into_body(), ERROR_BYTES).await.unwrap_or_default();
        let error = refused(&self.place(bucket), status, &said, of_region.as_deref());
        if error.is_of_the_caller() {
            self.who.forget();
        }
        Err(error)
    }

    async fn whole(&self, bucket: &str, answer: Response, limit: usize) -> Result<Vec<u8>, ObjectError> {
        read(answer.into_body(), limit)
            .await
            .map_err(|why| ObjectError::Unanswered(format!("{}: {why}", self.place(bucket))))
    }

    fn place(&self, bucket: &str) -> String {
        format!("bucket {bucket} in {}{}", self.region, self.addresses.shown())
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A body whole; why not, otherwise.
async fn read(body: SdkBody, limit: usize) -> Result<Vec<u8>, String> {
    let body = Limited::new(body, limit).collect().await;
    body.map(|body| body.to_bytes().to_vec())
        .map_err(|error| crate::on_one_line(&error.to_string()))
}
