//! Where a process listens: a host, by name or by number, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A text is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address such as http://10.0.1.7:7071 or agents.internal:7071")]
pub struct InvalidHostPort(String);

/// A host and a port. The host is a number or a name, whose meaning may change: whoever dials it resolves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Of a number.
    pub fn numeric(ip: IpAddr, port: u16) -> Self {
        Self {
            host: ip.to_canonical().to_string(),
            port,
        }
    }

    /// Of a name or a number as text, without brackets.
    ///
    /// # Errors
    /// An empty host, one with other characters than names have, and port 0.
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidHostPort> {
        let invalid = || InvalidHostPort(format!("{host}:{port}"));
        if port == 0 {
            return Err(invalid());
        }
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Self::numeric(ip, port));
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(plain)
        };
        // Only numbers end in a number: 10.0.0.300 is a slip, not a name.
        let number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let last = host.rsplit('.').next().unwrap_or_default();
        if host.len() > 253 || !host.split('.').all(label) || number(last) {
            return Err(invalid());
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// The name, or the number without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The number, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As an agent host is dialled: `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{self}")
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self::numeric(address.ip(), address.port())
    }
}

impl FromStr for HostPort {
    type Err = InvalidHostPort;

    /// `host:port` or `http://host:port`; IPv6 in brackets.
    fn from_str(text: &str) -> Result<Self, InvalidHostPort> {
        let invalid = || InvalidHostPort(text.to_owned());
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(invalid)?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or_else(invalid)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().map_err(|_| invalid())?.to_string(),
            None if host.contains(':') => return Err(invalid()),
            None => host.to_owned(),
        };
        Self::new(&host, port).map_err(|_| invalid())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_every_usual_way_and_shown_in_one() {
        for (text, shown) in [
            ("127.0.0.1:7071", "127.0.0.1:7071"),
            ("http://127.0.0.1:7071/", "127.0.0.1:7071"),
            ("http://[::1]:7071", "[::1]:7071"),
            ("[::ffff:10.0.0.1]:1", "10.0.0.1:1"),
            ("Agents.Internal.:80", "agents.internal:80"),
            ("my_host:65535", "my_host:65535"),
        ] {
            let read: HostPort = text.parse().unwrap();
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(read.url().parse(), Ok(read), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for text in [
            "",
            "host",
            ":1",
            "host:",
            "host:0",
            "host:+1",
            "host:65536",
            "https://host:1",
            "::1:7071",
            "[host]:1",
            "a b:1",
            "a..b:1",
            "10.0.0.300:1",
            "http://host:1/path",
            "ü.example:1",
        ] {
            let error = text.parse::<HostPort>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is no address")), "{error}");
        }
    }
}
