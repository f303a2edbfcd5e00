//! Makes an authority, and certificates of one.

use std::time::Duration;

use greenroom_kernel::{MemberRole, Timestamp};
use greenroom_wire::tls_name;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use time::OffsetDateTime;

use super::Facts;
use crate::failed::Failed;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an authority is one.
const AUTHORITY_DAYS: u32 = 3650;
/// Clocks that are behind by so much take a new certificate all the same.
const BEHIND: Duration = Duration::from_secs(60 * 60);

/// A certificate and its key, in PEM form.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) ends: Timestamp,
}

/// An authority that can issue.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ends: Timestamp,
}

impl Authority {
    /// A new one.
    pub(super) fn new(now: Timestamp) -> Result<(Self, Issued), Failed> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("Greenroom authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ends = lasting(&mut params, now, AUTHORITY_DAYS)?;
        let key = KeyPair::generate()?;
        let issued = Issued {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
            ends,
        };
        let issuer = Issuer::new(params, key);
        Ok((Self { issuer, ends }, issued))
    }

    /// One that was made before: the first certificate of `certificate` is its own.
    ///
    /// # Errors
    /// Why the two texts are none.
    pub(super) fn of(certificate: &str, key: &str) -> Result<Self, String> {
        let facts = Facts::of_pem(certificate.as_bytes())?;
        let own = facts.first().ok_or("there is no certificate in it")?;
        let key = KeyPair::from_pem(key).map_err(|error| format!("its key can't be read: {error}"))?;
        if own.public_key != key.subject_public_key_info() {
            return Err("its key is another one's".to_owned());
        }
        let issuer = Issuer::from_ca_cert_pem(certificate, key).map_err(|error| error.to_string())?;
        Ok(Self {
            issuer,
            ends: own.not_after,
        })
    }

    /// A certificate for processes of a role, for some days.
    ///
    /// # Errors
    /// The authority itself doesn't last so long.
    pub(super) fn issue(&self, role: MemberRole, now: Timestamp, days: u32) -> Result<Issued, Failed> {
        let mut params = CertificateParams::new(vec![tls_name(role)])?;
        params.distinguished_name = named(&format!("Greenroom {role}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let ends = lasting(&mut params, now, days)?;
        if ends > self.ends {
            return Err(Failed::because(format!(
                "the authority ends at {}, before {days} days are over: ask for fewer --days, or make a new authority in \
                 another folder",
                self.ends
            )));
        }
        let key = KeyPair::generate()?;
        Ok(Issued {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
            ends,
        })
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

/// Sets when a certificate begins and ends; tells when it ends.
fn lasting(params: &mut CertificateParams, now: Timestamp, days: u32) -> Result<Timestamp, Failed> {
    let seconds = now.as_millis().div_euclid(1000);
    let ends = Timestamp::from_millis(seconds.saturating_mul(1000)).after(DAY.saturating_mul(days));
    let behind = i64::try_from(BEHIND.as_secs()).unwrap_or_default();
    params.not_before = OffsetDateTime::from_unix_timestamp(seconds.saturating_sub(behind))?;
    params.not_after = OffsetDateTime::from_unix_timestamp(ends.as_millis().div_euclid(1000))?;
    Ok(ends)
}
