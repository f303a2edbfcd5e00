//! A process of the system, as a directory knows it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::HostPort;
use crate::{AgentName, MemberId};

/// What a process is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberRole {
    /// Takes clients' connections.
    Gateway,
    /// Owns sessions and runs tasks.
    Supervisor,
    /// Hosts agents.
    Agent,
}

impl MemberRole {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Supervisor => "supervisor",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: gateway, supervisor or agent")]
pub struct UnknownRole(String);

impl FromStr for MemberRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Gateway, Self::Supervisor, Self::Agent]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// One process, as it entered itself or as somebody wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, unique in its directory.
    pub id: MemberId,
    /// What it is there for.
    pub role: MemberRole,
    /// Where it listens.
    pub address: HostPort,
    /// The version of its program, where it is told.
    pub version: Option<String>,
    /// Which start of the process it is, where it is told.
    pub incarnation: Option<u64>,
    /// The agents that it hosts, where they are told. A host says more by describing itself.
    pub agents: Vec<AgentName>,
    /// What else is said of it.
    pub attributes: BTreeMap<String, String>,
}

impl Member {
    /// One of whom nothing but the address is known.
    pub fn at(id: MemberId, role: MemberRole, address: HostPort) -> Self {
        Self {
            id,
            role,
            address,
            version: None,
            incarnation: None,
            agents: Vec::new(),
            attributes: BTreeMap::new(),
        }
    }
}

/// What a directory says of a member's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthHint {
    /// Nothing.
    #[default]
    None,
    /// That it is well.
    Healthy,
    /// That it isn't, which may be long past.
    Unhealthy,
}

/// A member and what is said of its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Who.
    pub member: Member,
    /// What the directory says of its health.
    pub hint: HealthHint,
}
