//! The adapter itself.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use greenroom_kernel::{
    CallContext, Clock, Credentials, EmbeddingRequest, Embeddings, FaultClass, ModelBackend, ModelInfo,
    ModelRequest, ModelStream, ProviderFault, RawRequest, RelayAnswer, WireFamily,
};
use greenroom_provider_http::{Catalogue, ConfigError, HeaderMap, HeaderName, Settings, Upstream, Watcher};

use crate::assemble::Assembler;
use crate::classify::WIRE;
use crate::config::{Endpoints, MaxTokensField, OpenAiApi, OpenAiConfig};
use crate::embed::{self, EmbedRequest};
use crate::models::model_list;
use crate::request::{Accent, ChatRequest, Onward, has_begun};
use crate::responses::{self, ResponsesRequest, ResponsesWatcher};
use crate::watch::{ChatWatcher, EmbeddingsWatcher};

/// A provider of the OpenAI Chat Completions, Responses and Embeddings wires. Its HTTP connections are pooled; one is enough for a
/// process.
#[derive(Debug)]
pub struct OpenAiBackend {
    upstream: Upstream,
    endpoints: Endpoints,
    max_tokens_field: MaxTokensField,
    api: OpenAiApi,
    catalogue: Catalogue,
}

impl OpenAiBackend {
    /// Makes the adapter; connects to nothing yet. `clock` tells what time a Retry-After date is counted from.
    ///
    /// # Errors
    /// A base URL or a key that can't work, or a machine without root certificates for an https URL.
    pub fn new(config: OpenAiConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let endpoints = Endpoints::of(&config)?;
        let settings = Settings {
            name: &config.name,
            base: &endpoints.base,
            key: config.api_key.as_ref(),
            more_keys: &config.more_keys,
            key_header: (HeaderName::from_static("authorization"), "Bearer "),
            headers: HeaderMap::new(),
            connect_timeout: config.connect_timeout,
            probe_timeout: config.probe_timeout,
            wire: &WIRE,
        };
        let upstream = Upstream::new(settings, clock)?;
        let max_tokens_field = config.max_tokens_field.unwrap_or(if endpoints.is_openai() {
            MaxTokensField::MaxCompletionTokens
        } else {
            MaxTokensField::MaxTokens
        });
        let models = told_by(&endpoints, config.api, config.models);
        Ok(Self {
            upstream,
            endpoints,
            max_tokens_field,
            api: config.api,
            catalogue: Catalogue::new(models),
        })
    }

    fn onward(&self, model: &str, request: &ModelRequest) -> Onward {
        if self.endpoints.has_prefix() {
            Onward::Prefix
        } else if has_begun(request) && (request.continues || self.catalogue.can(model).prefill == Some(true))
        {
            Onward::Flags
        } else {
            Onward::Unsaid
        }
    }
}

/// What the server's place tells of its models.
fn told_by(endpoints: &Endpoints, api: OpenAiApi, mut models: Vec<ModelInfo>) -> Vec<ModelInfo> {
    if api == OpenAiApi::Responses {
        // That interface has no words for going on from a text: it would be answered anew.
        for model in &mut models {
            model.can.prefill = Some(false);
        }
        return models;
    }
    if endpoints.has_prefix() {
        for model in &mut models {
            model.can.prefill = model.can.prefill.or(Some(true));
        }
    }
    models
}

#[async_trait]
impl ModelBackend for OpenAiBackend {
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
        if self.api == OpenAiApi::Responses {
            let said = ResponsesRequest::new(model, request, self.endpoints.is_openai(), faults.provider())
                .map_err(|e| faults.unsendable(&e))?;
            let body = serde_json::to_vec(&said).map_err(|e| faults.unsendable(&e))?;
            let assembler = responses::Assembler::new(faults.clone(), model);
            let url = self.endpoints.responses.clone();
            return self.upstream.stream(url, body, model, context, assembler).await;
        }
        let accent = Accent {
            max_tokens: self.max_tokens_field,
            is_openai: self.endpoints.is_openai(),
            onward: self.onward(model, request),
            provider: faults.provider(),
        };
        let said = ChatRequest::new(model, request, accent).map_err(|e| faults.unsendable(&e))?;
        let body = serde_json::to_vec(&said).map_err(|e| faults.unsendable(&e))?;
        let assembler = Assembler::new(faults.clone(), model);
        let url = self.endpoints.chat.clone();
        self.upstream.stream(url, body, model, context, assembler).await
    }

    async fn probe(&self) -> Result<(), ProviderFault> {
        if let Some(body) = self.upstream.list(self.endpoints.models.clone()).await? {
            let listed = model_list(&body).map_err(|e| self.upstream.faults().malformed(&e))?;
            self.catalogue.learn(told_by(&self.endpoints, self.api, listed));
        }
        Ok(())
    }

    async fn embed(
        &self,
        model: &str,
        request: &EmbeddingRequest,
        context: &CallContext,
    ) -> Result<Embeddings, ProviderFault> {
        let faults = self.upstream.faults();
        let said = EmbedRequest::new(model, request).map_err(|e| faults.unsendable(&e))?;
        let body = serde_json::to_vec(&said).map_err(|e| faults.unsendable(&e))?;
        let url = self.endpoints.embeddings.clone();
        let answer = self.upstream.ask(url, body, model, context).await?;
        embed::read(&answer, request.inputs.len(), model, faults)
    }

    fn relays(&self, family: WireFamily) -> bool {
        match family {
            WireFamily::OpenAiChat | WireFamily::OpenAiEmbeddings => true,
            WireFamily::OpenAiResponses => self.api == OpenAiApi::Responses || self.endpoints.is_openai(),
            WireFamily::AnthropicMessages => false,
        }
    }

    async fn relay(
        &self,
        model: &str,
        request: &RawRequest,
        context: &CallContext,
    ) -> Result<RelayAnswer, ProviderFault> {
        let (upstream, endpoints) = (&self.upstream, &self.endpoints);
        let faults = upstream.faults();
        let request = &*match request.family {
            WireFamily::OpenAiResponses => responses::sendable(request),
            _ => Cow::Borrowed(request),
        };
        let (url, watcher): (_, Box<dyn Watcher>) = match request.family {
            WireFamily::OpenAiChat => {
                let watcher = ChatWatcher::new(faults.clone(), model, request);
                (&endpoints.chat, Box::new(watcher))
            }
            WireFamily::OpenAiEmbeddings => {
                let watcher = EmbeddingsWatcher::new(faults.clone(), model);
                (&endpoints.embeddings, Box::new(watcher))
            }
            WireFamily::OpenAiResponses => {
                let watcher = ResponsesWatcher::new(faults.clone(), model);
                (&endpoints.responses, Box::new(watcher))
            }
            family @ WireFamily::AnthropicMessages => {
                let message = format!("this provider does not take {family:?} requests");
                return Err(ProviderFault::new(
                    faults.provider(),
                    FaultClass::BadRequest,
                    message,
                ));
            }
        };
        upstream
            .relay(url.clone(), request, model, context, watcher)
            .await
    }
}
