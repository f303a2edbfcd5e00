//! The parts of a request for vectors that is put together, until it goes off.

use greenroom_kernel::EmbeddingInput;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::route::Batch;

/// Most tokens of one request, about: each provider bounds them.
pub(super) const TOKENS_AT_MOST: u64 = 32_768;

/// One caller's part.
pub(super) struct Part {
    pub(super) id: u64,
    pub(super) inputs: Vec<EmbeddingInput>,
    pub(super) tokens: u64,
}

/// What is gathered until it goes off.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    named: u64,
    pub(super) gone_off: bool,
}

impl Parts {
    fn inputs(&self) -> usize {
        self.parts.iter().map(|part| part.inputs.len()).sum()
    }

    fn tokens(&self) -> u64 {
        self.parts.iter().map(|part| part.tokens).sum()
    }
}

/// Parts, and a bell for when they are enough.
#[derive(Default)]
pub(super) struct Basket {
    pub(super) parts: Mutex<Parts>,
    pub(super) enough: Notify,
}

impl Basket {
    /// Puts a part in; none where it has gone off or has no room.
    pub(super) fn put(&self, inputs: &[EmbeddingInput], tokens: u64, batch: Batch) -> Option<u64> {
        let mut parts = self.parts.lock();
        let fits = parts.inputs() + inputs.len() <= batch.inputs
            && parts.tokens().saturating_add(tokens) <= TOKENS_AT_MOST;
        if parts.gone_off || !fits {
            return None;
        }
        parts.named += 1;
        let id = parts.named;
        parts.parts.push(Part {
            id,
            inputs: inputs.to_vec(),
            tokens,
        });
        if parts.inputs() >= batch.inputs {
            self.enough.notify_one();
        }
        Some(id)
    }
}
