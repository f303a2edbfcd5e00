//! The configuration of a role, with its flags over it.

use std::path::PathBuf;

use crate::config::{self, Config, ConfigError, Flags, RunAs, Sources};
use crate::failed::Failed;

/// Reads it; what a flag says wrong is a misuse.
///
/// # Errors
/// The first mistake.
pub(crate) fn configured(role: RunAs, file: Option<PathBuf>, flags: Flags) -> Result<Config, Failed> {
    let flagged = [
        (role.listen_key(), flags.listen.is_some()),
        ("store.path", flags.store.is_some()),
        ("agent.join", !flags.agents.is_empty()),
        ("gateway.supervisors", !flags.supervisors.is_empty()),
    ];
    match config::load(&Sources::of_role(role, file, flags)) {
        Ok(loaded) => Ok(loaded.config),
        Err(ConfigError::Value { key, why }) if flagged.contains(&(key.as_str(), true)) => {
            Err(Failed::misused(why))
        }
        Err(error) => Err(error.into()),
    }
}
