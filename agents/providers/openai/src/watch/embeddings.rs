//! What a relayed Embeddings answer means: its figures.

use greenroom_kernel::{FinishReason, ProviderFault, RelaySign};
use greenroom_provider_http::{Faults, Watcher};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::response::WireUsage;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Option<IgnoredAny>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Option<Value>,
}

/// Watches one answer. The vectors themselves are skipped, not read.
pub(crate) struct EmbeddingsWatcher {
    faults: Faults,
    model: String,
}

impl EmbeddingsWatcher {
    pub(crate) fn new(faults: Faults, model: &str) -> Self {
        Self {
            faults,
            model: model.to_owned(),
        }
    }
}

impl Watcher for EmbeddingsWatcher {
    fn event(&mut self, _: &[u8]) -> Result<RelaySign, ProviderFault> {
        Err(self.faults.malformed(&"embeddings are never streamed"))
    }

    fn end(&mut self) -> Result<RelaySign, ProviderFault> {
        Err(self.faults.truncated())
    }

    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault> {
        let answer: Answer = serde_json::from_slice(body).map_err(|e| self.faults.malformed(&e))?;
        if let Some(error) = answer.error.filter(|e| !e.is_null()) {
            return Err(self.faults.error_object(&error, &self.model));
        }
        if answer.data.is_none() {
            return Err(self.faults.malformed(&"an answer without embeddings"));
        }
        Ok(RelaySign::End {
            finish: FinishReason::Stop,
            usage: answer.usage.map(Into::into),
        })
    }
}
