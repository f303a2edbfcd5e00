//! What the provider publishes about its model: on the way, ready, or why not.

use std::fmt;

use crate::source::Origin;

/// Where the model stands.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalState {
    /// Nothing has been done yet.
    Absent,
    /// Looking for the file.
    Locating,
    /// Fetching the file.
    Downloading {
        /// From where.
        origin: Origin,
        /// Bytes that have arrived.
        done: u64,
        /// Bytes there will be, where that is known.
        total: Option<u64>,
    },
    /// Reading the file into memory.
    Loading {
        /// The share read, 0 to 1.
        fraction: f32,
    },
    /// Serving.
    Ready {
        /// The model's name.
        model: String,
        /// Tokens input and output may have together.
        context_window: u32,
    },
    /// Not to be had.
    Failed {
        /// What happened.
        why: String,
        /// What mends it.
        remedy: String,
    },
}

impl fmt::Display for LocalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: &u64| *bytes as f64 / 1e6;
        match self {
            Self::Absent => write!(f, "the model is not loaded"),
            Self::Locating => write!(f, "looking for the model"),
            Self::Downloading {
                origin,
                done,
                total: Some(total),
            } => {
                write!(
                    f,
                    "fetching the model from {origin}: {:.0} of {:.0} MB",
                    megabytes(done),
                    megabytes(total)
                )
            }
            Self::Downloading {
                origin,
                done,
                total: None,
            } => {
                write!(f, "fetching the model from {origin}: {:.0} MB", megabytes(done))
            }
            Self::Loading { fraction } => write!(f, "loading the model: {:.0} %", fraction * 100.0),
            Self::Ready {
                model,
                context_window,
            } => write!(f, "{model} is ready ({context_window} tokens of context)"),
            Self::Failed { why, remedy } => write!(f, "{why}; {remedy}"),
        }
    }
}
