//! Who calls: the port that turns credentials into a principal, and its implementation for development.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use greenroom_kernel::{ErrorCode, Failure, InvalidId, Principal, Subject, TenantId};
use http::HeaderMap;

/// What a caller shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// The request's headers; on a WebSocket those of the upgrade, overlaid by the `connection_init` payload.
    pub headers: &'a HeaderMap,
    /// Where the connection comes from.
    pub peer: SocketAddr,
}

/// Decides who calls. Asked once for each HTTP request and each WebSocket.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// The caller, or UNAUTHENTICATED or FORBIDDEN.
    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Arc<Principal>, Failure>;
}

/// Admits every caller of this machine as subject `dev` of tenant `dev`, and nobody else.
#[derive(Debug, Clone)]
pub struct LoopbackDev {
    principal: Arc<Principal>,
}

impl LoopbackDev {
    /// The one principal of development.
    pub fn new() -> Result<Self, InvalidId> {
        Ok(Self {
            principal: Arc::new(Principal {
                tenant: TenantId::parse("dev")?,
                subject: Subject::parse("dev")?,
                scopes: Vec::new(),
                tier: "dev".to_owned(),
            }),
        })
    }
}

#[async_trait]
impl Authenticator for LoopbackDev {
    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Arc<Principal>, Failure> {
        if credentials.peer.ip().to_canonical().is_loopback() {
            Ok(Arc::clone(&self.principal))
        } else {
            Err(Failure::new(
                ErrorCode::Forbidden,
                "without identity configured only callers of this machine are admitted",
            ))
        }
    }
}
