//! How this process reaches the others and is reached: by what `[tls]` says, and in plaintext on loopback.
//!
//! Every role asks here: [`open`] once at its start, then [`Links`] for each address. What is wrong with a certificate is
//! said at the start, by its file, and not by the others' refusals later.

#[cfg(feature = "secrets-manager")]
mod secret;
mod source;

use std::sync::Arc;

use greenroom_kernel::{Clock, MemberRole};
use greenroom_wire::{Links, TlsError, TlsIdentity};
use tokio_util::sync::CancellationToken;

use crate::config::TlsSettings;
use crate::failed::{Failed, chain};

pub(crate) use source::{SOON, place, source};

/// What a process of `role` speaks through. `insecure` lets plaintext leave the machine.
///
/// # Errors
/// What is wrong with the certificates, and how it is mended.
pub(crate) async fn open(
    settings: Option<&TlsSettings>,
    role: MemberRole,
    insecure: bool,
    clock: Arc<dyn Clock>,
) -> Result<Links, Failed> {
    let identity = match settings {
        None => None,
        Some(settings) => {
            let opened = TlsIdentity::open(source(&settings.place, clock)?, role).await;
            Some(opened.map_err(|error| {
                let said = format!("[tls]: {}", chain(&error));
                Failed::because(match error {
                    TlsError::Role { role, .. } => format!("{said}: {}", remedy(role)),
                    _ => said,
                })
            })?)
        }
    };
    let links = Links::new(identity);
    Ok(match insecure {
        true => links.in_plaintext_anywhere(),
        false => links,
    })
}

/// Reads the certificates again and again, until `until` fires; at once over where there are none.
pub(crate) async fn keep(links: Links, settings: Option<TlsSettings>, until: CancellationToken) {
    if let (Some(identity), Some(settings)) = (links.identity(), settings) {
        Arc::clone(identity).watch(settings.reload, until).await;
    }
}

/// How a certificate of another role than this one is mended.
pub(crate) fn remedy(role: MemberRole) -> String {
    format!("name the {role}'s certificate and key, which `greenroom certs init {role}` makes")
}

#[cfg(test)]
mod tests;
