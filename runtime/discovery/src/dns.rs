//! Names in the DNS: a host's name stands for all its addresses, a service's (`_agents._tcp.internal`) for its SRV
//! records.
//!
//! A name that doesn't exist is nobody, not an error: Cloud Map and others take a name away with its last member.
//! Answers aren't kept here, however long they may be: the servers asked do that.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use greenroom_kernel::{
    Discovery, DiscoveryError, HealthHint, HostPort, Member, MemberId, MemberListing, MemberRole, Sighting,
};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use crate::{DnsName, MOST_MEMBERS};

/// How long one server may take, and how often it is asked.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);
const ATTEMPTS: usize = 2;
/// How many hosts of SRV records are looked up at the same time.
const LOOKUPS_AT_ONCE: usize = 16;

const LOOKUP: &str = "the lookup";

/// Members found by name.
pub struct Dns {
    names: Vec<DnsName>,
    role: MemberRole,
    server: Option<SocketAddr>,
    resolver: TokioResolver,
}

impl Dns {
    /// Asks nobody yet. `server` is who is asked instead of the system's servers.
    ///
    /// # Errors
    /// The system says nothing usable of its servers.
    pub fn new(
        names: Vec<DnsName>,
        role: MemberRole,
        server: Option<SocketAddr>,
    ) -> Result<Self, DiscoveryError> {
        let provider = TokioRuntimeProvider::default();
        let builder = match server {
            None => TokioResolver::builder(provider),
            Some(at) => {
                let mut asked = NameServerConfig::udp_and_tcp(at.ip());
                for connection in &mut asked.connections {
                    connection.port = at.port();
                }
                let config = ResolverConfig::from_name_servers(vec![asked]);
                Ok(TokioResolver::builder_with_config(config, provider))
            }
        };
        let built = builder.and_then(|mut builder| {
            let options: &mut ResolverOpts = builder.options_mut();
            options.timeout = ANSWER_WITHIN;
            options.attempts = ATTEMPTS;
            options.cache_size = 0;
            builder.build()
        });
        let resolver = built.map_err(|error| DiscoveryError::Misconfigured {
            place: place(&names, server),
            why: format!("the system's resolver can't be used: {error}"),
            remedy: "mend /etc/resolv.conf, or set discovery.endpoint to a DNS server's address",
        })?;
        Ok(Self {
            names,
            role,
            server,
            resolver,
        })
    }

    /// The records of one name and kind; none where there is no such name.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Option<Lookup>, DiscoveryError> {
        let place = || place(&self.names, self.server);
        let mut asked = Name::from_ascii(name).map_err(|error| DiscoveryError::Misconfigured {
            place: place(),
            why: format!("`{name}` is no name: {error}"),
            remedy: "mend discovery.hosts",
        })?;
        // A name with a dot is whole: the system's search list is for short ones.
        asked.set_fqdn(name.contains('.'));
        match self.resolver.lookup(asked, kind).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_no_records_found() => Ok(None),
            Err(error) => Err(DiscoveryError::Unreachable {
                place: place(),
                operation: LOOKUP,
                why: format!("{kind} records of {name}: {}", said(&error)),
            }),
        }
    }

    /// The addresses of a host. The IPv6 ones only where there are no others: they are the same processes'.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DiscoveryError> {
        for kind in [RecordType::A, RecordType::AAAA] {
            let found = self.records(host, kind).await?;
            let mut ips: Vec<IpAddr> = found
                .iter()
                .flat_map(|found| found.answers())
                .filter_map(|record| match &record.data {
                    RData::A(a) => Some(IpAddr::V4(a.0)),
                    RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
                    _ => None,
                })
                .collect();
            if !ips.is_empty() {
                ips.sort_unstable();
                return Ok(ips);
            }
        }
        Ok(Vec::new())
    }

    /// A service's records, of the first priority only: the others are for when that one is gone.
    async fn services(&self, name: &str) -> Result<Vec<SRV>, DiscoveryError> {
        let found = self.records(name, RecordType::SRV).await?;
        let records = found.iter().flat_map(|found| found.answers());
        let mut all: Vec<SRV> = records
            .filter_map(|record| match &record.data {
                // A lone root as the target says that there is no such service.
                RData::SRV(srv) if !srv.target.is_root() => Some(srv.clone()),
                _ => None,
            })
            .collect();
        let first = all.iter().map(|srv| srv.priority).min();
        all.retain(|srv| Some(srv.priority) == first);
        all.truncate(MOST_MEMBERS);
        Ok(all)
    }

    async fn named(&self, name: &DnsName) -> Result<(Vec<Member>, Vec<String>), DiscoveryError> {
        let (mut members, mut notes) = (Vec::new(), Vec::new());
        match name {
            DnsName::Host { host, port } => {
                for ip in self.addresses(host).await? {
                    members.extend(self.member(&ip.to_string(), HostPort::numeric(ip, *port)));
                }
            }
            DnsName::Service(service) => {
                let records = futures::stream::iter(self.services(service).await?).map(|srv| async move {
                    let target = srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase();
                    let first = self.addresses(&target).await?.into_iter().next();
                    Ok::<_, DiscoveryError>((target, srv.port, first))
                });
                let found: Vec<_> = records.buffered(LOOKUPS_AT_ONCE).try_collect().await?;
                for (target, port, ip) in found {
                    match ip {
                        Some(ip) => members.extend(self.member(&target, HostPort::numeric(ip, port))),
                        None => notes.push(format!("{target}, which {service} names, has no address")),
                    }
                }
            }
        }
        if members.is_empty() && notes.is_empty() {
            notes.push(format!(
                "{name} has no records: nobody is there, or the name is mistyped"
            ));
        }
        Ok((members, notes))
    }

    /// None of port 0, by which an SRV record says nothing.
    fn member(&self, name: &str, address: HostPort) -> Option<Member> {
        let id = MemberId::parse(&format!("{name}:{}", address.port())).ok()?;
        (address.port() != 0).then(|| Member::at(id, self.role, address))
    }
}

#[async_trait]
impl Discovery for Dns {
    fn place(&self) -> String {
        place(&self.names, self.server)
    }

    async fn revision(&self) -> Result<Option<i64>, DiscoveryError> {
        Ok(None)
    }

    async fn list(&self) -> Result<MemberListing, DiscoveryError> {
        let all = futures::future::try_join_all(self.names.iter().map(|name| self.named(name))).await?;
        // Whoever is found twice is one.
        let mut members = BTreeMap::new();
        let mut listing = MemberListing::default();
        for (found, notes) in all {
            members.extend(found.into_iter().map(|member| (member.id.clone(), member)));
            listing.notes.extend(notes);
        }
        let hint = HealthHint::None;
        let seen = members.into_values().map(|member| Sighting { member, hint });
        listing.members = seen.take(MOST_MEMBERS).collect();
        listing.notes.sort_unstable();
        Ok(listing)
    }
}

fn place(names: &[DnsName], server: Option<SocketAddr>) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let server = server.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("DNS {}{server}", names.join(", "))
}

fn said(error: &NetError) -> String {
    match error {
        NetError::Timeout => "no server answered in time".to_owned(),
        other => other.to_string(),
    }
}
