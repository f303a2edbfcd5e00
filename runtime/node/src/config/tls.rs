//! `[tls]`: by what this process proves to the others which role it has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use greenroom_wire::TlsPaths;
use serde::{Deserialize, Serialize};

use super::{ConfigError, positive};

/// As people write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authority: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    pub(crate) reload_ms: u64,
}

impl Default for RawTls {
    fn default() -> Self {
        Self {
            authority: None,
            certificate: None,
            key: None,
            secret: None,
            region: None,
            endpoint: None,
            reload_ms: 60_000,
        }
    }
}

/// By what this process proves itself, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TlsSettings {
    pub(crate) place: TlsPlace,
    /// How often it is read again.
    pub(crate) reload: Duration,
}

/// Where the certificates are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TlsPlace {
    Files(TlsPaths),
    Secret(SecretSettings),
}

/// A secret of AWS Secrets Manager.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SecretSettings {
    pub(crate) id: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
}

impl TlsSettings {
    /// None where nothing is said: processes speak in plaintext, within one machine.
    pub(super) fn of(raw: &RawTls) -> Result<Option<Self>, ConfigError> {
        positive("tls.reload_ms", raw.reload_ms)?;
        let reload = Duration::from_millis(raw.reload_ms);
        let files = [
            ("tls.authority", raw.authority.as_deref()),
            ("tls.certificate", raw.certificate.as_deref()),
            ("tls.key", raw.key.as_deref()),
        ];
        let named = files.iter().find(|(_, path)| path.is_some());
        let place = match (&raw.secret, named) {
            (Some(_), Some((key, _))) => {
                let why = "tls.secret is set too, and holds all three: keep one or the other";
                return Err(ConfigError::value(key, why));
            }
            (Some(id), None) => TlsPlace::Secret(secret(id, raw)?),
            (None, Some(_)) => {
                alone(raw)?;
                let [authority, certificate, key] = files;
                TlsPlace::Files(TlsPaths {
                    authority: file(authority)?,
                    certificate: file(certificate)?,
                    key: file(key)?,
                })
            }
            (None, None) => {
                alone(raw)?;
                return Ok(None);
            }
        };
        Ok(Some(Self { place, reload }))
    }
}

/// Refuses what says something of a secret only.
fn alone(raw: &RawTls) -> Result<(), ConfigError> {
    let set = [
        ("tls.region", raw.region.is_some()),
        ("tls.endpoint", raw.endpoint.is_some()),
    ];
    match set.iter().find(|(_, set)| *set) {
        Some((key, _)) => Err(ConfigError::value(key, "it says nothing without tls.secret")),
        None => Ok(()),
    }
}

fn file((key, path): (&str, Option<&Path>)) -> Result<PathBuf, ConfigError> {
    match path {
        Some(path) if !path.as_os_str().is_empty() => {
            Ok(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        }
        _ => Err(ConfigError::value(
            key,
            "tls.authority, tls.certificate and tls.key go together: `greenroom certs init` writes all three",
        )),
    }
}

fn secret(id: &str, raw: &RawTls) -> Result<SecretSettings, ConfigError> {
    if !cfg!(feature = "secrets-manager") {
        let why = "this greenroom was built without the feature `secrets-manager`";
        return Err(ConfigError::value("tls.secret", why));
    }
    if id.is_empty() || id.contains(char::is_whitespace) {
        let why = "it must be a secret's name or ARN, such as greenroom/supervisor";
        return Err(ConfigError::value("tls.secret", why));
    }
    Ok(SecretSettings {
        id: id.to_owned(),
        region: raw.region.clone().filter(|region| !region.is_empty()),
        endpoint: raw.endpoint.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(raw: &RawTls) -> String {
        TlsSettings::of(raw).unwrap_err().to_string()
    }

    #[test]
    fn nothing_said_is_no_identity() {
        assert_eq!(TlsSettings::of(&RawTls::default()).unwrap(), None);
        let half = RawTls {
            region: Some("eu-west-1".to_owned()),
            ..RawTls::default()
        };
        assert!(refused(&half).contains("tls.region"));
    }

    #[test]
    fn three_files_or_one_secret() {
        let files = RawTls {
            authority: Some("a.pem".into()),
            certificate: Some("c.pem".into()),
            key: Some("/k.pem".into()),
            ..RawTls::default()
        };
        let TlsPlace::Files(paths) = TlsSettings::of(&files).unwrap().unwrap().place else {
            panic!("files were named");
        };
        assert!(paths.authority.is_absolute() && paths.key == Path::new("/k.pem"));
        let two = RawTls {
            key: None,
            ..files.clone()
        };
        let said = refused(&two);
        assert!(
            said.contains("`tls.key`") && said.contains("go together"),
            "{said}"
        );
        let both = RawTls {
            secret: Some("greenroom/agent".to_owned()),
            ..files
        };
        assert!(refused(&both).contains("keep one"));
    }

    #[cfg(feature = "secrets-manager")]
    #[test]
    fn a_secret_is_named_by_a_name_or_an_arn() {
        let named = |id: &str| RawTls {
            secret: Some(id.to_owned()),
            ..RawTls::default()
        };
        let read = TlsSettings::of(&named("greenroom/agent")).unwrap().unwrap();
        assert!(matches!(read.place, TlsPlace::Secret(secret) if secret.id == "greenroom/agent"));
        assert!(refused(&named("")).contains("tls.secret"));
    }
}
