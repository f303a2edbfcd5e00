//! The port to discovery: who else is there, told by somebody who may be late, wrong or away.
//!
//! What is found is a hint. Own health checks decide who is used, the store decides who owns what.

mod address;
mod member;
mod snapshot;

use async_trait::async_trait;

pub use address::{HostPort, InvalidHostPort};
pub use member::{HealthHint, Member, MemberRole, Sighting, UnknownRole};
pub use snapshot::{MemberView, Membership};

use crate::{Failure, MemberId};

/// Who is there, as one look at a directory shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberListing {
    /// Everybody, each id once.
    pub members: Vec<Sighting>,
    /// The directory's revision that this is; none where it has no such thing.
    pub revision: Option<i64>,
    /// What was left out and why, or why there is nobody: for people.
    pub notes: Vec<String>,
}

/// A directory of members. Every call is cancel-safe save those of [`MemberRegistry`].
#[async_trait]
pub trait Discovery: Send + Sync + 'static {
    /// What and where it is, for people: `Cloud Map service agents.prod in eu-west-1`.
    fn place(&self) -> String;

    /// A number that moves when somebody came or went, cheaper to ask for than the list. It may stand still when only
    /// health changed, or when one came and another went: look at the list now and then all the same. None where the
    /// directory has no such thing.
    async fn revision(&self) -> Result<Option<i64>, DiscoveryError>;

    /// Who is there. Nobody is an empty list; no answer, or one that can't be understood at all, is an error.
    async fn list(&self) -> Result<MemberListing, DiscoveryError>;

    /// Where members enter themselves; none where somebody else keeps the list.
    fn registry(&self) -> Option<&dyn MemberRegistry> {
        None
    }
}

/// The writing side of a directory. Calls last until the directory has done it, which takes seconds; a call that is
/// dropped may still be carried out.
#[async_trait]
pub trait MemberRegistry: Send + Sync + 'static {
    /// Enters a member, or replaces what is known under its id.
    async fn register(&self, member: &Member) -> Result<(), DiscoveryError>;

    /// Strikes a member out. One that isn't there is no error.
    async fn deregister(&self, id: &MemberId) -> Result<(), DiscoveryError>;

    /// Tells others how a member finds itself. It takes tens of seconds to reach them: a hint, not a switch.
    async fn publish(&self, id: &MemberId, healthy: bool) -> Result<(), DiscoveryError>;
}

/// Asks a member itself whether it serves: what it says counts more than what the directory says.
#[async_trait]
pub trait HealthProbe: Send + Sync + 'static {
    /// An error says why it doesn't. The caller bounds the time.
    async fn probe(&self, member: &Member) -> Result<(), Failure>;
}

/// A directory did not do what it was asked for. `place` is [`Discovery::place`], `operation` what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Nobody answered, or not in time, or the directory is broken: retryable.
    #[error("{place}: no answer to {operation}: {why}")]
    Unreachable {
        /// Whom.
        place: String,
        /// What was asked.
        operation: &'static str,
        /// What happened.
        why: String,
    },
    /// Too many asked: retryable.
    #[error("{place}: {operation} is throttled: {why}")]
    Throttled {
        /// Whom.
        place: String,
        /// What was asked.
        operation: &'static str,
        /// What it said.
        why: String,
    },
    /// The caller isn't known or may not do this.
    #[error("{place}: {operation} was refused: {why}; {remedy}")]
    Refused {
        /// Whom.
        place: String,
        /// What was asked.
        operation: &'static str,
        /// What it said.
        why: String,
        /// How to mend it.
        remedy: &'static str,
    },
    /// What is configured doesn't exist there.
    #[error("{place}: there is no {what}; {remedy}")]
    Missing {
        /// Whom.
        place: String,
        /// What doesn't exist.
        what: String,
        /// How to mend it.
        remedy: &'static str,
    },
    /// It can't be asked as configured.
    #[error("{place}: {why}; {remedy}")]
    Misconfigured {
        /// Whom.
        place: String,
        /// What is wrong.
        why: String,
        /// How to mend it.
        remedy: &'static str,
    },
    /// It was asked, and said that it failed.
    #[error("{place}: {operation} failed: {why}")]
    Failed {
        /// Whom.
        place: String,
        /// What was asked.
        operation: &'static str,
        /// What it said.
        why: String,
    },
}

impl DiscoveryError {
    /// Whether the same call may succeed later without anybody mending anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Throttled { .. } => true,
            Self::Refused { .. }
            | Self::Missing { .. }
            | Self::Misconfigured { .. }
            | Self::Failed { .. } => false,
        }
    }
}
