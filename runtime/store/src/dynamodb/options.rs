//! What a caller chooses when opening the store.

use std::fmt;
use std::time::Duration;

use greenroom_aws::SharedCredentialsProvider;

use crate::CommitHook;

/// Where the store on DynamoDB is. What isn't set comes from where AWS's own tools look for it: environment, profile,
/// role.
#[derive(Clone)]
pub struct DynamoOptions {
    /// What the tables' names begin with: `PREFIX-journal`.
    pub table_prefix: String,
    /// The region; none takes that of the environment or of the profile.
    pub region: Option<String>,
    /// Where to reach the service; none takes `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL`, else the region's own.
    pub endpoint: Option<String>,
    /// The bucket of Amazon S3, of the same region, that keeps payloads above 4 MiB; none refuses them.
    pub payload_bucket: Option<String>,
    /// What the names of its objects begin with.
    pub payload_prefix: String,
    /// Where to reach S3; none takes `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, else the region's own.
    pub payload_endpoint: Option<String>,
    /// Who calls; none asks the default chain.
    pub credentials: Option<SharedCredentialsProvider>,
    /// After how long a request without an answer is given up and sent again.
    pub try_timeout: Duration,
    /// For how long an operation is tried before its caller is told.
    pub patience: Duration,
    /// How long the ledger's requests are kept at most: what is recorded from now on expires by itself then.
    pub keep_requests: Duration,
    /// How long the history of agents is kept: what is noted from now on expires by itself then.
    pub keep_history: Duration,
    /// Whom to tell of appends that were stored: one at a time, with how long it took. Keep it short.
    pub on_commit: Option<CommitHook>,
}

impl Default for DynamoOptions {
    fn default() -> Self {
        Self {
            table_prefix: "greenroom".to_owned(),
            region: None,
            endpoint: None,
            payload_bucket: None,
            payload_prefix: "greenroom/".to_owned(),
            payload_endpoint: None,
            credentials: None,
            try_timeout: Duration::from_secs(3),
            patience: Duration::from_secs(10),
            keep_requests: Duration::from_secs(30 * 86_400),
            keep_history: Duration::from_secs(7 * 86_400),
            on_commit: None,
        }
    }
}

impl fmt::Debug for DynamoOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoOptions")
            .field("table_prefix", &self.table_prefix)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("payload_bucket", &self.payload_bucket)
            .finish_non_exhaustive()
    }
}
