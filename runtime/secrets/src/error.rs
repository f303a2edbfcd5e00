//! Why a secret could not be read, and how that is mended.

use std::error::Error;

use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use greenroom_aws::{CallerRefusal, Causes, NO_CREDENTIALS, on_one_line};

const RENEW: &str =
    "the credentials are wrong, expired or of another account: renew them, and check the clock";
const ALLOW: &str =
    "allow secretsmanager:GetSecretValue on it, and kms:Decrypt where it has a key of its own";
const NAME: &str = "mend its name or its region: a secret is in one region of one account";

/// A secret could not be read. `place` says which and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nobody answered, or not in time, or too much was asked: retryable.
    #[error("{place}: no answer: {why}")]
    Unreachable {
        /// Which.
        place: String,
        /// What happened.
        why: String,
    },
    /// The caller isn't known or may not read it, or it can't be asked as configured.
    #[error("{place}: {why}; {remedy}")]
    Refused {
        /// Which.
        place: String,
        /// What was said.
        why: String,
        /// How to mend it.
        remedy: &'static str,
    },
}

impl SecretError {
    /// Whether the same call may succeed later without anybody mending anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    pub(crate) fn no_region(place: String) -> Self {
        Self::Refused {
            place,
            why: "no region is known".to_owned(),
            remedy: "set tls.region, AWS_REGION or the profile's region",
        }
    }

    pub(crate) fn no_text(place: String) -> Self {
        Self::Refused {
            place,
            why: "it holds bytes, not text".to_owned(),
            remedy: "store it as a text (SecretString)",
        }
    }

    /// Why a call got no good answer.
    pub(crate) fn of<E>(place: String, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let SdkError::ServiceError(refused) = error else {
            let Causes {
                text: why,
                credentials,
            } = Causes::of(error);
            return match credentials {
                true => Self::Refused {
                    place,
                    why: format!("there are no credentials ({why})"),
                    remedy: NO_CREDENTIALS,
                },
                false => Self::Unreachable { place, why },
            };
        };
        let code = refused.err().code().unwrap_or_default();
        let status = refused.raw().status().as_u16();
        let said = refused.err().message().unwrap_or_default();
        let why = on_one_line(&match (code, said) {
            ("", said) => format!("HTTP {status} {said}"),
            (code, "") => code.to_owned(),
            (code, said) => format!("{code} ({said})"),
        });
        let refused = |remedy| Self::Refused {
            place: place.clone(),
            why: why.clone(),
            remedy,
        };
        if let Some(refusal) = CallerRefusal::of(code) {
            return refused(refusal.remedy());
        }
        match code {
            "ResourceNotFoundException" => refused(NAME),
            "AccessDenied" | "AccessDeniedException" | "DecryptionFailure" => refused(ALLOW),
            "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
                Self::Unreachable { place, why }
            }
            _ if status >= 500 || status == 429 => Self::Unreachable { place, why },
            _ if matches!(status, 401 | 403) => refused(RENEW),
            _ => refused(NAME),
        }
    }
}
