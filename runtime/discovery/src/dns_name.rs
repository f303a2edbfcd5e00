//! What is looked up: a host with a port, or a service.

use std::fmt;
use std::str::FromStr;

use greenroom_kernel::HostPort;

/// A text names nothing that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a host with a port such as agents.internal:7071 nor a service such as _agents._tcp.internal"
)]
pub struct InvalidDnsName(String);

/// A name in the DNS whose records are members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsName {
    /// Each address of the host is one, on the port.
    Host {
        /// The host's name.
        host: String,
        /// Where each listens.
        port: u16,
    },
    /// Each SRV record is one, on the record's port.
    Service(String),
}

impl FromStr for DnsName {
    type Err = InvalidDnsName;

    fn from_str(text: &str) -> Result<Self, InvalidDnsName> {
        let invalid = || InvalidDnsName(text.to_owned());
        if text.starts_with('_') && !text.contains(':') {
            // The same rules as for a host's name.
            let name = HostPort::new(text, 1).map_err(|_| invalid())?;
            return Ok(Self::Service(name.host().to_owned()));
        }
        let address: HostPort = text.parse().map_err(|_| invalid())?;
        match address.ip() {
            Some(_) => Err(invalid()),
            None => Ok(Self::Host {
                host: address.host().to_owned(),
                port: address.port(),
            }),
        }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Service(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_host_with_a_port_or_a_service() {
        let host = DnsName::Host {
            host: "agents.internal".to_owned(),
            port: 7071,
        };
        assert_eq!("http://Agents.internal:7071".parse(), Ok(host));
        let service = DnsName::Service("_agents._tcp.internal".to_owned());
        assert_eq!("_agents._tcp.internal.".parse(), Ok(service));
        for bad in [
            "",
            "agents.internal",
            "10.0.0.1:7071",
            "_a b",
            "_agents._tcp..internal",
            "a:b",
        ] {
            let error = bad.parse::<DnsName>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{bad}` is neither")), "{error}");
        }
    }
}
