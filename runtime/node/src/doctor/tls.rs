//! The certificates by which this process proves itself to the others.

use std::sync::Arc;

use greenroom_kernel::{Clock, MemberRole};
use greenroom_wire::{Links, TlsIdentity};

use super::report::Line;
use crate::certs::Facts;
use crate::config::{Config, TlsPlace, TlsSettings};
use crate::failed::chain;
use crate::links::{SOON, place, remedy, source};

const TLS: &str = "certificates";

/// What was found, and what others can be reached by. `role` is what the process is to be; without one any will do.
pub(super) async fn check(
    config: &Config,
    role: Option<MemberRole>,
    clock: Arc<dyn Clock>,
) -> (Vec<Line>, Links) {
    let Some(settings) = &config.tls else {
        return (Vec::new(), Links::default());
    };
    let (lines, identity) = examine(settings, role, clock).await;
    (lines, Links::new(identity))
}

async fn examine(
    settings: &TlsSettings,
    role: Option<MemberRole>,
    clock: Arc<dyn Clock>,
) -> (Vec<Line>, Option<Arc<TlsIdentity>>) {
    let place = place(&settings.place);
    let fetching = match source(&settings.place, Arc::clone(&clock)) {
        Ok(source) => source,
        Err(failed) => return (vec![Line::fail(TLS, failed.to_string(), "mend [tls]")], None),
    };
    let identity = match TlsIdentity::examine(Arc::clone(&fetching)).await {
        Ok(identity) => identity,
        Err(error) => {
            let remedy = match settings.place {
                TlsPlace::Files(_) => {
                    "mend [tls] or the file that it names; `greenroom certs init` makes certificates"
                }
                TlsPlace::Secret(_) => "mend what it says; docs/tls.md tells what a secret must hold",
            };
            return (vec![Line::fail(TLS, chain(&error), remedy)], None);
        }
    };
    let material = match fetching.fetch().await {
        Ok(material) => material,
        Err(error) => return (vec![Line::fail(TLS, chain(&error), "ask again")], None),
    };
    let mut lines = Vec::new();
    let all = [MemberRole::Gateway, MemberRole::Supervisor, MemberRole::Agent];
    let fits = match role {
        Some(role) => identity.is_of(role),
        None => all.into_iter().any(|role| identity.is_of(role)),
    };
    if !fits {
        let said = format!("{place} is a certificate for {}", identity.roles());
        let said = match role {
            Some(role) => format!("{said}, and this process is of the role {role}"),
            None => said,
        };
        let remedy = remedy(role.unwrap_or(MemberRole::Supervisor));
        lines.push(Line::fail(TLS, said, remedy));
    }
    lines.extend(vouched(&identity, &place).err());
    let ends = |pem: &[u8]| Some(Facts::of_pem(pem).ok()?.first()?.not_after);
    let now = clock.now();
    for (text, remedy) in [
        (
            &material.certificate,
            "renew it: `greenroom certs init --renew`, or where it came from",
        ),
        (
            &material.authority,
            "make a new authority, and let every process trust both while certificates are exchanged: docs/tls.md",
        ),
    ] {
        if let Some(end) = ends(&text.pem).filter(|end| now.until(*end) < SOON) {
            lines.push(Line::warn(TLS, format!("{} ends at {end}", text.from), remedy));
        }
    }
    if lines.is_empty() {
        let end = ends(&material.certificate.pem).map(|end| format!(", until {end}"));
        let said = format!("{place}: {}{}", identity.roles(), end.unwrap_or_default());
        lines.push(Line::ok(TLS, said));
    }
    (lines, Some(identity))
}

/// Whether the authority that others are held to vouches for this certificate too: all of a fleet have one.
fn vouched(identity: &TlsIdentity, place: &str) -> Result<(), Line> {
    identity.vouched().map_err(|why| {
        Line::fail(
            TLS,
            format!("{place} is not of the authority in [tls]: {why}"),
            "take certificate and authority from one `greenroom certs init`, or put both authorities into that file while \
             they are exchanged",
        )
    })
}

#[cfg(test)]
mod tests;
