//! What went wrong, in the kernel's classes: by status, by the provider's own codes, by where the bytes stopped.

mod answered;
mod detail;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{FaultClass, ProviderFault};
use serde_json::Value;

use crate::client::TransportError;
use crate::key::ApiKey;
pub use detail::Detail;
use detail::{Redactor, short};

/// How a wire family tells errors.
#[derive(Debug)]
pub struct Wire {
    /// What it is called, as in "the OpenAI wire".
    pub name: &'static str,
    /// The environment variable that usually holds a key for it.
    pub key_variable: &'static str,
    /// Reads what an error says beyond its status, where it says anything. The status is that of the answer, or the one
    /// that an error inside a good answer names.
    pub by_words: fn(&Detail, Option<u16>) -> Option<Verdict>,
}

/// A class, and what there is to say beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The class alone.
    Plain(FaultClass),
    /// The key was refused.
    Credentials,
    /// The account is out of quota.
    Quota,
    /// Nothing, or no such model, is there.
    NotFound,
    /// The server is elsewhere.
    Redirect,
}

/// What a status means when nothing says more.
pub fn by_status(status: u16) -> Verdict {
    match status {
        401 | 403 => Verdict::Credentials,
        402 => Verdict::Quota,
        404 | 405 | 410 => Verdict::NotFound,
        408 | 409 | 425 => Verdict::Plain(FaultClass::Transient),
        429 => Verdict::Plain(FaultClass::Throttled),
        503 | 529 => Verdict::Plain(FaultClass::Overloaded),
        300..=399 => Verdict::Redirect,
        400..=499 => Verdict::Plain(FaultClass::BadRequest),
        _ => Verdict::Plain(FaultClass::Transient),
    }
}

/// Makes the faults of one provider: names it, and keeps its keys out of them.
#[derive(Debug, Clone)]
pub struct Faults {
    provider: Arc<str>,
    endpoint: Arc<str>,
    redactor: Redactor,
    wire: &'static Wire,
}

impl Faults {
    /// `endpoint` is the base URL as errors show it.
    pub fn new(
        provider: &str,
        endpoint: &str,
        keys: impl IntoIterator<Item = ApiKey>,
        wire: &'static Wire,
    ) -> Self {
        Self {
            provider: provider.into(),
            endpoint: endpoint.into(),
            redactor: Redactor::new(keys),
            wire,
        }
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    fn fault(&self, class: FaultClass, message: impl Into<String>) -> ProviderFault {
        ProviderFault {
            provider: self.provider.to_string(),
            class,
            message: message.into(),
            retry_after: None,
            answered: None,
        }
    }

    /// An answer with an error status. `model` is the one asked for, where one was.
    pub fn status(
        &self,
        status: u16,
        body: &[u8],
        model: Option<&str>,
        retry_after: Option<Duration>,
    ) -> ProviderFault {
        let detail = Detail::of_body(body);
        let verdict = self.verdict(&detail, status);
        let fault = self.judged(verdict, Some(status), &detail, model);
        let answered = answered::of_answer(&fault, status, &detail, body, &self.redactor);
        ProviderFault {
            retry_after,
            answered: Some(answered),
            ..fault
        }
    }

    /// Whether another key may be taken where this one is not.
    pub(crate) fn refuses_the_key(&self, status: u16, body: &[u8]) -> bool {
        let verdict = self.verdict(&Detail::of_body(body), status);
        matches!(verdict, Verdict::Credentials | Verdict::Quota)
    }

    fn verdict(&self, detail: &Detail, status: u16) -> Verdict {
        (self.wire.by_words)(detail, Some(status)).unwrap_or_else(|| by_status(status))
    }

    /// An error object in a body or a stream whose status was fine.
    pub fn error_object(&self, error: &Value, model: &str) -> ProviderFault {
        let detail = Detail::of_error(error);
        let verdict = (self.wire.by_words)(&detail, detail.status)
            .or_else(|| detail.status.filter(|s| *s >= 400).map(by_status))
            .unwrap_or(Verdict::Plain(FaultClass::Transient));
        let fault = self.judged(verdict, detail.status, &detail, Some(model));
        let answered = answered::of_object(&fault, &detail, &self.redactor);
        ProviderFault {
            answered: Some(answered),
            ..fault
        }
    }

    /// A whole body came where a stream was asked for.
    pub fn no_stream(&self, status: u16, body: &[u8], kind: &str, model: &str) -> ProviderFault {
        let error = serde_json::from_slice::<Value>(body).ok();
        match error.as_ref().and_then(|v| v.get("error")) {
            Some(error) if !error.is_null() => self.error_object(error, model),
            _ => self.fault(
                FaultClass::HardDown,
                format!(
                    "{} answered HTTP {status} with {kind} instead of an event stream; check that base_url is one of the {} wire",
                    self.endpoint, self.wire.name
                ),
            ),
        }
    }

    fn judged(
        &self,
        verdict: Verdict,
        status: Option<u16>,
        detail: &Detail,
        model: Option<&str>,
    ) -> ProviderFault {
        let said = self.redactor.redact(&detail.message);
        let status = status.map(|s| format!("HTTP {s}"));
        let said = match (status, said.is_empty()) {
            (Some(status), false) => format!("{status}: {said}"),
            (Some(status), true) => status,
            (None, false) => said,
            (None, true) => "an error without a message".to_owned(),
        };
        match verdict {
            Verdict::Plain(class) => self.fault(class, said),
            Verdict::Credentials => self.fault(
                FaultClass::HardDown,
                format!(
                    "the credentials were refused ({said}); check this provider's api_key ({}) and its rights",
                    self.wire.key_variable
                ),
            ),
            Verdict::Quota => self.fault(
                FaultClass::HardDown,
                format!("the account has no quota left ({said}); check its plan and billing"),
            ),
            Verdict::NotFound => self.fault(
                FaultClass::HardDown,
                match model {
                    Some(model) => format!(
                        "model `{model}` is not served at {} ({said}); check the model's name and base_url, or pull the model",
                        self.endpoint
                    ),
                    None => format!("nothing is at {} ({said}); check base_url", self.endpoint),
                },
            ),
            Verdict::Redirect => self.fault(
                FaultClass::HardDown,
                format!("{} redirects elsewhere ({said}); set base_url to where the provider really is", self.endpoint),
            ),
        }
    }

    /// The request did not get through, or its answer broke off.
    pub(crate) fn transport(&self, error: &TransportError) -> ProviderFault {
        let what = if error.is_connect() {
            format!("can't connect to {}; is it running and reachable?", self.endpoint)
        } else if matches!(error, TransportError::TimedOut(_)) {
            format!("{} did not answer in time", self.endpoint)
        } else {
            format!("the connection to {} broke", self.endpoint)
        };
        let mut causes = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(e) = cause {
            if !causes.is_empty() {
                causes.push_str(": ");
            }
            causes.push_str(&e.to_string());
            cause = e.source();
        }
        self.fault(
            FaultClass::Transient,
            format!("{what} ({})", self.redactor.redact(&causes)),
        )
    }

    /// What came can't be read.
    pub fn malformed(&self, why: &dyn std::fmt::Display) -> ProviderFault {
        self.fault(
            FaultClass::Transient,
            // It may quote what was read.
            format!(
                "{} sent a chunk that can't be read: {}",
                self.endpoint,
                short(&self.redactor.redact(&why.to_string()))
            ),
        )
    }

    /// The stream ended too early.
    pub fn truncated(&self) -> ProviderFault {
        self.fault(
            FaultClass::Transient,
            "the stream ended before the answer did".to_owned(),
        )
    }

    pub(crate) fn cancelled(&self) -> ProviderFault {
        self.fault(FaultClass::Cancelled, "the caller left")
    }

    /// The server neither did what the request asks for nor refused it; `what` says so, of the server.
    pub fn unheeded(&self, what: &dyn std::fmt::Display) -> ProviderFault {
        self.fault(FaultClass::BadRequest, format!("{} {what}", self.endpoint))
    }

    /// The request has no words on this wire.
    pub fn unsendable(&self, why: &dyn std::fmt::Display) -> ProviderFault {
        self.fault(
            FaultClass::BadRequest,
            format!("the request can't be written: {why}"),
        )
    }
}
