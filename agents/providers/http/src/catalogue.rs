//! What a provider is known to serve.

use std::sync::Arc;

use arc_swap::ArcSwap;
use greenroom_kernel::ModelInfo;

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

    /// Takes the server's list: it names the models where none are configured, else only their windows.
    pub fn learn(&self, listed: Vec<ModelInfo>) {
        let models = if self.configured.is_empty() {
            listed
        } else {
            let window = |name: &str| listed.iter().find(|m| m.name == name)?.context_window;
            let complete = |m: &ModelInfo| ModelInfo {
                context_window: m.context_window.or_else(|| window(&m.name)),
                name: m.name.clone(),
            };
            self.configured.iter().map(complete).collect()
        };
        self.known.store(Arc::new(models));
    }
}
