//! AWS Secrets Manager.

use std::time::Duration;

use aws_credential_types::Credentials;
use tokio::sync::OnceCell;

use crate::connect::{Connected, connect};
use crate::{Secret, SecretError};

/// How long one reading may take, repetitions and the search for credentials included.
const WITHIN: Duration = Duration::from_secs(20);

/// Which secret, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsManagerConfig {
    /// Its name or its ARN.
    pub id: String,
    /// None: the ARN's, `AWS_REGION`, or the profile's.
    pub region: Option<String>,
    /// None: `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `AWS_ENDPOINT_URL`, or the region's own.
    pub endpoint: Option<String>,
    /// None: as the AWS SDKs find them.
    pub credentials: Option<Credentials>,
}

impl SecretsManagerConfig {
    /// Everything else is found as the AWS SDKs find it.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            region: None,
            endpoint: None,
            credentials: None,
        }
    }
}

/// One secret of AWS Secrets Manager.
#[derive(Debug)]
pub struct SecretsManager {
    config: SecretsManagerConfig,
    connected: OnceCell<Connected>,
}

impl SecretsManager {
    /// Connects to nothing yet.
    pub fn new(config: SecretsManagerConfig) -> Self {
        Self {
            config,
            connected: OnceCell::new(),
        }
    }

    /// Which secret it is, for people.
    pub fn place(&self) -> String {
        let at = match &self.config.endpoint {
            Some(url) => format!(" at {url}"),
            None => String::new(),
        };
        format!("secret {}{at}", self.config.id)
    }

    /// Its present text. May be dropped at any time.
    ///
    /// # Errors
    /// Nobody answers within 20 s, the caller may not, or there is no such text.
    pub async fn read(&self) -> Result<Secret, SecretError> {
        let read = tokio::time::timeout(WITHIN, self.ask()).await;
        read.unwrap_or_else(|_| {
            Err(SecretError::Unreachable {
                place: self.place(),
                why: format!("not within {} s", WITHIN.as_secs()),
            })
        })
    }

    async fn ask(&self) -> Result<Secret, SecretError> {
        let connected = self.connected.get_or_init(|| connect(&self.config)).await;
        let Some(region) = &connected.region else {
            return Err(SecretError::no_region(self.place()));
        };
        let place = || format!("{} in {region}", self.place());
        let asked = connected
            .client
            .get_secret_value()
            .secret_id(&self.config.id)
            .send();
        match asked.await {
            Ok(answer) => match answer.secret_string {
                Some(text) => Ok(Secret::new(text)),
                None => Err(SecretError::no_text(place())),
            },
            Err(error) => Err(SecretError::of(place(), &error)),
        }
    }
}
