//! Who is there, as one value: read by every call without a lock, and replaced when anything about it changes.

use std::sync::Arc;

use greenroom_kernel::{Failure, HostPort, JournalKey, Member, Membership, NodeId, rendezvous};

use super::peer::Peer;

/// Supervisors kept that no directory names, but one of their own did: the newest ones.
const STRAYS: usize = 64;

/// What a call is about, and so who should be asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Home<'a> {
    /// One journal: its owner's.
    Journal(&'a JournalKey),
    /// No one journal: the less loaded of two.
    Anybody,
}

/// A member and its place among the nodes.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) peer: Arc<Peer>,
    /// What the directory calls it.
    listed: NodeId,
    /// What it calls itself; before it has said so, what the directory does.
    pub(super) node: NodeId,
}

/// Who is there.
#[derive(Clone, Default)]
pub(super) struct Roster {
    pub(super) seats: Vec<Seat>,
    strays: Vec<Arc<Peer>>,
    /// Members that can't be called at all, and why.
    pub(super) barred: Vec<(HostPort, String)>,
    /// What is known of the directory, for people.
    nobody: Option<String>,
}

impl Roster {
    /// The roster behind this one, as `membership` tells it. Who is still there keeps connection and breaker.
    pub(super) fn follow(
        &self,
        membership: &Membership,
        dial: impl Fn(&HostPort) -> Result<Arc<Peer>, Failure>,
    ) -> Self {
        let mut members: Vec<&Member> = membership.usable().collect();
        if members.is_empty() {
            // Whom a directory finds unwell may be well: better asked than nobody.
            members = membership.all().collect();
        }
        let mut next = Self {
            nobody: membership
                .why
                .clone()
                .or_else(|| (!membership.known).then(|| "the directory has not answered yet".to_owned())),
            ..Self::default()
        };
        for member in members {
            if next.at(&member.address).is_some() {
                continue;
            }
            let known = self.at(&member.address);
            let peer = known.map_or_else(|| dial(&member.address), Ok);
            match peer.and_then(|peer| Ok(seat(peer, listed_as(member)?))) {
                Ok(seat) => next.seats.push(seat),
                Err(failure) => next.barred.push((member.address.clone(), failure.message)),
            }
        }
        // Those who left the list may have journals yet, to which others lead.
        let known = self.strays.iter().chain(self.seats.iter().map(|seat| &seat.peer));
        let mut strays: Vec<_> = known
            .filter(|peer| next.at(&peer.address).is_none())
            .cloned()
            .collect();
        next.strays = strays.split_off(strays.len().saturating_sub(STRAYS));
        next
    }

    /// The roster with one more that only redirects lead to.
    pub(super) fn with_stray(&self, peer: Arc<Peer>) -> Self {
        let mut next = self.clone();
        if next.strays.len() >= STRAYS {
            next.strays.remove(0);
        }
        next.strays.push(peer);
        next
    }

    /// The roster with everybody under the name that it gives itself now.
    pub(super) fn renamed(&self) -> Self {
        let mut next = self.clone();
        next.seats = next
            .seats
            .into_iter()
            .map(|old| seat(old.peer, old.listed))
            .collect();
        next
    }

    /// Whether somebody calls itself otherwise than it is called here.
    pub(super) fn is_misnamed(&self, peer: &Peer) -> bool {
        let seat = self.seats.iter().find(|seat| seat.peer.address == peer.address);
        seat.is_some_and(|seat| peer.name().is_some_and(|name| *name != seat.node))
    }

    /// Where a node is, as the directory has it.
    pub(super) fn of(&self, node: &NodeId) -> Option<HostPort> {
        let seat = self.seats.iter().find(|seat| seat.node == *node);
        seat.map(|seat| seat.peer.address.clone())
    }

    pub(super) fn at(&self, address: &HostPort) -> Option<Arc<Peer>> {
        let mut peers = self.seats.iter().map(|seat| &seat.peer).chain(&self.strays);
        peers.find(|peer| peer.address == *address).cloned()
    }

    /// Whom to ask next, of those that were not `passed` over.
    pub(super) fn next(
        &self,
        home: Home<'_>,
        passed: &[HostPort],
        random: impl Fn() -> u64,
    ) -> Option<&Arc<Peer>> {
        let left = || {
            self.seats
                .iter()
                .filter(|seat| !passed.contains(&seat.peer.address))
        };
        let seat = match home {
            Home::Journal(key) => {
                let node = rendezvous(left().map(|seat| &seat.node), key)?;
                left().find(|seat| seat.node == *node)
            }
            Home::Anybody => {
                let count = u64::try_from(left().count()).ok().filter(|count| *count > 0)?;
                let pick = || left().nth(usize::try_from(random() % count).unwrap_or(0));
                let (one, other) = (pick()?, pick()?);
                let lighter = one.peer.in_flight() <= other.peer.in_flight();
                Some(if lighter { one } else { other })
            }
        };
        seat.map(|seat| &seat.peer)
    }

    /// Why there is nobody to ask.
    pub(super) fn nobody(&self) -> Failure {
        let barred = self.barred.first().map(|(_, why)| why.as_str());
        let why = barred
            .or(self.nobody.as_deref())
            .unwrap_or("the directory names none");
        Failure::unavailable(format!("no supervisor is known: {why}"))
    }
}

fn seat(peer: Arc<Peer>, listed: NodeId) -> Seat {
    let node = peer.name().map_or_else(|| listed.clone(), |name| (*name).clone());
    Seat { peer, listed, node }
}

/// A member's id is its node's name where that can be one; else its address stands in, until the node says its name.
fn listed_as(member: &Member) -> Result<NodeId, Failure> {
    let address = member.address.to_string().replace(['[', ']'], "");
    let short = &address[address.len().saturating_sub(128)..];
    let named = NodeId::parse(member.id.as_str()).or_else(|_| NodeId::parse(short));
    named.map_err(Failure::from)
}
