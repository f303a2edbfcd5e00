//! What a certificate says of itself.

use greenroom_kernel::{MemberRole, Timestamp};
use greenroom_wire::tls_name;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

/// What is of interest in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) names: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// In DER form, with its algorithm.
    pub(crate) public_key: Vec<u8>,
}

impl Facts {
    /// Of every certificate in a text in PEM form, in its order; other things in it are passed over.
    ///
    /// # Errors
    /// Why one can't be read.
    pub(crate) fn of_pem(text: &[u8]) -> Result<Vec<Self>, String> {
        let blocks = Pem::iter_from_buffer(text).map(|block| block.map_err(|error| error.to_string()));
        let certificates =
            blocks.filter(|block| block.as_ref().map_or(true, |block| block.label == "CERTIFICATE"));
        certificates.map(|block| Self::of(&block?)).collect()
    }

    fn of(block: &Pem) -> Result<Self, String> {
        let certificate = block.parse_x509().map_err(|error| error.to_string())?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| error.to_string())?;
        let names = names.iter().flat_map(|names| &names.value.general_names);
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                })
                .collect(),
            not_before: moment(certificate.validity().not_before),
            not_after: moment(certificate.validity().not_after),
            public_key: certificate.public_key().raw.to_vec(),
        })
    }

    /// The roles that it names.
    pub(crate) fn roles(&self) -> Vec<MemberRole> {
        let all = [MemberRole::Gateway, MemberRole::Supervisor, MemberRole::Agent];
        let named = |role: &MemberRole| self.names.contains(&tls_name(*role));
        all.into_iter().filter(named).collect()
    }
}

fn moment(time: ASN1Time) -> Timestamp {
    Timestamp::from_millis(time.timestamp().saturating_mul(1000))
}
