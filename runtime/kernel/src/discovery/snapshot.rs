//! What an observer knows of the others at one moment.

use super::{HealthHint, Member};
use crate::Timestamp;

/// One member as the observer finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub member: Member,
    /// What the directory says of its health.
    pub hint: HealthHint,
    /// Why it is not used now, if it isn't.
    pub unusable: Option<String>,
}

/// Everybody an observer knows of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// By id.
    pub members: Vec<MemberView>,
    /// Since when the directory has not answered; none while it does. The members are the last known ones then.
    pub stale_since: Option<Timestamp>,
    /// Why it doesn't.
    pub why: Option<String>,
    /// Whether it has answered ever: before that an empty list says nothing.
    pub known: bool,
}

impl Membership {
    /// Those that work may be given to.
    pub fn usable(&self) -> impl Iterator<Item = &Member> {
        let well = self.members.iter().filter(|view| view.unusable.is_none());
        well.map(|view| &view.member)
    }

    /// Those that are registered, whether or not they answer.
    pub fn all(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().map(|view| &view.member)
    }
}
