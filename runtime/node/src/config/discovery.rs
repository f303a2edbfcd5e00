//! `[discovery]`: where agent hosts are found that come and go.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use greenroom_discovery::DnsName;
use greenroom_kernel::HostPort;
use serde::{Deserialize, Serialize};

use super::{ConfigError, positive};

/// As people write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawDiscovery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<RawDiscoveryKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    pub(crate) poll_ms: u64,
    pub(crate) refresh_ms: u64,
}

impl Default for RawDiscovery {
    fn default() -> Self {
        Self {
            kind: None,
            namespace: None,
            service: None,
            region: None,
            endpoint: None,
            hosts: Vec::new(),
            port: None,
            poll_ms: 1000,
            refresh_ms: 5000,
        }
    }
}

/// Which directory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawDiscoveryKind {
    Static,
    Dns,
    CloudMap,
}

/// Where agent hosts are found, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DiscoverySettings {
    pub(crate) place: Place,
    pub(crate) poll: Duration,
    pub(crate) refresh: Duration,
}

/// A directory and what it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    Static(Vec<HostPort>),
    Dns {
        names: Vec<DnsName>,
        server: Option<SocketAddr>,
    },
    CloudMap {
        namespace: String,
        service: String,
        region: Option<String>,
        endpoint: Option<String>,
        port: Option<u16>,
    },
}

impl DiscoverySettings {
    /// None where nothing is to be found.
    pub(super) fn of(raw: &RawDiscovery) -> Result<Option<Self>, ConfigError> {
        positive("discovery.poll_ms", raw.poll_ms)?;
        if raw.refresh_ms < raw.poll_ms {
            return wrong("refresh_ms", "it must not be shorter than discovery.poll_ms");
        }
        let Some(kind) = raw.kind else {
            alone(raw, "without a discovery.kind (static, dns or cloud-map)", &[])?;
            return Ok(None);
        };
        let place = match kind {
            RawDiscoveryKind::Static => {
                alone(raw, "of the kind static", &["hosts"])?;
                Place::Static(hosts(raw)?)
            }
            RawDiscoveryKind::Dns => {
                alone(raw, "of the kind dns", &["hosts", "endpoint"])?;
                Place::Dns {
                    names: hosts(raw)?,
                    server: raw.endpoint.as_deref().map(server).transpose()?,
                }
            }
            RawDiscoveryKind::CloudMap => {
                alone(
                    raw,
                    "of the kind cloud-map",
                    &["namespace", "service", "region", "endpoint", "port"],
                )?;
                Place::CloudMap {
                    namespace: named("namespace", raw.namespace.as_ref())?,
                    service: named("service", raw.service.as_ref())?,
                    region: raw.region.clone().filter(|region| !region.is_empty()),
                    endpoint: raw.endpoint.clone(),
                    port: match raw.port {
                        Some(0) => return wrong("port", "it must be at least 1"),
                        port => port,
                    },
                }
            }
        };
        Ok(Some(Self {
            place,
            poll: Duration::from_millis(raw.poll_ms),
            refresh: Duration::from_millis(raw.refresh_ms),
        }))
    }
}

fn wrong<T>(key: &str, why: &str) -> Result<T, ConfigError> {
    Err(ConfigError::value(&format!("discovery.{key}"), why))
}

/// Refuses a key that says nothing here.
fn alone(raw: &RawDiscovery, kind: &str, meant: &[&str]) -> Result<(), ConfigError> {
    let set = [
        ("namespace", raw.namespace.is_some()),
        ("service", raw.service.is_some()),
        ("region", raw.region.is_some()),
        ("endpoint", raw.endpoint.is_some()),
        ("hosts", !raw.hosts.is_empty()),
        ("port", raw.port.is_some()),
    ];
    match set.iter().find(|(key, set)| *set && !meant.contains(key)) {
        Some((key, _)) => wrong(key, &format!("it says nothing {kind}")),
        None => Ok(()),
    }
}

fn hosts<T>(raw: &RawDiscovery) -> Result<Vec<T>, ConfigError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    if raw.hosts.is_empty() {
        return wrong("hosts", "it names nobody");
    }
    let read = raw.hosts.iter().map(|text| match text.parse() {
        Ok(host) => Ok(host),
        Err(error) => wrong("hosts", &T::Err::to_string(&error)),
    });
    read.collect()
}

fn named(key: &str, text: Option<&String>) -> Result<String, ConfigError> {
    match text {
        Some(text) if !text.trim().is_empty() => Ok(text.clone()),
        _ => wrong(key, "the kind cloud-map needs it"),
    }
}

pub(super) fn server(text: &str) -> Result<SocketAddr, ConfigError> {
    let ip = || Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 53));
    match text.parse().ok().or_else(ip) {
        Some(server) => Ok(server),
        None => wrong(
            "endpoint",
            &format!("`{text}` is no DNS server's address such as 10.0.0.2:53"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: RawDiscovery) -> Place {
        DiscoverySettings::of(&raw).unwrap().unwrap().place
    }

    #[test]
    fn every_kind_is_read() {
        let hosts = |text: &str| vec![text.to_owned()];
        let fixed = RawDiscovery {
            kind: Some(RawDiscoveryKind::Static),
            hosts: hosts("http://10.0.0.1:7071"),
            ..RawDiscovery::default()
        };
        assert_eq!(read(fixed), Place::Static(vec!["10.0.0.1:7071".parse().unwrap()]));
        let dns = RawDiscovery {
            kind: Some(RawDiscoveryKind::Dns),
            hosts: hosts("_agents._tcp.internal"),
            endpoint: Some("10.0.0.2".to_owned()),
            ..RawDiscovery::default()
        };
        let names = vec!["_agents._tcp.internal".parse().unwrap()];
        let server = Some(([10, 0, 0, 2], 53).into());
        assert_eq!(read(dns), Place::Dns { names, server });
        assert_eq!(DiscoverySettings::of(&RawDiscovery::default()).unwrap(), None);
    }
}
