//! How a process reaches the others and is reached: by TLS where it has an identity, in plaintext within its machine.
//!
//! One place decides that, for every role: nothing of ours crosses a network in plaintext unless somebody said so.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use greenroom_kernel::{HostPort, MemberRole};
use tonic::transport::Channel;

use crate::channel::{dial_lazily, dial_with_tls};
use crate::{GrpcAgent, GrpcServer, GrpcSupervisor, InvalidEndpoint, TlsIdentity};

/// What a process has to show, and what it puts up with.
#[derive(Debug, Clone, Default)]
pub struct Links {
    identity: Option<Arc<TlsIdentity>>,
    anywhere: bool,
}

/// An address that isn't dialled, or isn't listened on.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is no address.
    #[error(transparent)]
    Invalid(#[from] InvalidEndpoint),
    /// It would be dialled in plaintext, on another machine, by a process that has an identity.
    #[error("{address} is on another machine and is not dialled in plaintext: write https://{host}")]
    PlaintextDialled {
        /// As it was written.
        address: String,
        /// Host and port.
        host: String,
    },
    /// It is on another machine, and there is no identity to show there.
    #[error(
        "{address} is on another machine, which is reached by TLS only, and no certificate is configured: set [tls] \
         (`greenroom certs init` makes certificates)"
    )]
    NoIdentity {
        /// As it was written.
        address: String,
    },
    /// It would be listened on in plaintext, and other machines can reach it.
    #[error(
        "{address} can be reached by other machines and is not served in plaintext: set [tls] (`greenroom certs init` \
         makes certificates), or listen on 127.0.0.1"
    )]
    PlaintextServed {
        /// Where it would have been.
        address: SocketAddr,
    },
}

impl Links {
    /// Of a process with an identity, or with none: that one stays within its machine.
    pub fn new(identity: Option<Arc<TlsIdentity>>) -> Self {
        Self {
            identity,
            anywhere: false,
        }
    }

    /// Plaintext everywhere where TLS isn't asked for: whoever is on the way reads and writes along.
    #[must_use]
    pub fn in_plaintext_anywhere(mut self) -> Self {
        self.anywhere = true;
        self
    }

    /// What the process shows.
    pub fn identity(&self) -> Option<&Arc<TlsIdentity>> {
        self.identity.as_ref()
    }

    /// The URL by which a host that was found is dialled and known.
    pub fn url(&self, host: &HostPort) -> String {
        match self.identity {
            Some(_) => format!("https://{host}"),
            None => host.url(),
        }
    }

    /// An agent host at `http://host:port`, `https://host:port` or `host:port`. Connects to nothing yet; must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// What is no address, and where it may not be dialled so.
    pub fn agent(&self, address: &str) -> Result<GrpcAgent, LinkError> {
        Ok(GrpcAgent::over(self.dial(address, MemberRole::Agent)?, address))
    }

    /// A supervisor there, likewise.
    ///
    /// # Errors
    /// As [`Self::agent`].
    pub fn supervisor(&self, address: &str) -> Result<GrpcSupervisor, LinkError> {
        Ok(GrpcSupervisor::over(
            address,
            self.dial(address, MemberRole::Supervisor)?,
        ))
    }

    /// `server` as one of `role` that listens at `address`.
    ///
    /// # Errors
    /// Where it may not listen so.
    pub fn serve(
        &self,
        server: GrpcServer,
        role: MemberRole,
        address: SocketAddr,
    ) -> Result<GrpcServer, LinkError> {
        self.may_serve(address)?;
        Ok(match &self.identity {
            Some(identity) => server.tls(Arc::clone(identity), role),
            None => server,
        })
    }

    /// Whether something may listen at `address`: to be asked before it is bound.
    ///
    /// # Errors
    /// Where it may not.
    pub fn may_serve(&self, address: SocketAddr) -> Result<(), LinkError> {
        match self.identity.is_some() || self.anywhere || is_here(address.ip()) {
            true => Ok(()),
            false => Err(LinkError::PlaintextServed { address }),
        }
    }

    pub(crate) fn dial(&self, address: &str, role: MemberRole) -> Result<Channel, LinkError> {
        let (plaintext, rest) = match address.split_once("://") {
            Some(("https", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            // Refused below, by its whole text.
            Some(_) => (true, address),
            None => (self.identity.is_none(), address),
        };
        let away = || {
            rest.parse()
                .is_ok_and(|at: HostPort| leaves_this_machine(at.host()))
        };
        match &self.identity {
            Some(identity) if !plaintext => {
                let dialled = dial_with_tls(rest, Arc::clone(identity), role);
                Ok(dialled.map_err(|error| error.naming(address))?)
            }
            None if !plaintext => Err(LinkError::NoIdentity {
                address: address.to_owned(),
            }),
            Some(_) if !self.anywhere && away() => Err(LinkError::PlaintextDialled {
                address: address.to_owned(),
                host: rest.to_owned(),
            }),
            None if !self.anywhere && away() => Err(LinkError::NoIdentity {
                address: address.to_owned(),
            }),
            _ => Ok(dial_lazily(address)?),
        }
    }
}

/// Whether what is sent to a host may leave this machine. A name may be anywhere, save `localhost`.
pub fn leaves_this_machine(host: &str) -> bool {
    match host.parse() {
        Ok(ip) => !is_here(ip),
        Err(_) => host != "localhost",
    }
}

fn is_here(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machine() {
        for (host, elsewhere) in [
            ("127.0.0.1", false),
            ("127.8.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("localhost", false),
            ("10.0.0.7", true),
            ("fd00::7", true),
            ("agents.internal", true),
            ("localhost.example", true),
        ] {
            assert_eq!(leaves_this_machine(host), elsewhere, "{host}");
        }
    }

    #[tokio::test]
    async fn without_an_identity_only_this_machine_is_dialled_unless_somebody_says_so() {
        let links = Links::default();
        for here in ["http://127.0.0.1:7071", "localhost:7071", "http://[::1]:7071"] {
            assert!(links.agent(here).is_ok(), "{here}");
        }
        for away in ["http://10.0.0.7:7071", "agents.internal:7071", "[fd00::7]:7071"] {
            let said = links.agent(away).unwrap_err().to_string();
            assert!(said.starts_with(away) && said.contains("certs init"), "{said}");
            assert!(links.supervisor(away).is_err(), "{away}");
            assert!(
                links.clone().in_plaintext_anywhere().agent(away).is_ok(),
                "{away}"
            );
        }
        let said = links
            .in_plaintext_anywhere()
            .agent("https://10.0.0.7:7071")
            .unwrap_err();
        assert!(matches!(said, LinkError::NoIdentity { .. }), "{said}");
        let said = Links::default().agent("unix:///x").unwrap_err();
        assert!(matches!(said, LinkError::Invalid(_)), "{said}");
    }

    #[test]
    fn without_an_identity_only_this_machine_is_served() {
        let links = Links::default();
        assert!(links.may_serve(([127, 0, 0, 1], 7071).into()).is_ok());
        for reached in ["0.0.0.0:7071", "[::]:7071", "10.0.0.7:7071"] {
            let address = reached.parse().unwrap();
            let said = links.may_serve(address).unwrap_err().to_string();
            assert!(said.starts_with(reached), "{said}");
            assert!(links.clone().in_plaintext_anywhere().may_serve(address).is_ok());
        }
    }
}
