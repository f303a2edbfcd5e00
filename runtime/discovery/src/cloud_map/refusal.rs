//! What Cloud Map's refusals mean, and how each is mended.

use std::error::Error;

use aws_sdk_servicediscovery::config::http::HttpResponse;
use aws_sdk_servicediscovery::error::{ProvideErrorMetadata, SdkError};
use greenroom_aws::{CallerRefusal, Causes, NO_CREDENTIALS, on_one_line};
use greenroom_kernel::DiscoveryError;

use super::CloudMapConfig;

const RENEW: &str =
    "the credentials are wrong, expired or of another account: renew them, and check the clock";
const ALLOW: &str = "allow servicediscovery:DiscoverInstances and DiscoverInstancesRevision; to register also \
                     ListNamespaces, ListServices, RegisterInstance, DeregisterInstance, GetOperation and \
                     UpdateInstanceCustomHealthStatus";
const NAMESPACE: &str =
    "mend discovery.namespace, or discovery.region: a namespace is in one region of one account";
const SERVICE: &str = "mend discovery.service, or create the service in the namespace";

/// Makes the errors of one service.
pub(super) struct Refusals {
    place: String,
    namespace: String,
    service: String,
}

impl Refusals {
    pub(super) fn new(place: String, config: &CloudMapConfig) -> Self {
        Self {
            place,
            namespace: config.namespace.clone(),
            service: config.service.clone(),
        }
    }

    /// Why a call got no good answer.
    pub(super) fn of<E>(&self, operation: &'static str, error: &SdkError<E, HttpResponse>) -> DiscoveryError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let place = self.place.clone();
        let SdkError::ServiceError(refused) = error else {
            let Causes {
                text: why,
                credentials,
            } = Causes::of(error);
            return match credentials {
                true => DiscoveryError::Refused {
                    place,
                    operation,
                    why: format!("there are no credentials ({why})"),
                    remedy: NO_CREDENTIALS,
                },
                false => DiscoveryError::Unreachable {
                    place,
                    operation,
                    why,
                },
            };
        };
        let code = refused.err().code().unwrap_or_default();
        let status = refused.raw().status().as_u16();
        let said = refused.err().message().unwrap_or_default();
        let why = match (code, said) {
            ("", "") => format!("HTTP {status}"),
            ("", said) => on_one_line(&format!("HTTP {status} ({said})")),
            (code, "") => code.to_owned(),
            (code, said) => on_one_line(&format!("{code} ({said})")),
        };
        let refused = |remedy| DiscoveryError::Refused {
            place: place.clone(),
            operation,
            why: why.clone(),
            remedy,
        };
        if let Some(refusal) = CallerRefusal::of(code) {
            return refused(refusal.remedy());
        }
        match code {
            "NamespaceNotFound" => self.no_namespace(),
            "ServiceNotFound" => self.no_service(),
            "AccessDenied" | "AccessDeniedException" | "NotAuthorized" | "OptInRequired" => refused(ALLOW),
            "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
                DiscoveryError::Throttled {
                    place,
                    operation,
                    why,
                }
            }
            _ if status >= 500 || status == 429 => DiscoveryError::Unreachable {
                place,
                operation,
                why,
            },
            _ if matches!(status, 401 | 403) => refused(RENEW),
            _ => DiscoveryError::Failed {
                place,
                operation,
                why,
            },
        }
    }

    pub(super) fn no_namespace(&self) -> DiscoveryError {
        DiscoveryError::Missing {
            place: self.place.clone(),
            what: format!("namespace `{}`", self.namespace),
            remedy: NAMESPACE,
        }
    }

    pub(super) fn no_service(&self) -> DiscoveryError {
        DiscoveryError::Missing {
            place: self.place.clone(),
            what: format!("service `{}` in namespace `{}`", self.service, self.namespace),
            remedy: SERVICE,
        }
    }
}
