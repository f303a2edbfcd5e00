//! What a host that is a program of its own shows to supervisors: files that its environment names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::MemberRole;
use greenroom_wire::{TlsError, TlsIdentity, TlsPaths};

use super::HostError;

const AUTHORITY: &str = "GREENROOM__TLS__AUTHORITY";
const CERTIFICATE: &str = "GREENROOM__TLS__CERTIFICATE";
const KEY: &str = "GREENROOM__TLS__KEY";

/// How often the files are read again.
pub(super) const RELOAD: Duration = Duration::from_secs(60);

/// The identity in the files that `set` names; none where it names none.
pub(super) fn identity(set: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Option<Arc<TlsIdentity>>, HostError> {
    let named = |name: &'static str| set(name).filter(|path| !path.as_os_str().is_empty()).ok_or(name);
    let paths = match [AUTHORITY, CERTIFICATE, KEY].map(named) {
        [Err(_), Err(_), Err(_)] => return Ok(None),
        [Ok(authority), Ok(certificate), Ok(key)] => TlsPaths {
            authority,
            certificate,
            key,
        },
        [Err(missing), ..] | [_, Err(missing), _] | [.., Err(missing)] => {
            return Err(HostError::Unset { missing });
        }
    };
    match TlsIdentity::load(paths, MemberRole::Agent) {
        Ok(identity) => Ok(Some(identity)),
        Err(TlsError::Role { from, .. }) => Err(HostError::Role { certificate: from }),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_variables_go_together() {
        assert!(identity(&|_| None).unwrap().is_none());
        let said = identity(&|name| (name != KEY).then(|| "/nowhere".into()))
            .unwrap_err()
            .to_string();
        assert!(said.starts_with(KEY), "{said}");
        let error = identity(&|_| Some("/nowhere".into())).unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
    }
}
