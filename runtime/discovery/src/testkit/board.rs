//! A directory in memory, which fails when told to.

use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    Clock, Discovery, DiscoveryError, HealthHint, Member, MemberId, MemberListing, MemberRegistry,
    MemberRole, Sighting, Timestamp,
};
use parking_lot::Mutex;

/// Members that a test writes down.
#[derive(Debug, Default)]
pub struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    members: Vec<Sighting>,
    revision: i64,
    away: bool,
    silent: bool,
    lists: u32,
}

impl Board {
    /// Lets exactly these be there; the revision moves.
    pub fn set(&self, members: Vec<Sighting>) {
        let mut state = self.0.lock();
        state.members = members;
        state.revision += 1;
    }

    /// Changes what is said of a member's health; the revision stands still.
    pub fn hint(&self, id: &str, hint: HealthHint) {
        for seen in &mut self.0.lock().members {
            if seen.member.id.as_str() == id {
                seen.hint = hint;
            }
        }
    }

    /// Answers with errors from now on, or no longer.
    pub fn away(&self, away: bool) {
        self.0.lock().away = away;
    }

    /// Doesn't answer at all from now on, or does again.
    pub fn silent(&self, silent: bool) {
        self.0.lock().silent = silent;
    }

    /// How often the whole list was asked for.
    pub fn lists(&self) -> u32 {
        self.0.lock().lists
    }

    async fn answers(&self, operation: &'static str) -> Result<(), DiscoveryError> {
        let (away, silent) = {
            let state = self.0.lock();
            (state.away, state.silent)
        };
        if silent {
            std::future::pending::<()>().await;
        }
        match away {
            false => Ok(()),
            true => Err(DiscoveryError::Unreachable {
                place: self.place(),
                operation,
                why: "it is away".to_owned(),
            }),
        }
    }
}

#[async_trait]
impl Discovery for Board {
    fn place(&self) -> String {
        "a board".to_owned()
    }

    async fn revision(&self) -> Result<Option<i64>, DiscoveryError> {
        self.answers("the revision").await?;
        Ok(Some(self.0.lock().revision))
    }

    async fn list(&self) -> Result<MemberListing, DiscoveryError> {
        self.answers("the list").await?;
        let mut state = self.0.lock();
        state.lists += 1;
        Ok(MemberListing {
            members: state.members.clone(),
            revision: Some(state.revision),
            notes: Vec::new(),
        })
    }

    fn registry(&self) -> Option<&dyn MemberRegistry> {
        Some(self)
    }
}

#[async_trait]
impl MemberRegistry for Board {
    async fn register(&self, member: &Member) -> Result<(), DiscoveryError> {
        self.answers("registering").await?;
        let mut state = self.0.lock();
        state.members.retain(|seen| seen.member.id != member.id);
        state.members.push(Sighting {
            member: member.clone(),
            hint: HealthHint::Healthy,
        });
        state.revision += 1;
        Ok(())
    }

    async fn deregister(&self, id: &MemberId) -> Result<(), DiscoveryError> {
        self.answers("deregistering").await?;
        let mut state = self.0.lock();
        state.members.retain(|seen| seen.member.id != *id);
        state.revision += 1;
        Ok(())
    }

    async fn publish(&self, id: &MemberId, healthy: bool) -> Result<(), DiscoveryError> {
        self.answers("publishing health").await?;
        self.hint(
            id.as_str(),
            match healthy {
                true => HealthHint::Healthy,
                false => HealthHint::Unhealthy,
            },
        );
        Ok(())
    }
}

/// A clock that stands, for pictures that only say since when.
#[derive(Debug, Default)]
pub struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// An agent host at a port of this machine, well as far as anybody says.
#[allow(clippy::unwrap_used, reason = "part of a test kit")]
pub fn member(id: &str, port: u16) -> Sighting {
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    Sighting {
        member: Member::at(MemberId::parse(id).unwrap(), MemberRole::Agent, address),
        hint: HealthHint::Healthy,
    }
}
