//! Asking whoever wrote a journal last: nobody who lives is robbed.

use std::time::Duration;

use greenroom_kernel::{Failure, Holding, HostPort, JournalKey, NodeState, Standing, StoreError, Writer};

use tokio::time::Instant;

use super::{Fleet, Way};

/// How long a process that lives has to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How long one has that fell silent: it is probably dead.
const LAST_CALL: Duration = Duration::from_secs(1);
/// For how long one that didn't answer isn't asked again on behalf of callers: they have waited for it once.
const UNREACHED: Duration = Duration::from_secs(2);
/// How many journals are followed at once; beyond, the scan finds them.
const FOLLOWED: usize = 1_000;

const TOO_LONG: &str = "it took too long";

impl Fleet {
    /// Whether what `writer` wrote last may be taken over now.
    ///
    /// # Errors
    /// UNAVAILABLE: its holder works on it, which is said as elsewhere; or it lives and doesn't answer, so that callers are
    /// sent there: they may reach it; or this process takes nothing.
    pub(crate) async fn free(&self, key: &JournalKey, writer: &Writer, way: Way) -> Result<(), Kept> {
        if !self.takes() {
            return Err(Kept::Otherwise(self.takes_nothing()));
        }
        let view = self.view();
        match view.standing(writer) {
            Standing::Mine | Standing::Gone => Ok(()),
            Standing::Alive(row) => self.ask(&row.address, key, writer, way).await,
            Standing::Silent(row) => self.last_call(&row.address, key, writer, way).await,
            Standing::Unseen => match self.look_for(writer).await {
                Ok(Some(at)) => self.ask(&at, key, writer, way).await,
                Ok(None) => Ok(()),
                Err(error) => Err(Kept::Otherwise(Failure::from(&error))),
            },
        }
    }

    async fn ask(&self, at: &HostPort, key: &JournalKey, writer: &Writer, way: Way) -> Result<(), Kept> {
        let why = match self.was_unreached(writer) && way == Way::Outside {
            true => "it didn't answer a moment ago".to_owned(),
            false => match tokio::time::timeout(ANSWER, self.question(at, key, way)).await {
                Ok(Ok(Holding::Free)) => return Ok(()),
                Ok(Ok(Holding::Held)) => return Err(Kept::Held(at.clone())),
                Ok(Err(failure)) => failure.message,
                Err(_) => TOO_LONG.to_owned(),
            },
        };
        // It may have left since the last look.
        if matches!(self.look_for(writer).await, Ok(None)) {
            return Ok(());
        }
        self.note_unreached(writer, at, &why);
        Err(Kept::Otherwise(match way {
            Way::Outside => unreached(at, writer, &why),
            Way::Scan | Way::Inside | Way::InsideFirmly | Way::Back => silent_holder(&why),
        }))
    }

    fn was_unreached(&self, writer: &Writer) -> bool {
        let unreached = self.unreached.lock();
        unreached
            .get(writer)
            .is_some_and(|asked| asked.elapsed() < UNREACHED)
    }

    fn note_unreached(&self, writer: &Writer, at: &HostPort, why: &str) {
        if !self.was_unreached(writer) {
            tracing::warn!(node = %writer.node, %at, why, "a supervisor that lives can't be reached from here: its sessions stay with it");
            self.unreached.lock().insert(writer.clone(), Instant::now());
        }
    }

    /// One that fell silent is asked once before it is robbed. What it doesn't answer for one journal it doesn't for
    /// the others.
    async fn last_call(
        &self,
        at: &HostPort,
        key: &JournalKey,
        writer: &Writer,
        way: Way,
    ) -> Result<(), Kept> {
        if self.buried.lock().contains(writer) {
            return Ok(());
        }
        match tokio::time::timeout(LAST_CALL, self.question(at, key, way)).await {
            Ok(Ok(Holding::Held)) => Err(Kept::Held(at.clone())),
            Ok(Ok(Holding::Free)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(node = %writer.node, %at, "a silent process doesn't answer either: its sessions are taken over");
                self.buried.lock().insert(writer.clone());
                Ok(())
            }
        }
    }

    async fn question(&self, at: &HostPort, key: &JournalKey, way: Way) -> Result<Holding, Failure> {
        match way.is_firm() {
            true => self.peers.release(at, key).await,
            false => self.peers.holds(at, key).await,
        }
    }

    /// Where a process is that no look has shown yet, if it is there: who writes has its row in the store before.
    async fn look_for(&self, writer: &Writer) -> Result<Option<HostPort>, StoreError> {
        let rows = self.nodes.nodes().await?;
        let found = rows.into_iter().find(|row| row.writer() == *writer);
        Ok(found
            .filter(|row| row.state != NodeState::Left)
            .map(|row| row.address))
    }

    /// Whether somebody else, who lives, has an actor for what `writer` wrote last; where.
    pub(crate) async fn held_elsewhere(&self, key: &JournalKey, writer: &Writer) -> Option<HostPort> {
        if self.was_unreached(writer) {
            return None;
        }
        let view = self.view();
        let at = &view.holder(writer)?.address;
        let why = match tokio::time::timeout(ANSWER, self.peers.holds(at, key)).await {
            Ok(Ok(held)) => return matches!(held, Holding::Held).then(|| at.clone()),
            Ok(Err(failure)) => failure.message,
            Err(_) => TOO_LONG.to_owned(),
        };
        self.note_unreached(writer, at, &why);
        None
    }

    /// Begins to follow a journal. False when it is followed already, or too many are.
    pub(super) fn begin_following(&self, key: &JournalKey) -> bool {
        let mut followed = self.followed.lock();
        followed.len() < FOLLOWED && followed.insert(key.clone())
    }
}

/// Why a journal can't be taken over now.
pub(crate) enum Kept {
    /// Whoever is there works on it, and may let go of it soon.
    Held(HostPort),
    /// What callers are to be told.
    Otherwise(Failure),
}

impl From<Kept> for Failure {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Held(at) => Failure::elsewhere(at),
            Kept::Otherwise(failure) => failure,
        }
    }
}

/// Whoever has it may be reached by callers: it takes back then what it can serve.
fn unreached(at: &HostPort, writer: &Writer, why: &str) -> Failure {
    let asks = "the supervisor that has this session can't be reached from its new one: ask it, or ask again";
    Failure {
        message: format!("{asks} ({why})"),
        elsewhere_node: Some(Box::new(writer.node.clone())),
        ..Failure::elsewhere(at.clone()).not_begun()
    }
}

fn silent_holder(why: &str) -> Failure {
    Failure::unavailable(format!(
        "the supervisor that has this session doesn't answer, and may live: ask again ({why})"
    ))
    .not_begun()
}
