//! One provider's end of the wire: opens streams, lists what is served, and names what went wrong.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{CallContext, Clock, ModelStream, ProviderFault};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url};

use crate::base_url::{BaseUrl, ConfigError};
use crate::client::client;
use crate::fault::{Faults, Wire};
use crate::key::ApiKey;
use crate::retry_after::retry_after;
use crate::stream::{Assembler, events};
use crate::trace::traced;

/// Most bytes read of an error's body.
const ERROR_BODY_AT_MOST: usize = 64 << 10;

/// Most bytes read of a list of models.
const MODEL_LIST_AT_MOST: usize = 8 << 20;

/// What an [`Upstream`] is made of.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The provider's name in routes, logs and errors.
    pub name: &'a str,
    /// Where it is.
    pub base: &'a BaseUrl,
    /// Its key; none for servers without.
    pub key: Option<&'a ApiKey>,
    /// The header that carries the key, and what stands before the key in it.
    pub key_header: (HeaderName, &'static str),
    /// Sent with every request.
    pub headers: HeaderMap,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// How the wire family tells errors.
    pub wire: &'static Wire,
}

/// A provider's HTTP end. Its connections are pooled; one is enough for a process.
pub struct Upstream {
    client: Client,
    faults: Faults,
    probe_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// Makes the client; connects to nothing yet. `clock` tells what time a Retry-After date is counted from.
    ///
    /// # Errors
    /// A key that no header can carry, or a machine without root certificates for an https URL.
    pub fn new(settings: Settings<'_>, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let provider = || settings.name.to_owned();
        let mut headers = settings.headers;
        if let Some(key) = settings.key {
            let (name, prefix) = settings.key_header;
            let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose()))
                .map_err(|_| ConfigError::ApiKey { provider: provider() })?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let client = client(settings.base, headers, settings.connect_timeout).map_err(|source| {
            ConfigError::Client {
                provider: provider(),
                source,
            }
        })?;
        Ok(Self {
            client,
            faults: Faults::new(
                settings.name,
                &settings.base.shown(),
                settings.key.cloned(),
                settings.wire,
            ),
            probe_timeout: settings.probe_timeout,
            clock,
        })
    }

    /// The provider's faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Posts `body`, JSON, and reads the answer as an event stream put together by `assembler`. Dropping the future or
    /// the stream, or firing `context.cancel`, closes the upstream call.
    ///
    /// # Errors
    /// What kept the stream from beginning.
    pub async fn stream(
        &self,
        url: Url,
        body: Vec<u8>,
        model: &str,
        context: &CallContext,
        assembler: impl Assembler,
    ) -> Result<ModelStream, ProviderFault> {
        let response = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(self.faults.cancelled()),
            response = self.open(url, body, model) => response?,
        };
        Ok(events(
            response,
            self.faults.clone(),
            assembler,
            context.cancel.clone(),
        ))
    }

    async fn open(&self, url: Url, body: Vec<u8>, model: &str) -> Result<Response, ProviderFault> {
        let call = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .body(body);
        let response = traced(call).send().await.map_err(|e| self.faults.transport(e))?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(response, Some(model)).await);
        }
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        match kind {
            Some(kind) if !kind.contains("event-stream") => {
                let body = body_of(response, ERROR_BODY_AT_MOST).await.unwrap_or_default();
                Err(self.faults.no_stream(status.as_u16(), &body, &kind, model))
            }
            _ => Ok(response),
        }
    }

    /// Posts `body`, JSON, and reads the answer whole, at most so many bytes of it. Dropping the future, or firing
    /// `context.cancel`, closes the upstream call.
    ///
    /// # Errors
    /// What kept the answer from coming, or an answer that is longer.
    pub async fn post(
        &self,
        url: Url,
        body: Vec<u8>,
        model: &str,
        context: &CallContext,
        at_most: usize,
    ) -> Result<Vec<u8>, ProviderFault> {
        let answer = async {
            let call = self
                .client
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .header(ACCEPT, "application/json")
                .body(body);
            let response = traced(call).send().await.map_err(|e| self.faults.transport(e))?;
            if !response.status().is_success() {
                return Err(self.refused(response, Some(model)).await);
            }
            let body = body_of(response, at_most)
                .await
                .map_err(|e| self.faults.transport(e))?;
            if body.len() >= at_most {
                return Err(self
                    .faults
                    .malformed(&format_args!("{at_most} bytes or more in one answer")));
            }
            Ok(body)
        };
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(self.faults.cancelled()),
            answer = answer => answer,
        }
    }

    async fn refused(&self, response: Response, model: Option<&str>) -> ProviderFault {
        let status = response.status().as_u16();
        let wait = retry_after(response.headers(), self.clock.now());
        // The status is what matters: a body that breaks off only says less.
        let body = body_of(response, ERROR_BODY_AT_MOST).await.unwrap_or_default();
        self.faults.status(status, &body, model, wait)
    }

    /// Gets a list of models: its body, or none from a server without such a list, which still answers.
    ///
    /// # Errors
    /// What says that the provider can't serve now.
    pub async fn list(&self, url: Url) -> Result<Option<Vec<u8>>, ProviderFault> {
        let call = self
            .client
            .get(url)
            .header(ACCEPT, "application/json")
            .timeout(self.probe_timeout);
        let response = call.send().await.map_err(|e| self.faults.transport(e))?;
        if matches!(response.status().as_u16(), 404 | 405 | 501) {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(self.refused(response, None).await);
        }
        let body = body_of(response, MODEL_LIST_AT_MOST)
            .await
            .map_err(|e| self.faults.transport(e))?;
        Ok(Some(body))
    }
}

/// Reads a body, at most so many bytes of it.
async fn body_of(mut response: Response, at_most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = at_most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}
