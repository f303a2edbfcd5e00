//! How this process reaches the others and is reached.

use greenroom_wire::Links;

use crate::config::Config;
use crate::failed::Failed;

/// By what the configuration gives it to show.
///
/// # Errors
/// Certificates that can't be used.
pub(crate) fn links(_config: &Config) -> Result<Links, Failed> {
    Ok(Links::default())
}
