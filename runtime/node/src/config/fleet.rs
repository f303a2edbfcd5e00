//! What the roles of a fleet have that `dev` doesn't: where others reach them, whom they know, how long they take to
//! leave.

use std::net::SocketAddr;
use std::time::Duration;

use greenroom_kernel::HostPort;
use greenroom_wire::PoolConfig;

use super::discovery::{Place, RawDiscovery, RawDiscoveryKind, server};
use super::raw::Raw;
use super::{ConfigError, address, positive};

/// Which role a process was started in: each has its own ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RunAs {
    /// All roles in one process.
    #[default]
    Dev,
    /// Takes clients' connections.
    Gateway,
    /// Owns sessions and runs tasks.
    Supervisor,
    /// Hosts agents.
    Agent,
}

impl RunAs {
    /// The section of the configuration that is its own.
    pub(super) fn section(self) -> &'static str {
        self.listen_key()
            .split_once('.')
            .map_or("", |(section, _)| section)
    }

    /// The key that says where it listens.
    pub(crate) fn listen_key(self) -> &'static str {
        match self {
            Self::Dev | Self::Gateway => "gateway.listen",
            Self::Supervisor => "supervisor.listen",
            Self::Agent => "agent.listen",
        }
    }
}

impl Raw {
    /// The defaults of a role.
    pub(super) fn defaults_of(role: RunAs) -> Self {
        let mut raw = Self::default();
        match role {
            RunAs::Dev | RunAs::Gateway => {}
            RunAs::Supervisor => raw.operator.listen = "127.0.0.1:9465".to_owned(),
            RunAs::Agent => {
                raw.operator.listen = "127.0.0.1:9466".to_owned();
                raw.agent.listen = "127.0.0.1:7071".to_owned();
            }
        }
        raw
    }
}

/// `[gateway]`, `[supervisor]` and `[agent]` as far as they are about processes of their own, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FleetSettings {
    pub(crate) gateway: Berth,
    pub(crate) supervisor: Berth,
    pub(crate) agent: Berth,
    pub(crate) supervisor_listen: SocketAddr,
    /// Where a gateway finds supervisors; none where nobody said so.
    pub(crate) supervisors: Option<Place>,
    /// How patient a gateway is with them.
    pub(crate) pool: PoolConfig,
    /// How often a supervisor renews its row and looks at the others', in milliseconds.
    pub(crate) beat_ms: u64,
    /// After how many looks at an unchanged row its process is dead.
    pub(crate) patience: u32,
}

/// How a process is reached, and how it leaves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Berth {
    /// Where others reach it; none: found out.
    pub(crate) advertise: Option<HostPort>,
    /// How long it may take to leave.
    pub(crate) stop: Duration,
}

impl FleetSettings {
    pub(super) fn of(raw: &Raw) -> Result<Self, ConfigError> {
        let (gateway, supervisor, agent) = (&raw.gateway, &raw.supervisor, &raw.agent);
        positive("supervisor.beat_ms", supervisor.beat_ms)?;
        positive("supervisor.patience", supervisor.patience.into())?;
        Ok(Self {
            gateway: berth("gateway", gateway.advertise.as_deref(), gateway.stop_ms)?,
            supervisor: berth("supervisor", supervisor.advertise.as_deref(), supervisor.stop_ms)?,
            agent: berth("agent", agent.advertise.as_deref(), agent.stop_ms)?,
            supervisor_listen: address("supervisor.listen", &supervisor.listen)?,
            supervisors: supervisors(&gateway.supervisors, &raw.discovery)?,
            pool: gateway.pool.pool()?,
            beat_ms: supervisor.beat_ms,
            patience: supervisor.patience,
        })
    }
}

/// The least that a process needs to leave in order, in milliseconds.
const LEAST_STOP_MS: u64 = 2_000;

fn berth(section: &str, advertise: Option<&str>, stop_ms: u64) -> Result<Berth, ConfigError> {
    if stop_ms < LEAST_STOP_MS {
        let why = format!("it must be at least {LEAST_STOP_MS}");
        return Err(ConfigError::value(&format!("{section}.stop_ms"), &why));
    }
    let advertise = advertise.filter(|text| !text.is_empty()).map(|text| {
        let read = text.parse::<HostPort>();
        read.map_err(|error| ConfigError::value(&format!("{section}.advertise"), &error.to_string()))
    });
    Ok(Berth {
        advertise: advertise.transpose()?,
        stop: Duration::from_millis(stop_ms),
    })
}

/// Where supervisors are found: those that are named, by the DNS where that is how others are found, else as they stand;
/// without names where members enter themselves.
fn supervisors(named: &[String], raw: &RawDiscovery) -> Result<Option<Place>, ConfigError> {
    fn read<T: std::str::FromStr<Err: std::fmt::Display>>(named: &[String]) -> Result<Vec<T>, ConfigError> {
        let wrong = |error: T::Err| ConfigError::value("gateway.supervisors", &error.to_string());
        named.iter().map(|text| text.parse().map_err(wrong)).collect()
    }
    Ok(match (raw.kind, named.is_empty()) {
        (Some(RawDiscoveryKind::Dns), false) => Some(Place::Dns {
            names: read(named)?,
            server: raw.endpoint.as_deref().map(server).transpose()?,
        }),
        (_, false) => Some(Place::Static(read(named)?)),
        (Some(RawDiscoveryKind::CloudMap), true) => {
            super::DiscoverySettings::of(raw)?.map(|found| found.place)
        }
        (_, true) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut Raw)) -> Result<FleetSettings, String> {
        let mut raw = Raw::default();
        change(&mut raw);
        FleetSettings::of(&raw).map_err(|error| error.to_string())
    }

    #[test]
    fn each_role_has_ports_of_its_own() {
        let ports = |role| {
            let raw = Raw::defaults_of(role);
            (raw.operator.listen, raw.agent.listen)
        };
        assert_eq!(ports(RunAs::Gateway).0, "127.0.0.1:9464");
        assert_eq!(ports(RunAs::Supervisor).0, "127.0.0.1:9465");
        let agents = ("127.0.0.1:9466".to_owned(), "127.0.0.1:7071".to_owned());
        assert_eq!(ports(RunAs::Agent), agents);
    }

    #[test]
    fn supervisors_are_found_as_they_are_named_and_by_the_directory_where_they_are_not() {
        assert_eq!(read(|_| {}).unwrap().supervisors, None);
        let named = |raw: &mut Raw| raw.gateway.supervisors = vec!["s.internal:7070".to_owned()];
        let found = read(named).unwrap().supervisors;
        assert_eq!(
            found,
            Some(Place::Static(vec!["s.internal:7070".parse().unwrap()]))
        );
        let found = read(|raw| {
            named(raw);
            raw.discovery.kind = Some(RawDiscoveryKind::Dns);
            raw.discovery.hosts = vec!["a.internal:7071".to_owned()];
        });
        let names = vec!["s.internal:7070".parse().unwrap()];
        let server = None;
        assert_eq!(found.unwrap().supervisors, Some(Place::Dns { names, server }));
        let found = read(|raw| {
            raw.discovery.kind = Some(RawDiscoveryKind::CloudMap);
            raw.discovery.namespace = Some("prod".to_owned());
            raw.discovery.service = Some("greenroom".to_owned());
        });
        assert!(matches!(found.unwrap().supervisors, Some(Place::CloudMap { .. })));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let said = read(|raw| raw.supervisor.advertise = Some("10.0.0.1".to_owned())).unwrap_err();
        assert!(
            said.contains("`supervisor.advertise`: `10.0.0.1` is no address"),
            "{said}"
        );
        let said = read(|raw| raw.agent.stop_ms = 10).unwrap_err();
        assert!(
            said.contains("`agent.stop_ms`: it must be at least 2000"),
            "{said}"
        );
        let said = read(|raw| raw.gateway.supervisors = vec!["here".to_owned()]).unwrap_err();
        assert!(said.contains("`gateway.supervisors`"), "{said}");
    }
}
