//! Where the certificates are read from, and what is noticed while they are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{Clock, Timestamp};
use greenroom_wire::{TlsError, TlsMaterial, TlsSource, TlsText};
use parking_lot::Mutex;

use crate::certs::Facts;
use crate::config::TlsPlace;
use crate::failed::Failed;

/// A certificate that ends sooner is worth a warning.
pub(crate) const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How often that is told.
const TOLD_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the configuration names, as it is read.
///
/// # Errors
/// A kind that this binary was built without.
pub(crate) fn source(place: &TlsPlace, clock: Arc<dyn Clock>) -> Result<Arc<dyn TlsSource>, Failed> {
    let source: Arc<dyn TlsSource> = match place {
        TlsPlace::Files(paths) => Arc::new(paths.clone()),
        #[cfg(feature = "secrets-manager")]
        TlsPlace::Secret(settings) => Arc::new(super::secret::SecretSource::new(settings)),
        #[cfg(not(feature = "secrets-manager"))]
        TlsPlace::Secret(settings) => {
            let what = format!(
                "tls.secret is {}, and this binary was built without that",
                settings.id
            );
            return Err(Failed::misused(what));
        }
    };
    Ok(Arc::new(Noticing {
        source,
        clock,
        told: Mutex::new(None),
    }))
}

/// Where the certificate is, for people.
pub(crate) fn place(place: &TlsPlace) -> String {
    match place {
        TlsPlace::Files(paths) => paths.certificate.display().to_string(),
        TlsPlace::Secret(settings) => format!("secret {}", settings.id),
    }
}

/// Refuses what nobody would accept any more, and tells of what will soon be so.
struct Noticing {
    source: Arc<dyn TlsSource>,
    clock: Arc<dyn Clock>,
    told: Mutex<Option<Timestamp>>,
}

impl fmt::Debug for Noticing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

#[async_trait]
impl TlsSource for Noticing {
    async fn fetch(&self) -> Result<TlsMaterial, TlsError> {
        let material = self.source.fetch().await?;
        let now = self.clock.now();
        let authority = in_time(&material.authority, "authority's certificate", now)?;
        let own = in_time(&material.certificate, "certificate", now)?;
        for (text, end) in [(&material.authority, authority), (&material.certificate, own)] {
            if let Some(end) = end.filter(|end| now.until(*end) < SOON) {
                self.tell(text, end, now);
            }
        }
        Ok(material)
    }
}

impl Noticing {
    fn tell(&self, text: &TlsText, end: Timestamp, now: Timestamp) {
        let mut told = self.told.lock();
        if told.is_none_or(|told| told.until(now) >= TOLD_EVERY) {
            *told = Some(now);
            tracing::warn!(from = text.from, %end, "a certificate ends soon: renew it (`greenroom certs init --renew`)");
        }
    }
}

/// When the last of a text's certificates ends; of a chain the first one is meant. None where they can't be read: that is
/// told by who makes an identity of them.
fn in_time(text: &TlsText, what: &'static str, now: Timestamp) -> Result<Option<Timestamp>, TlsError> {
    let Ok(facts) = Facts::of_pem(&text.pem) else {
        return Ok(None);
    };
    let unusable = |why: String| {
        Err(TlsError::Unusable {
            from: text.from.clone(),
            what,
            why,
        })
    };
    let usable = |facts: &&Facts| facts.not_before <= now && now < facts.not_after;
    if what == "certificate" {
        let Some(own) = facts.first() else { return Ok(None) };
        if own.not_after <= now {
            let end = own.not_after;
            return unusable(format!(
                "it has ended at {end}: make a new one with `greenroom certs init --renew`"
            ));
        }
        if own.not_before > now {
            let begin = own.not_before;
            return unusable(format!("it begins at {begin} only: check this machine's clock"));
        }
        return Ok(Some(own.not_after));
    }
    match facts.iter().filter(usable).map(|facts| facts.not_after).max() {
        Some(end) => Ok(Some(end)),
        None => unusable(
            "it has ended, or has not begun: check this machine's clock, or make a new authority with `greenroom certs init` in \
             another folder"
                .to_owned(),
        ),
    }
}
