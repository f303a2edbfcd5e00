//! Who calls, remembered: the default chain asks a role's server, or reads files, each time that it is asked.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use parking_lot::Mutex;

use super::ObjectError;
use crate::{Causes, NO_CREDENTIALS};

/// How long credentials without an end are taken for good: files change.
const HOLDS: Duration = Duration::from_secs(900);
/// How long before their end new ones are asked for.
const EARLY: Duration = Duration::from_secs(60);

/// Gives credentials that have not expired, as far as is known.
pub(super) struct Who {
    provider: Option<SharedCredentialsProvider>,
    known: Mutex<Option<(Credentials, SystemTime)>>,
}

impl Who {
    pub(super) fn new(provider: Option<SharedCredentialsProvider>) -> Self {
        Self {
            provider,
            known: Mutex::new(None),
        }
    }

    /// # Errors
    /// `Refused` when nobody has any.
    pub(super) async fn credentials(&self, place: &str) -> Result<Credentials, ObjectError> {
        let now = now();
        if let Some((known, until)) = &*self.known.lock()
            && now < *until
        {
            return Ok(known.clone());
        }
        let none = |why: String| {
            ObjectError::refused(
                &format!("no AWS credentials were found for {place}{why}"),
                NO_CREDENTIALS,
            )
        };
        let provider = self.provider.as_ref().ok_or_else(|| none(String::new()))?;
        let found = provider
            .provide_credentials()
            .await
            .map_err(|error| none(format!(" ({})", Causes::of(&error).text)))?;
        let until = match found.expiry() {
            Some(end) => end.checked_sub(EARLY).unwrap_or(now),
            None => now + HOLDS,
        };
        *self.known.lock() = Some((found.clone(), until));
        Ok(found)
    }

    /// They were refused: whoever gives them is asked again next time.
    pub(super) fn forget(&self) {
        *self.known.lock() = None;
    }
}

/// What credentials' ends and signatures are compared with elsewhere, so that it is no port's to say.
#[allow(
    clippy::disallowed_methods,
    reason = "a signature names the moment that the service's own clock shows; no decision of ours hangs on it"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::provider::future;

    use super::*;

    #[derive(Debug)]
    struct Giver {
        asked: Arc<AtomicU32>,
        lasts: Option<Duration>,
    }

    impl ProvideCredentials for Giver {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let end = self.lasts.map(|lasts| now() + lasts);
            let own = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, end, "a test");
            future::ProvideCredentials::ready(Ok(own))
        }
    }

    fn who(lasts: Option<Duration>) -> (Who, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let giver = Giver {
            asked: Arc::clone(&asked),
            lasts,
        };
        (Who::new(Some(SharedCredentialsProvider::new(giver))), asked)
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_while_they_are_good_and_again_when_refused_or_at_their_end() {
        for (lasts, times) in [
            (None, 1),
            (Some(Duration::from_secs(3_600)), 1),
            (Some(Duration::from_secs(30)), 3),
        ] {
            let (who, asked) = who(lasts);
            for _ in 0..3 {
                who.credentials("here").await.unwrap();
            }
            assert_eq!(asked.load(Ordering::Relaxed), times, "{lasts:?}");
            who.forget();
            who.credentials("here").await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), times + 1, "{lasts:?}");
        }
    }

    #[tokio::test]
    async fn nobody_s_credentials_are_refused_with_what_to_do() {
        let refused = Who::new(None).credentials("bucket b").await.unwrap_err();
        assert!(refused.to_string().contains("AWS_PROFILE"), "{refused}");
    }
}
