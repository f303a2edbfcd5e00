//! The adapter itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStreamError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use futures::StreamExt;
use greenroom_aws::ProvideCredentials;
use greenroom_kernel::{
    CallContext, Clock, EmbeddingRequest, Embeddings, ModelBackend, ModelInfo, ModelRequest, ModelStream,
    ProviderFault, Timestamp,
};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::assemble::Assembler;
use crate::classify::wants_no_stream;
use crate::config::BedrockConfig;
use crate::connect::{Connected, Trace, connect, dressed};
use crate::embed::{Embedder, kind};
use crate::fault::Faults;
use crate::request::{Awaited, said};
use crate::stream::events;
use crate::whole::told;

/// How long credentials that were found are not looked for again by a probe, and how long before they expire they are.
const FOUND_FOR: Duration = Duration::from_secs(300);
const EXPIRE_EARLY: Duration = Duration::from_secs(60);

/// Bedrock in one region. Its connections are pooled; one is enough for a process.
pub struct BedrockBackend {
    config: BedrockConfig,
    models: Vec<ModelInfo>,
    faults: Faults,
    connected: OnceCell<Connected>,
    /// Until when a probe takes credentials to be there.
    found_until: Mutex<Timestamp>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for BedrockBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BedrockBackend")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl BedrockBackend {
    /// Makes the adapter; reads no environment and connects to nothing yet. `clock` tells when credentials expire.
    pub fn new(config: BedrockConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            models: config.served(),
            faults: Faults::new(&config.name, &config.place()),
            config,
            connected: OnceCell::new(),
            found_until: Mutex::new(Timestamp::from_millis(i64::MIN)),
            clock,
        }
    }

    async fn connected(&self) -> Result<&Connected, ProviderFault> {
        let connected = self.connected.get_or_init(|| connect(&self.config)).await;
        match connected.nowhere {
            true => Err(self.faults.no_region()),
            false => Ok(connected),
        }
    }

    fn streams(&self, model: &str) -> bool {
        let listed = self.models.iter().find(|listed| listed.name == model);
        listed.and_then(|listed| listed.can.streaming) != Some(false)
    }

    async fn open(
        &self,
        client: &Client,
        asked: &Asked<'_>,
        context: &CallContext,
    ) -> Result<ModelStream, ProviderFault> {
        if self.streams(asked.model) {
            let call = client
                .converse_stream()
                .model_id(asked.model)
                .customize()
                .mutate_request(dressed(asked.body.clone(), Trace::current()));
            match call.send().await {
                Ok(answer) => {
                    let (faults, cancel) = (self.faults.clone(), context.cancel.clone());
                    return Ok(events(answer, self.assembler(asked), faults, asked.model, cancel));
                }
                // What it was told to do it can, in one piece: nothing has been answered or billed.
                Err(error) if refuses_to_stream(&error) => {}
                Err(error) => return Err(self.faults.call(&error, asked.model)),
            }
        }
        let call = client
            .converse()
            .model_id(asked.model)
            .customize()
            .mutate_request(dressed(asked.body.clone(), Trace::current()));
        let answer = call.send().await.map_err(|e| self.faults.call(&e, asked.model))?;
        let events = told(answer, self.assembler(asked))?;
        Ok(futures::stream::iter(events).map(Ok).boxed())
    }

    fn assembler(&self, asked: &Asked<'_>) -> Assembler {
        Assembler::new(self.faults.clone(), asked.model, asked.awaited.clone())
    }

    async fn find_credentials(&self, connected: &Connected) -> Result<(), ProviderFault> {
        let Some(credentials) = &connected.credentials else {
            return Ok(());
        };
        let now = self.clock.now();
        if now < *self.found_until.lock() {
            return Ok(());
        }
        let finding = credentials.provide_credentials();
        let found = tokio::time::timeout(self.config.probe_timeout, finding)
            .await
            .map_err(|_| self.faults.no_credentials("nobody said who calls in time"))?
            .map_err(|error| self.faults.no_credentials(&chain(&error)))?;
        let expires = found
            .expiry()
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .map(Timestamp::from_millis);
        let wait = expires.map_or(FOUND_FOR, |at| {
            now.until(at).saturating_sub(EXPIRE_EARLY).min(FOUND_FOR)
        });
        *self.found_until.lock() = now.after(wait);
        Ok(())
    }
}

/// A request on its way.
struct Asked<'a> {
    model: &'a str,
    body: Bytes,
    awaited: Awaited,
}

#[async_trait]
impl ModelBackend for BedrockBackend {
    fn name(&self) -> &str {
        self.faults.provider()
    }

    /// What is configured: a list of what the account may call is another service's, and no model's id tells whether
    /// its form was filled in.
    fn models(&self) -> Vec<ModelInfo> {
        self.models.clone()
    }

    async fn call(
        &self,
        model: &str,
        request: &ModelRequest,
        context: &CallContext,
    ) -> Result<ModelStream, ProviderFault> {
        let said = said(model, request).map_err(|e| self.faults.unsayable(&e))?;
        let body = serde_json::to_vec(&said.body).map_err(|e| self.faults.unsayable(&e))?;
        let asked = Asked {
            model,
            body: body.into(),
            awaited: said.awaited,
        };
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(self.faults.cancelled()),
            opened = async {
                let client = &self.connected().await?.client;
                self.open(client, &asked, context).await
            } => opened,
        }
    }

    /// Looks whether there is a region and somebody who calls. Nothing is called, and nothing billed.
    async fn probe(&self) -> Result<(), ProviderFault> {
        let connected = self.connected().await?;
        self.find_credentials(connected).await
    }

    async fn embed(
        &self,
        model: &str,
        request: &EmbeddingRequest,
        context: &CallContext,
    ) -> Result<Embeddings, ProviderFault> {
        let kind = kind(model).map_err(|e| self.faults.unsayable(&e))?;
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(self.faults.cancelled()),
            embedded = async {
                let client = &self.connected().await?.client;
                Embedder { client, model, faults: &self.faults }.embed(kind, request).await
            } => embedded,
        }
    }
}

fn refuses_to_stream(error: &SdkError<ConverseStreamError, HttpResponse>) -> bool {
    let refused = error
        .as_service_error()
        .filter(|e| e.code() == Some("ValidationException"));
    refused.is_some_and(|e| wants_no_stream(e.message().unwrap_or_default()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}
