//! What went wrong, in the kernel's classes: what the service says, and where the call got stuck.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::event_stream::RawMessage;
use greenroom_aws::{Causes, on_one_line};
use greenroom_kernel::{ErrorAnswer, FaultClass, ProviderFault};

use crate::classify::{status_of, verdict};

/// Nobody is believed who asks for more.
const WAIT_AT_MOST: Duration = Duration::from_secs(24 * 3600);

const CHAIN: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK, or run \
                     where AWS gives a role (ECS task, EKS web identity, EC2 instance)";

/// Makes the faults of one provider.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    provider: Arc<str>,
    place: Arc<str>,
}

/// What the service said.
struct SaidError<'a> {
    code: Option<&'a str>,
    message: Option<&'a str>,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Faults {
    /// `place` is where the service is, as errors show it.
    pub(crate) fn new(provider: &str, place: &str) -> Self {
        Self {
            provider: provider.into(),
            place: place.into(),
        }
    }

    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    pub(crate) fn fault(&self, class: FaultClass, message: impl Into<String>) -> ProviderFault {
        ProviderFault::new(&*self.provider, class, message)
    }

    /// A call that got no good answer. `model` is the one asked for.
    pub(crate) fn call<E>(&self, error: &SdkError<E, HttpResponse>, model: &str) -> ProviderFault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let answer = error.raw_response();
        let status = answer.map(|answer| answer.status().as_u16());
        let retry_after = answer.and_then(retry_after);
        match error {
            SdkError::ServiceError(refused) => self.said(
                SaidError {
                    code: refused.err().code(),
                    message: refused.err().message(),
                    status,
                    retry_after,
                },
                model,
            ),
            // Somebody in between may have answered.
            SdkError::ResponseError(_) if status.is_some_and(|status| status >= 300) => self.said(
                SaidError {
                    code: None,
                    message: None,
                    status,
                    retry_after,
                },
                model,
            ),
            other => self.stuck(other, &Causes::of(other)),
        }
    }

    /// A stream that broke, or an exception in it.
    pub(crate) fn stream<E>(&self, error: &SdkError<E, RawMessage>, model: &str) -> ProviderFault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let SdkError::ServiceError(exception) = error else {
            return self.stuck(error, &Causes::of(error));
        };
        let named = match exception.raw() {
            RawMessage::Decoded(message) => message.headers().iter().find_map(|header| {
                let names = matches!(header.name().as_str(), ":exception-type" | ":error-code");
                names.then(|| header.value().as_string().ok()).flatten()
            }),
            _ => None,
        };
        let code = named.map(|name| name.as_str()).or(exception.err().code());
        let code = code.map(capital);
        self.said(
            SaidError {
                code: code.as_deref(),
                message: exception.err().message(),
                status: code.as_deref().and_then(status_of),
                retry_after: None,
            },
            model,
        )
    }

    fn said(&self, error: SaidError<'_>, model: &str) -> ProviderFault {
        let said = error.message.unwrap_or_default();
        let verdict = verdict(error.code, error.status, said);
        let said = if verdict.unspeakable { "" } else { said.trim() };
        let mut message = match (error.code, error.status) {
            (Some(code), _) => format!("{} refused model `{model}`: {code}", self.place),
            (None, Some(status)) => format!("{} answered model `{model}` with HTTP {status}", self.place),
            (None, None) => format!("{} refused model `{model}`", self.place),
        };
        if !said.is_empty() {
            message = format!("{message} ({})", on_one_line(said));
        }
        if let Some(remedy) = verdict.remedy {
            message = format!("{message}; {remedy}");
        }
        ProviderFault {
            retry_after: error.retry_after,
            answered: error.status.map(|status| {
                Box::new(ErrorAnswer {
                    status,
                    code: error.code.map(str::to_owned),
                    body: None,
                })
            }),
            ..self.fault(verdict.class, message)
        }
    }

    /// Nothing was answered that can be read.
    fn stuck<E, R>(&self, error: &SdkError<E, R>, causes: &Causes) -> ProviderFault {
        if causes.credentials {
            return self.no_credentials(&causes.text);
        }
        let place = &self.place;
        let (class, what) = match error {
            // The connector has no word for it: it has not tried.
            SdkError::DispatchFailure(failed) if failed.is_other() && failed.as_other().is_none() => {
                return self.unmakable(&causes.text);
            }
            SdkError::ConstructionFailure(_) => return self.unmakable(&causes.text),
            SdkError::TimeoutError(_) => (
                FaultClass::Transient,
                format!("{place} did not answer in time ({})", causes.text),
            ),
            SdkError::DispatchFailure(_) => (
                FaultClass::Transient,
                format!("can't reach {place}, or the connection broke ({})", causes.text),
            ),
            _ => (
                FaultClass::Transient,
                format!("{place} sent what can't be read ({})", causes.text),
            ),
        };
        self.fault(class, what)
    }

    fn unmakable(&self, why: &str) -> ProviderFault {
        let message = format!(
            "the call can't be made: check this provider's region and endpoint_url, or AWS_ENDPOINT_URL ({why})"
        );
        self.fault(FaultClass::HardDown, message)
    }

    /// Nobody says who calls.
    pub(crate) fn no_credentials(&self, why: &str) -> ProviderFault {
        let message = format!("no AWS credentials were found ({}); {CHAIN}", on_one_line(why));
        self.fault(FaultClass::HardDown, message)
    }

    /// Nobody says where to call.
    pub(crate) fn no_region(&self) -> ProviderFault {
        let message = "no AWS region is set: set this provider's region, or AWS_REGION";
        self.fault(FaultClass::HardDown, message)
    }

    /// What came can't be read.
    pub(crate) fn malformed(&self, why: &dyn std::fmt::Display) -> ProviderFault {
        let message = format!("{} sent what can't be read: {why}", self.place);
        self.fault(FaultClass::Transient, message)
    }

    /// The stream ended too early.
    pub(crate) fn truncated(&self) -> ProviderFault {
        self.fault(FaultClass::Transient, "the stream ended before the answer did")
    }

    pub(crate) fn cancelled(&self) -> ProviderFault {
        self.fault(FaultClass::Cancelled, "the caller left")
    }

    /// The request has no words here.
    pub(crate) fn unsayable(&self, why: &dyn std::fmt::Display) -> ProviderFault {
        self.fault(
            FaultClass::BadRequest,
            format!("the request can't be written: {why}"),
        )
    }

    /// The model did not do what the request asks for.
    pub(crate) fn unheeded(&self, model: &str) -> ProviderFault {
        let message = format!(
            "model `{model}` did not hold the answer to the JSON schema: ask a model that does, or without a schema"
        );
        self.fault(FaultClass::BadRequest, message)
    }
}

fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let number = |name| answer.headers().get(name)?.trim().parse::<f64>().ok();
    let milliseconds = number("x-amz-retry-after").map(|ms| ms / 1000.0);
    let seconds = milliseconds.or_else(|| number("retry-after"))?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    Some(wait.min(WAIT_AT_MOST))
}

fn capital(code: &str) -> String {
    let mut code = code.to_owned();
    if let Some(first) = code.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    code
}
