//! AWS Secrets Manager.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use greenroom_aws::Caller;
use tokio::sync::OnceCell;

use crate::{Secret, SecretError};

/// How long one reading may take, repetitions and the search for credentials included.
const WITHIN: Duration = Duration::from_secs(20);

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// One secret of AWS Secrets Manager.
#[derive(Debug)]
pub struct SecretsManager {
    id: String,
    caller: Caller,
    connected: OnceCell<Connected>,
}

/// A client, and the region that it asks, if one is known.
#[derive(Debug)]
struct Connected {
    client: Client,
    region: Option<String>,
}

impl SecretsManager {
    /// The one of this name or ARN; an ARN names its region too. Connects to nothing yet.
    pub fn new(id: &str, mut caller: Caller) -> Self {
        caller.region = caller.region.or_else(|| region_of(id));
        Self {
            id: id.to_owned(),
            caller,
            connected: OnceCell::new(),
        }
    }

    /// Which secret it is, for people.
    pub fn place(&self) -> String {
        let at = match &self.caller.endpoint {
            Some(url) => format!(" at {url}"),
            None => String::new(),
        };
        format!("secret {}{at}", self.id)
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
        let connected = self.connected.get_or_init(|| connect(&self.caller)).await;
        let Some(region) = &connected.region else {
            return Err(SecretError::no_region(self.place()));
        };
        let place = || format!("{} in {region}", self.place());
        let asked = connected.client.get_secret_value().secret_id(&self.id).send();
        match asked.await {
            Ok(answer) => match answer.secret_string {
                Some(text) => Ok(Secret::new(text)),
                None => Err(SecretError::no_text(place())),
            },
            Err(error) => Err(SecretError::of(place(), &error)),
        }
    }
}

async fn connect(caller: &Caller) -> Connected {
    let found = caller.find().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(ANSWER_WITHIN)
        .build();
    let mut config = Builder::from(&found).timeout_config(timeouts);
    if !is_endpoint_named(caller) {
        // A profile's is nobody's word here: what is fetched is a private key.
        config.set_endpoint_url(None);
    }
    Connected {
        client: Client::from_conf(config.build()),
        region: found.region().map(ToString::to_string),
    }
}

/// Whether the configuration or the environment says where the service is; both were judged when they were read.
fn is_endpoint_named(caller: &Caller) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    caller.endpoint.is_some()
        || ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"]
            .into_iter()
            .any(is_set)
}

/// The region that an ARN names: `arn:aws:secretsmanager:eu-west-1:…`.
fn region_of(id: &str) -> Option<String> {
    let region = id.strip_prefix("arn:")?.split(':').nth(2)?;
    (!region.is_empty()).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_its_region() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:greenroom/agent-AbCdEf";
        assert_eq!(region_of(arn).as_deref(), Some("eu-west-1"));
        assert_eq!(region_of("greenroom/agent"), None);
    }
}
