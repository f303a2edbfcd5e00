//! A process enters itself into the directory, sees that it stays there, and strikes itself out before it leaves.
//!
//! Nobody does it for it: what Amazon ECS registers by itself is struck out no earlier than the process is stopped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{Discovery, DiscoveryError, Member, MemberId, MemberRegistry, MemberRole, HostPort};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::operator::Check;

/// How often it is looked whether it is there still: others may have struck it out.
const LOOK_EVERY: Duration = Duration::from_secs(30);
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

/// A member of `role` at `address`, of this version.
///
/// # Errors
/// A name that directories don't take.
pub(crate) fn member(
    role: MemberRole,
    address: HostPort,
    incarnation: u64,
) -> Result<Member, greenroom_kernel::InvalidId> {
    let id = MemberId::parse(&process_name(role, &address))?;
    Ok(Member {
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        incarnation: Some(incarnation),
        ..Member::at(id, role, address)
    })
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

    /// Enters it and sees that it stays there until `until` fires, then strikes it out. What the directory refuses is
    /// tried again for as long as this is run.
    pub(crate) async fn keep(self, until: CancellationToken) {
        let Some(registry) = self.directory.registry() else {
            return;
        };
        until.run_until_cancelled(self.stay(registry)).await;
        let striking = || registry.deregister(&self.member.id);
        self.persist("be struck out", striking).await;
        tracing::info!(id = %self.member.id, place = %self.directory.place(), "struck out of the directory");
    }

    async fn stay(&self, registry: &dyn MemberRegistry) {
        loop {
            self.persist("be entered", || registry.register(&self.member)).await;
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

    fn mine() -> Member {
        member(MemberRole::Agent, "127.0.0.1:7071".parse().unwrap(), 7).unwrap()
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
        let keeping = tokio::spawn(registration.keep(until.clone()));
        until_true(async || registered.obstacle().await.is_some_and(|why| !why.contains("yet"))).await;
        board.away(false);
        until_true(async || registered.obstacle().await.is_none()).await;
        assert_eq!(listed(&board).await, [mine()]);
        // Somebody strikes it out.
        board.set(Vec::new());
        until_true(async || listed(&board).await == [mine()]).await;
        // The directory is away when it leaves.
        board.away(true);
        until.cancel();
        tokio::time::sleep(Duration::from_secs(3)).await;
        board.away(false);
        tokio::time::timeout(Duration::from_secs(60), keeping).await.unwrap().unwrap();
        assert_eq!(listed(&board).await, []);
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
