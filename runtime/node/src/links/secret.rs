//! Certificates in a secret: one JSON document with the three texts.

use async_trait::async_trait;
use greenroom_secrets::{Caller, SecretsManager};
use greenroom_wire::{TlsError, TlsMaterial, TlsSource, TlsText};
use serde::Deserialize;

use crate::config::SecretSettings;

/// `{"authority": "-----BEGIN…", "certificate": "…", "key": "…"}`; what else is in it is somebody else's.
#[derive(Deserialize)]
struct Document {
    authority: String,
    certificate: String,
    key: String,
}

/// A secret that holds an identity.
#[derive(Debug)]
pub(super) struct SecretSource {
    manager: SecretsManager,
}

impl SecretSource {
    pub(super) fn new(settings: &SecretSettings) -> Self {
        Self {
            manager: SecretsManager::new(
                &settings.id,
                Caller {
                    region: settings.region.clone(),
                    endpoint: settings.endpoint.clone(),
                    ..Caller::default()
                },
            ),
        }
    }
}

#[async_trait]
impl TlsSource for SecretSource {
    async fn fetch(&self) -> Result<TlsMaterial, TlsError> {
        let place = self.manager.place();
        let secret = self.manager.read().await.map_err(|error| TlsError::Unreadable {
            from: place.clone(),
            source: Box::new(error),
        })?;
        material(&place, secret.expose())
    }
}

fn material(place: &str, text: &str) -> Result<TlsMaterial, TlsError> {
    // The parser's own words would show a piece of the text.
    let document: Document = serde_json::from_str(text).map_err(|_| TlsError::Unusable {
        from: place.to_owned(),
        what: "JSON document",
        why: "it must have the members authority, certificate and key, each a text in PEM form".to_owned(),
    })?;
    let text = |member: &str, pem: String| TlsText {
        from: format!("{place}, member {member}"),
        pem: pem.into_bytes(),
    };
    Ok(TlsMaterial {
        authority: text("authority", document.authority),
        certificate: text("certificate", document.certificate),
        key: text("key", document.key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_document_of_three_texts_and_what_is_wrong_is_said_without_showing_it() {
        let whole = r#"{"authority":"a","certificate":"c","key":"k","owner":"ops"}"#;
        let read = material("secret x", whole).unwrap();
        assert_eq!(
            (read.key.pem.as_slice(), read.key.from.as_str()),
            (&b"k"[..], "secret x, member key")
        );
        for broken in ["-----BEGIN secret", r#"{"authority":"a","certificate":"secret"}"#] {
            let said = material("x", broken).unwrap_err().to_string();
            assert!(said.contains("member") && !said.contains("secret"), "{said}");
        }
    }
}
