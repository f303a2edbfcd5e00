//! How a command fails: what is printed, and the exit status.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::output;

/// A command that did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failed {
    misused: bool,
    what: String,
}

impl Failed {
    /// It could not be done.
    pub(crate) fn because(what: impl Into<String>) -> Self {
        Self {
            misused: false,
            what: what.into(),
        }
    }

    /// It was asked for in a way that makes no sense.
    pub(crate) fn misused(what: impl Into<String>) -> Self {
        Self {
            misused: true,
            what: what.into(),
        }
    }

    /// Everything was said already.
    pub(crate) fn silently() -> Self {
        Self::because("")
    }

    /// Tells the user and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.what.is_empty() {
            output::complaint(&format!("greenroom: {}", self.what));
        }
        ExitCode::from(if self.misused { 2 } else { 1 })
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl<E: Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::because(chain(&error))
    }
}

/// An error with what caused it, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut all = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let said = source.to_string();
        // Some errors print their source already.
        if !all.contains(&said) {
            let _ = write!(all, ": {said}");
        }
        next = source.source();
    }
    all
}
