//! A process enters itself into the directory, sees that it stays there, and strikes itself out before it leaves.
//!
//! Nobody does it for it: what Amazon ECS registers by itself is struck out no earlier than the process is stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    AgentName, Discovery, DiscoveryError, HostPort, InvalidId, Member, MemberId, MemberRegistry, MemberRole,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::advertise::advertised;
use crate::config::{Berth, Config};
use crate::discovery::directory;
use crate::failed::Failed;
use crate::operator::Check;

/// How often it is looked whether it is there still: others may have struck it out.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long a process that leaves waits for a directory to let it go.
const STRUCK_OUT_WITHIN: Duration = Duration::from_secs(3);
/// From one attempt to the next, doubled up to the last.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
const AGAIN_AT_MOST: Duration = Duration::from_secs(15);
/// Longest id that every directory takes.
const LONGEST_ID: usize = 64;

/// The name of a process that listens at `address`: the same at its next start there, whose entry and rows replace those
/// of the start before, which can't be running any more.
pub(crate) fn process_name(role: MemberRole, address: &HostPort) -> String {
    let name = format!("{role}-{}:{}", address.host(), address.port());
    if name.len() <= LONGEST_ID {
        return name;
    }
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{role}-{:016x}", hasher.finish())
}

/// A process that can be found, and what is to be told of it.
pub(crate) struct Entry<'a> {
    pub(crate) role: MemberRole,
    /// The role's in the configuration.
    pub(crate) section: &'static str,
    pub(crate) berth: &'a Berth,
    /// Where it listens.
    pub(crate) bound: SocketAddr,
    pub(crate) incarnation: u64,
    pub(crate) agents: Vec<AgentName>,
}

impl Entry<'_> {
    /// Where others reach it.
    ///
    /// # Errors
    /// Nobody says.
    pub(crate) async fn advertised(&self) -> Result<HostPort, Failed> {
        let set = |name: &str| std::env::var(name).ok();
        advertised(self.section, self.berth.advertise.as_ref(), self.bound, &set).await
    }

    fn member(&self, address: HostPort) -> Result<Member, InvalidId> {
        let id = MemberId::parse(&process_name(self.role, &address))?;
        Ok(Member {
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            incarnation: Some(self.incarnation),
            agents: self.agents.clone(),
            ..Member::at(id, self.role, address)
        })
    }
}

/// The entry of a process in the directory of the configuration; none where members don't enter themselves.
///
/// # Errors
/// A directory that can't be asked, and an address that nobody says.
pub(crate) async fn enter(
    config: &Config,
    entry: &Entry<'_>,
) -> Result<Option<(Registration, Registered)>, Failed> {
    let Some(settings) = &config.discovery else {
        return Ok(None);
    };
    let found = directory(&settings.place, MemberRole::Agent, &|name| {
        std::env::var(name).ok()
    })?;
    if found.registry().is_none() {
        return Ok(None);
    }
    let member = entry.member(entry.advertised().await?)?;
    Ok(Registration::new(found, member))
}

/// One process's entry in a directory that members enter themselves into.
pub(crate) struct Registration {
    directory: Arc<dyn Discovery>,
    member: Member,
    told: watch::Sender<Option<String>>,
}

/// Whether it is entered: what others need to find the process.
pub(crate) struct Registered(watch::Receiver<Option<String>>);

#[async_trait]
impl Check for Registered {
    async fn obstacle(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

impl Registration {
    /// Not entered yet. None where somebody else keeps the list.
    pub(crate) fn new(directory: Arc<dyn Discovery>, member: Member) -> Option<(Self, Registered)> {
        directory.registry()?;
        let obstacle = format!("not registered yet in {}", directory.place());
        let (told, seen) = watch::channel(Some(obstacle));
        let registration = Self {
            directory,
            member,
            told,
        };
        Some((registration, Registered(seen)))
    }

    /// Which directory it is, for people.
    pub(crate) fn place(&self) -> String {
        self.directory.place()
    }

    /// Enters it and sees that it stays there until `until` fires, then strikes it out. What the directory refuses is
    /// tried again for as long as this is run.
    pub(crate) async fn keep(self, until: CancellationToken) {
        let Some(registry) = self.directory.registry() else {
            return;
        };
        until.run_until_cancelled(self.stay(registry)).await;
        let striking = || registry.deregister(&self.member.id);
        let striking = self.persist("be struck out", striking);
        let (id, place) = (&self.member.id, self.directory.place());
        match tokio::time::timeout(STRUCK_OUT_WITHIN, striking).await {
            Ok(()) => tracing::info!(%id, %place, "struck out of the directory"),
            // Those who look find out by themselves that nobody is there.
            Err(_) => {
                tracing::warn!(%id, %place, "the directory doesn't answer: left without being struck out")
            }
        }
    }

    async fn stay(&self, registry: &dyn MemberRegistry) {
        loop {
            self.persist("be entered", || registry.register(&self.member))
                .await;
            self.told.send_replace(None);
            let (member, place) = (&self.member, self.directory.place());
            tracing::info!(id = %member.id, address = %member.address, %place, "entered into the directory");
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                // No answer says nothing.
                if let Ok(listing) = self.directory.list().await
                    && listing.members.iter().all(|seen| seen.member != self.member)
                {
                    tracing::warn!(id = %member.id, %place, "not in the directory any more, or not as entered");
                    let why = "not in the directory any more, or not as entered".to_owned();
                    self.told.send_replace(Some(why));
                    break;
                }
            }
        }
    }

    /// Does something until it is done.
    async fn persist<'a, F>(&'a self, what: &str, done: impl Fn() -> F)
    where
        F: Future<Output = Result<(), DiscoveryError>> + 'a,
    {
        let (mut pause, mut complaint) = (AGAIN_AFTER, None);
        while let Err(error) = done().await {
            let said = error.to_string();
            if complaint.as_ref() != Some(&said) {
                tracing::warn!(id = %self.member.id, %error, "could not {what}: tried again and again");
                self.told.send_if_modified(|told| {
                    let news = told.is_some();
                    if news {
                        *told = Some(said.clone());
                    }
                    news
                });
                complaint = Some(said);
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(AGAIN_AT_MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use greenroom_discovery::testkit::Board;
    use tokio::task::JoinSet;

    fn mine() -> Member {
        let bound = "127.0.0.1:7071".parse().unwrap();
        let berth = Berth {
            advertise: None,
            stop: Duration::from_secs(9),
        };
        let entry = Entry {
            role: MemberRole::Agent,
            section: "agent",
            berth: &berth,
            bound,
            incarnation: 7,
            agents: vec![AgentName::parse("echo").unwrap()],
        };
        entry.member(bound.into()).unwrap()
    }

    async fn listed(board: &Board) -> Vec<Member> {
        let listing = board.list().await;
        let members = listing.map(|listing| listing.members).unwrap_or_default();
        members.into_iter().map(|seen| seen.member).collect()
    }

    async fn until_true(mut met: impl AsyncFnMut() -> bool) {
        let all = async {
            while !met().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), all).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_enters_itself_stays_there_and_strikes_itself_out() {
        let board = Arc::new(Board::default());
        board.away(true);
        let (registration, registered) = Registration::new(Arc::clone(&board) as _, mine()).unwrap();
        let until = CancellationToken::new();
        let mut keeping = JoinSet::new();
        keeping.spawn(registration.keep(until.clone()));
        until_true(async || {
            registered
                .obstacle()
                .await
                .is_some_and(|why| !why.contains("yet"))
        })
        .await;
        board.away(false);
        until_true(async || registered.obstacle().await.is_none()).await;
        assert_eq!(listed(&board).await, [mine()]);
        // Somebody strikes it out.
        board.set(Vec::new());
        until_true(async || listed(&board).await == [mine()]).await;
        // The directory is away when it leaves.
        board.away(true);
        until.cancel();
        tokio::time::sleep(Duration::from_secs(1)).await;
        board.away(false);
        tokio::time::timeout(Duration::from_secs(60), keeping.join_all())
            .await
            .unwrap();
        assert_eq!(listed(&board).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_stays_away_holds_up_nobody_who_leaves() {
        let board = Arc::new(Board::default());
        let (registration, registered) = Registration::new(Arc::clone(&board) as _, mine()).unwrap();
        let until = CancellationToken::new();
        let mut keeping = JoinSet::new();
        keeping.spawn(registration.keep(until.clone()));
        until_true(async || registered.obstacle().await.is_none()).await;
        board.away(true);
        until.cancel();
        tokio::time::timeout(Duration::from_secs(4), keeping.join_all())
            .await
            .unwrap();
    }

    #[test]
    fn a_process_is_named_after_where_it_is_reached() {
        let name = |address: &str| process_name(MemberRole::Supervisor, &address.parse().unwrap());
        assert_eq!(name("10.0.1.7:7070"), "supervisor-10.0.1.7:7070");
        assert_eq!(name("[fd00::7]:7070"), "supervisor-fd00::7:7070");
        let long = format!("{}.internal:7070", "a".repeat(60));
        assert!(name(&long).len() <= LONGEST_ID, "{}", name(&long));
        assert_ne!(name(&long), name(&format!("b{long}")));
    }
}
