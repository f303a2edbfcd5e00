//! Who calls, and where.

use std::fmt;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

/// Who calls AWS, and where. What isn't set is found where AWS's own tools look for it.
#[derive(Clone, Default)]
pub struct Caller {
    /// The region; none takes that of the environment, else of the profile.
    pub region: Option<String>,
    /// Another address than the region's own, for all calls; none takes `AWS_ENDPOINT_URL_` with the service's name, or
    /// `AWS_ENDPOINT_URL`, if they are set.
    pub endpoint: Option<String>,
    /// Who calls; none asks the default chain: environment, profile, web identity, the task's or the instance's role.
    pub credentials: Option<SharedCredentialsProvider>,
}

impl Caller {
    /// What a service's client is made from. Reads the environment and the profile files; connects to nothing, and asks
    /// nobody for credentials yet. A region that nothing names is none: the caller says what would have named it.
    pub async fn find(&self) -> SdkConfig {
        // The machine isn't asked: elsewhere than on EC2 nobody answers, for seconds.
        let region = RegionProviderChain::first_try(self.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new());
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        if let Some(url) = &self.endpoint {
            loader = loader.endpoint_url(url);
        }
        loader.load().await
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::ProvideCredentials;

    use super::*;

    #[tokio::test]
    async fn what_is_set_is_taken() {
        let own = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
        let caller = Caller {
            region: Some("eu-north-1".to_owned()),
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            credentials: Some(SharedCredentialsProvider::new(own)),
        };
        let found = caller.find().await;
        assert_eq!(found.region().unwrap().as_ref(), "eu-north-1");
        assert_eq!(found.endpoint_url(), Some("http://127.0.0.1:1"));
        let provider = found.credentials_provider().unwrap();
        let who = provider.provide_credentials().await.unwrap();
        assert_eq!(who.access_key_id(), "AKIDFORATEST");
    }

    #[test]
    fn a_callers_debug_form_names_no_credentials() {
        let own = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
        let caller = Caller {
            credentials: Some(SharedCredentialsProvider::new(own)),
            ..Caller::default()
        };
        let shown = format!("{caller:?}");
        assert!(!shown.contains("AKID") && !shown.contains("secret"), "{shown}");
    }
}
