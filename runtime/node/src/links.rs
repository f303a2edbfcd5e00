//! How this process reaches the others and is reached: by what `[tls]` says, and in plaintext on loopback.
//!
//! Every role asks here: [`open`] once at its start, then [`Links`] for each address. What is wrong with a certificate is
//! said at the start, by its file, and not by the others' refusals later.

#[cfg(feature = "secrets-manager")]
mod secret;
mod source;

use std::sync::Arc;

use greenroom_kernel::{Clock, MemberRole};
use greenroom_wire::{Links, TlsIdentity};
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
            let opened = TlsIdentity::open(source(&settings.place, clock)?).await;
            let identity = opened.map_err(|error| Failed::because(format!("[tls]: {}", chain(&error))))?;
            if !identity.is_of(role) {
                let (said, remedy) = wrong_role(&place(&settings.place), &identity, role);
                return Err(Failed::because(format!("[tls]: {said}: {remedy}")));
            }
            Some(identity)
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

/// What is said of an identity that isn't of the role it is needed for, and how that is mended.
pub(crate) fn wrong_role(place: &str, identity: &TlsIdentity, role: MemberRole) -> (String, String) {
    let said = format!(
        "{place} is a certificate for {}, and this process is a {role}",
        roles(identity)
    );
    let remedy = format!("name the {role}'s certificate and key, which `greenroom certs init {role}` makes");
    (said, remedy)
}

/// The roles that an identity is of, for people.
pub(crate) fn roles(identity: &TlsIdentity) -> String {
    let all = [MemberRole::Gateway, MemberRole::Supervisor, MemberRole::Agent];
    let of: Vec<&str> = all
        .into_iter()
        .filter(|role| identity.is_of(*role))
        .map(MemberRole::as_str)
        .collect();
    match of.is_empty() {
        true => "no role of Greenroom's".to_owned(),
        false => of.join(" and "),
    }
}

#[cfg(test)]
mod tests;
