//! The adapter itself.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use greenroom_kernel::{
    CallContext, Clock, ModelBackend, ModelInfo, ModelRequest, ModelStream, ProviderFault,
};
use opentelemetry::propagation::Injector;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};

use crate::config::{ConfigError, Endpoints, MaxTokensField, OpenAiConfig};
use crate::fault::Faults;
use crate::request::ChatRequest;
use crate::response::model_list;
use crate::retry_after::retry_after;
use crate::stream::events;

/// Most bytes read of an error's body.
const ERROR_BODY_AT_MOST: usize = 64 << 10;

/// Most bytes read of a list of models.
const MODEL_LIST_AT_MOST: usize = 8 << 20;

/// How long an idle connection is kept.
const POOL_IDLE: std::time::Duration = std::time::Duration::from_secs(90);

/// A provider of the OpenAI Chat Completions wire. Clones of its HTTP connections are pooled; one is enough for a
/// process.
pub struct OpenAiBackend {
    client: Client,
    endpoints: Endpoints,
    config: OpenAiConfig,
    max_tokens_field: MaxTokensField,
    faults: Faults,
    clock: Arc<dyn Clock>,
    /// What is known to be served: as configured, completed or replaced by what the server lists.
    models: ArcSwap<Vec<ModelInfo>>,
}

impl std::fmt::Debug for OpenAiBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiBackend")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl OpenAiBackend {
    /// Makes the adapter; connects to nothing yet. `clock` tells what time a Retry-After date is counted from.
    ///
    /// # Errors
    /// A base URL or a key that can't work, or a machine without root certificates for an https URL.
    pub fn new(config: OpenAiConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let endpoints = Endpoints::of(&config)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.api_key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
                ConfigError::ApiKey {
                    provider: config.name.clone(),
                }
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("greenroom/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true)
            .tcp_keepalive(std::time::Duration::from_secs(30))
            // A redirect would carry the conversation to where nobody configured it to go.
            .redirect(reqwest::redirect::Policy::none())
            // Resilience is decided above, and counted there.
            .retry(reqwest::retry::never());
        if endpoints.base.scheme() == "http" {
            // No certificate is ever checked: don't load, or miss, the machine's.
            builder = builder.tls_certs_only([]);
        }
        if endpoints.is_loopback() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|source| ConfigError::Client {
            provider: config.name.clone(),
            source,
        })?;
        let max_tokens_field = config.max_tokens_field.unwrap_or(if endpoints.is_openai() {
            MaxTokensField::MaxCompletionTokens
        } else {
            MaxTokensField::MaxTokens
        });
        Ok(Self {
            faults: Faults::new(&config.name, &endpoints.shown(), config.api_key.clone()),
            models: ArcSwap::from_pointee(config.models.clone()),
            client,
            endpoints,
            max_tokens_field,
            config,
            clock,
        })
    }

    async fn open(&self, model: &str, request: &ModelRequest) -> Result<Response, ProviderFault> {
        let said = ChatRequest::new(model, request, self.max_tokens_field)
            .map_err(|e| self.faults.unsendable(&e))?;
        let body = serde_json::to_vec(&said).map_err(|e| self.faults.unsendable(&e))?;
        let call = self
            .client
            .post(self.endpoints.chat.clone())
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

    async fn refused(&self, response: Response, model: Option<&str>) -> ProviderFault {
        let status = response.status().as_u16();
        let wait = retry_after(response.headers(), self.clock.now());
        // The status is what matters: a body that breaks off only says less.
        let body = body_of(response, ERROR_BODY_AT_MOST).await.unwrap_or_default();
        self.faults.status(status, &body, model, wait)
    }

    async fn list(&self) -> Result<(), ProviderFault> {
        let call = self
            .client
            .get(self.endpoints.models.clone())
            .header(ACCEPT, "application/json")
            .timeout(self.config.probe_timeout);
        let response = call.send().await.map_err(|e| self.faults.transport(e))?;
        // A server without a list of models still answers, which is what a probe asks.
        if matches!(response.status().as_u16(), 404 | 405 | 501) {
            return Ok(());
        }
        if !response.status().is_success() {
            return Err(self.refused(response, None).await);
        }
        let body = body_of(response, MODEL_LIST_AT_MOST)
            .await
            .map_err(|e| self.faults.transport(e))?;
        let listed = model_list(&body).map_err(|e| self.faults.malformed(&e))?;
        self.learn(listed);
        Ok(())
    }

    fn learn(&self, listed: Vec<ModelInfo>) {
        let models = if self.config.models.is_empty() {
            listed
        } else {
            let window = |name: &str| listed.iter().find(|m| m.name == name)?.context_window;
            let complete = |m: &ModelInfo| ModelInfo {
                context_window: m.context_window.or_else(|| window(&m.name)),
                name: m.name.clone(),
            };
            self.config.models.iter().map(complete).collect()
        };
        self.models.store(Arc::new(models));
    }
}

#[async_trait]
impl ModelBackend for OpenAiBackend {
    fn name(&self) -> &str {
        self.faults.provider()
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.models.load().as_ref().clone()
    }

    async fn call(
        &self,
        model: &str,
        request: &ModelRequest,
        context: &CallContext,
    ) -> Result<ModelStream, ProviderFault> {
        let response = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(self.faults.cancelled()),
            response = self.open(model, request) => response?,
        };
        Ok(events(
            response,
            self.faults.clone(),
            model,
            context.cancel.clone(),
        ))
    }

    async fn probe(&self) -> Result<(), ProviderFault> {
        self.list().await
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

struct TraceHeaders(HeaderMap);

impl Injector for TraceHeaders {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// Adds the current span's trace context, where telemetry has a propagator installed.
fn traced(call: RequestBuilder) -> RequestBuilder {
    let mut headers = TraceHeaders(HeaderMap::new());
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&opentelemetry::Context::current(), &mut headers);
    });
    call.headers(headers.0)
}
