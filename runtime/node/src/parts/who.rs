//! Who calls `dev`: there is one principal, and it is everybody who is let in.

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_gateway::{Authenticator, Credentials, LoopbackDev};
use greenroom_kernel::{Failure, InvalidId, Principal, Subject, TenantId};

/// Subject `dev` of tenant `dev`.
pub(crate) fn dev_principal(scopes: Vec<String>) -> Result<Principal, InvalidId> {
    Ok(Principal {
        tenant: TenantId::parse("dev")?,
        subject: Subject::parse("dev")?,
        scopes,
        tier: "dev".to_owned(),
    })
}

/// Decides who calls: this machine, or with `--insecure` anybody.
pub(crate) fn authenticator(insecure: bool) -> Result<Arc<dyn Authenticator>, InvalidId> {
    Ok(match insecure {
        true => Arc::new(Everybody(Arc::new(dev_principal(Vec::new())?))),
        false => Arc::new(LoopbackDev::new()?),
    })
}

/// Admits every caller.
struct Everybody(Arc<Principal>);

#[async_trait]
impl Authenticator for Everybody {
    async fn authenticate(&self, _: Credentials<'_>) -> Result<Arc<Principal>, Failure> {
        Ok(Arc::clone(&self.0))
    }
}
