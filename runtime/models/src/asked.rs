//! What a call asks, in whichever words.

use std::sync::Arc;

use greenroom_kernel::{FaultClass, ModelRequest, ProviderFault, Unreadable, WireCall, Wish};

use crate::estimate;

/// A call's request.
#[derive(Clone)]
pub(crate) enum Asked {
    /// In the kernel's words.
    Spoken(Arc<ModelRequest>),
    /// In a wire family's.
    Wire(WireCall),
}

impl Asked {
    /// The wish, read if need be.
    pub(crate) fn wish(&self) -> Result<Wish, Unreadable> {
        match self {
            Self::Spoken(request) => Ok(Wish::Answer(Arc::clone(request))),
            Self::Wire(call) => call.readable.wish(),
        }
    }

    /// The wish for a provider that can't take the request as it is.
    pub(crate) fn wish_for(&self, provider: &str) -> Result<Wish, ProviderFault> {
        self.wish()
            .map_err(|wrong| ProviderFault::new(provider, FaultClass::BadRequest, wrong.message))
    }

    /// The tokens of the request, as estimated; of one that nobody can read, by its size.
    pub(crate) fn input(&self) -> u64 {
        match self.wish() {
            Ok(Wish::Answer(request)) => estimate::input(&request),
            Ok(Wish::Embeddings(request)) => estimate::embedded(&request),
            Err(_) => match self {
                Self::Spoken(_) => 0,
                Self::Wire(call) => estimate::of_bytes(call.raw.before.len() + call.raw.after.len()),
            },
        }
    }
}
