//! What a provider is known to serve.

use std::sync::Arc;

use arc_swap::ArcSwap;
use greenroom_kernel::{Capabilities, ModelInfo};

/// Models as configured, completed or replaced by what the server lists.
#[derive(Debug)]
pub struct Catalogue {
    configured: Vec<ModelInfo>,
    known: ArcSwap<Vec<ModelInfo>>,
}

impl Catalogue {
    /// Begins with what is configured.
    pub fn new(configured: Vec<ModelInfo>) -> Self {
        Self {
            known: ArcSwap::from_pointee(configured.clone()),
            configured,
        }
    }

    /// What is known now; the first is the default.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.known.load().as_ref().clone()
    }

    /// What a model is known to be able to.
    pub fn can(&self, name: &str) -> Capabilities {
        let known = self.known.load();
        let model = known.iter().find(|model| model.name == name);
        model.map(|model| model.can).unwrap_or_default()
    }

    /// Takes the server's list: it names the models where none are configured, else only what they can do.
    pub fn learn(&self, listed: Vec<ModelInfo>) {
        let models = if self.configured.is_empty() {
            listed
        } else {
            let told = |name: &str| Some(listed.iter().find(|m| m.name == name)?.can);
            let complete = |m: &ModelInfo| ModelInfo {
                can: m.can.or(told(&m.name).unwrap_or_default()),
                name: m.name.clone(),
            };
            self.configured.iter().map(complete).collect()
        };
        self.known.store(Arc::new(models));
    }
}
