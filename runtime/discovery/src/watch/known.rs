//! The members of the picture, and who of them is usable.

use std::collections::BTreeMap;
use std::fmt;

use greenroom_kernel::{HealthHint, Member, MemberId, MemberView, Sighting};

use crate::MOST_MEMBERS;

/// So many answers in a row must fail until a member that was well isn't.
const MISSES: u32 = 2;

/// Who came and who went.
#[derive(Debug, Default)]
pub(super) struct Change {
    came: Vec<String>,
    went: Vec<String>,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.came.is_empty() && self.went.is_empty()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed =
            |sign: char, all: &[String]| all.iter().map(|one| format!("{sign}{one}")).collect::<Vec<_>>();
        let all = [signed('+', &self.came), signed('-', &self.went)].concat();
        f.write_str(&all.join(" "))
    }
}

struct Entry {
    member: Member,
    hint: HealthHint,
    unusable: Option<String>,
    misses: u32,
    /// Which entry it is: an answer to the question how an earlier one was is none about this one.
    number: u64,
    asked: bool,
}

/// Everybody, by id.
pub(super) struct Known {
    members: BTreeMap<MemberId, Entry>,
    /// Whether members are asked how they are.
    probed: bool,
    entries: u64,
    /// Nobody was listed where somebody had been.
    emptied: bool,
}

impl Known {
    pub(super) fn new(probed: bool) -> Self {
        Self {
            members: BTreeMap::new(),
            probed,
            entries: 0,
            emptied: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id).map(|entry| &entry.member)
    }

    /// Whether the last list was empty and isn't believed yet.
    pub(super) fn doubts_emptiness(&self) -> bool {
        self.emptied && !self.members.is_empty()
    }

    /// Takes over a list.
    pub(super) fn take(&mut self, listed: Vec<Sighting>) -> Change {
        let emptied = listed.is_empty() && !self.members.is_empty();
        if emptied && !std::mem::replace(&mut self.emptied, emptied) {
            return Change::default();
        }
        self.emptied = false;
        let mut change = Change::default();
        let mut before = std::mem::take(&mut self.members);
        for Sighting { member, hint } in listed.into_iter().take(MOST_MEMBERS) {
            let id = member.id.clone();
            let entry = match before.remove(&id) {
                Some(known) if same_process(&known.member, &member) => {
                    let unusable = match hint {
                        HealthHint::Healthy | HealthHint::None if !self.probed => None,
                        _ => known.unusable,
                    };
                    Entry {
                        member,
                        hint,
                        unusable,
                        ..known
                    }
                }
                replaced => {
                    if replaced.is_some() {
                        change.went.push(id.to_string());
                    }
                    change.came.push(format!("{id}@{}", member.address));
                    self.entries += 1;
                    let unusable = match (self.probed, hint) {
                        (true, _) => Some("it was not asked yet".to_owned()),
                        (false, HealthHint::Unhealthy) => {
                            Some("the directory says that it is unwell".to_owned())
                        }
                        (false, HealthHint::Healthy | HealthHint::None) => None,
                    };
                    Entry {
                        member,
                        hint,
                        unusable,
                        misses: 0,
                        number: self.entries,
                        asked: false,
                    }
                }
            };
            self.members.insert(id, entry);
        }
        change.went.extend(before.into_keys().map(|id| id.to_string()));
        change
    }

    /// Those that nobody asked yet how they are; they count as asked from now on.
    pub(super) fn unasked(&mut self) -> Vec<(MemberId, u64)> {
        if !self.probed {
            return Vec::new();
        }
        let fresh = self.members.iter_mut().filter(|(_, entry)| !entry.asked);
        fresh
            .map(|(id, entry)| {
                entry.asked = true;
                (id.clone(), entry.number)
            })
            .collect()
    }

    /// Notes what a member said of itself. Tells whether it is to be asked again.
    pub(super) fn said(&mut self, id: &MemberId, number: u64, said: Result<(), String>) -> bool {
        let Some(entry) = self.members.get_mut(id).filter(|entry| entry.number == number) else {
            return false;
        };
        match said {
            Ok(()) => (entry.misses, entry.unusable) = (0, None),
            Err(why) => {
                entry.misses = entry.misses.saturating_add(1);
                if entry.misses >= MISSES || entry.unusable.is_some() {
                    entry.unusable = Some(why);
                }
            }
        }
        true
    }

    pub(super) fn views(&self) -> Vec<MemberView> {
        let view = |entry: &Entry| MemberView {
            member: entry.member.clone(),
            hint: entry.hint,
            unusable: entry.unusable.clone(),
        };
        self.members.values().map(view).collect()
    }
}

/// Whether what was known of the one is true of the other.
fn same_process(known: &Member, listed: &Member) -> bool {
    known.address == listed.address && known.incarnation == listed.incarnation && known.role == listed.role
}
