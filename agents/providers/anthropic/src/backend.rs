//! The adapter itself.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use greenroom_kernel::{
    CallContext, Clock, Credentials, ModelBackend, ModelInfo, ModelRequest, ModelStream, ProviderFault,
    RawRequest, RelayAnswer, WireFamily,
};
use greenroom_provider_http::{
    Catalogue, ConfigError, HeaderMap, HeaderName, HeaderValue, Settings, Upstream,
};

use crate::assemble::Assembler;
use crate::classify::WIRE;
use crate::config::{AnthropicConfig, Endpoints};
use crate::listing::{model_list, of_name};
use crate::relay::sendable;
use crate::request::MessagesRequest;
use crate::watch::MessagesWatcher;

/// The version of the wire that this adapter speaks.
const VERSION: &str = "2023-06-01";

/// A provider of the Anthropic Messages wire. Its HTTP connections are pooled; one is enough for a process.
#[derive(Debug)]
pub struct AnthropicBackend {
    upstream: Upstream,
    endpoints: Endpoints,
    max_tokens: u32,
    catalogue: Catalogue,
}

impl AnthropicBackend {
    /// Makes the adapter; connects to nothing yet. `clock` tells what time a Retry-After date is counted from.
    ///
    /// # Errors
    /// A base URL or a key that can't work, or a machine without root certificates for an https URL.
    pub fn new(config: AnthropicConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let endpoints = Endpoints::of(&config)?;
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(VERSION),
        );
        let settings = Settings {
            name: &config.name,
            base: &endpoints.base,
            key: config.api_key.as_ref(),
            more_keys: &config.more_keys,
            key_header: (HeaderName::from_static("x-api-key"), ""),
            headers,
            connect_timeout: config.connect_timeout,
            probe_timeout: config.probe_timeout,
            wire: &WIRE,
        };
        let known = |model: ModelInfo| ModelInfo {
            can: model.can.or(of_name(&model.name)),
            name: model.name,
        };
        Ok(Self {
            upstream: Upstream::new(settings, clock)?,
            endpoints,
            max_tokens: config.max_tokens,
            catalogue: Catalogue::new(config.models.into_iter().map(known).collect()),
        })
    }
}

#[async_trait]
impl ModelBackend for AnthropicBackend {
    fn name(&self) -> &str {
        self.upstream.faults().provider()
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.catalogue.models()
    }

    fn credentials(&self) -> Option<Credentials> {
        self.upstream.credentials()
    }

    async fn call(
        &self,
        model: &str,
        request: &ModelRequest,
        context: &CallContext,
    ) -> Result<ModelStream, ProviderFault> {
        let faults = self.upstream.faults();
        let said =
            MessagesRequest::new(model, request, self.max_tokens).map_err(|e| faults.unsendable(&e))?;
        let body = serde_json::to_vec(&said).map_err(|e| faults.unsendable(&e))?;
        let assembler = Assembler::new(faults.clone(), model, !request.output.is_text());
        let url = self.endpoints.messages.clone();
        self.upstream.stream(url, body, model, context, assembler).await
    }

    fn relays(&self, family: WireFamily) -> bool {
        family == WireFamily::AnthropicMessages
    }

    /// The caller's own `anthropic-version` and `anthropic-beta` go before ours.
    async fn relay(
        &self,
        model: &str,
        request: &RawRequest,
        context: &CallContext,
    ) -> Result<RelayAnswer, ProviderFault> {
        let watcher = MessagesWatcher::new(self.upstream.faults().clone(), model);
        let url = self.endpoints.messages.clone();
        let request = sendable(request);
        self.upstream.relay(url, &request, model, context, watcher).await
    }

    fn counts(&self, family: WireFamily) -> bool {
        family == WireFamily::AnthropicMessages
    }

    async fn count_tokens(
        &self,
        model: &str,
        request: &RawRequest,
        context: &CallContext,
    ) -> Result<Bytes, ProviderFault> {
        let url = self.endpoints.count_tokens.clone();
        let request = sendable(request);
        self.upstream.pass_on(url, &request, model, context).await
    }

    async fn probe(&self) -> Result<(), ProviderFault> {
        if let Some(body) = self.upstream.list(self.endpoints.models.clone()).await? {
            let listed = model_list(&body).map_err(|e| self.upstream.faults().malformed(&e))?;
            self.catalogue.learn(listed);
        }
        Ok(())
    }
}
