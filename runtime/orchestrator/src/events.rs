//! Event streams: a reader pulls journaled events from the store or its hub, and the running text between them.
//!
//! Nothing is queued for a reader: it holds a place in the journal and a copy of the text it has shown, and
//! asks for what is behind that. So a slow one holds nothing up, and one that comes back misses nothing.

mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use greenroom_kernel::{
    AgentName, AgentStatus, Cursor, EventStream, Failure, JournalKey, Position, Timestamp,
};

use crate::agents::AgentDirectory;
use crate::shared::Shared;
use reader::Reader;

/// How many slots behind a row's last are read to find who wrote last. Behind more it may be somebody else: then the
/// reader finds out.
const LAST_SLOTS: u32 = 256;

/// Whose events, of a journal's.
pub(crate) enum Whose {
    /// All.
    Journal,
    /// Those of one task: its last entry ends them.
    Task {
        /// Which.
        ordinal: u32,
        /// Where it ended, if it has.
        ended: Option<Position>,
    },
}

/// The events of a journal, or of one of its tasks, behind `from`.
pub(crate) fn stream(shared: Arc<Shared>, key: JournalKey, whose: Whose, from: Cursor) -> EventStream {
    let reader = Reader::new(shared, key, whose, from);
    futures::stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(event)) => Some((Ok(event), Some(reader))),
            Ok(None) => None,
            Err(failure) => Some((Err(failure), None)),
        }
    })
    .boxed()
}

/// Whether a journal's events are to be had here: text in the making is only where its actor is.
///
/// # Errors
/// UNAVAILABLE, with where they are to be had; what the store says.
pub(crate) async fn are_here(shared: &Shared, key: &JournalKey, last: u64) -> Result<(), Failure> {
    let Some(fleet) = &shared.fleet else {
        return Ok(());
    };
    is_not_elsewhere(shared, key, last).await?;
    match shared.journals.is_live(key) || fleet.leaves_unnoticed() {
        true => Ok(()),
        false => fleet.shows(key),
    }
}

/// Whether nobody else has an actor for a journal, as far as can be found out: what the store doesn't tell is only there.
///
/// # Errors
/// UNAVAILABLE, with who has one; what the store says.
pub(crate) async fn is_not_elsewhere(shared: &Shared, key: &JournalKey, last: u64) -> Result<(), Failure> {
    let Some(fleet) = &shared.fleet else {
        return Ok(());
    };
    if shared.journals.is_live(key) {
        return Ok(());
    }
    let slots = shared.store.read(key, last, LAST_SLOTS).await;
    let slots = slots.map_err(|error| Failure::from(&error))?;
    let Some(slot) = slots.last() else { return Ok(()) };
    match fleet.held_elsewhere(key, &slot.writer).await {
        Some(at) => Err(Failure::elsewhere(at)),
        None => Ok(()),
    }
}

/// Agents' states: the present ones, then each as it changes.
pub(crate) fn agents(
    directory: Arc<AgentDirectory>,
    name: Option<AgentName>,
) -> BoxStream<'static, AgentStatus> {
    struct Watch {
        directory: Arc<AgentDirectory>,
        name: Option<AgentName>,
        changes: tokio::sync::watch::Receiver<u64>,
        shown: BTreeMap<AgentName, AgentStatus>,
        waiting: Vec<AgentStatus>,
    }
    impl Watch {
        fn look(&mut self) {
            for status in self.directory.statuses() {
                let wanted = self.name.as_ref().is_none_or(|name| *name == status.card.name);
                // The time of looking is no news.
                let comparable = AgentStatus {
                    checked_at: Timestamp::default(),
                    ..status.clone()
                };
                if wanted && self.shown.get(&status.card.name) != Some(&comparable) {
                    self.shown.insert(status.card.name.clone(), comparable);
                    self.waiting.push(status);
                }
            }
        }
    }
    let changes = directory.changes();
    let mut watch = Watch {
        directory,
        name,
        changes,
        shown: BTreeMap::new(),
        waiting: Vec::new(),
    };
    watch.look();
    futures::stream::unfold(watch, |mut watch| async {
        loop {
            if !watch.waiting.is_empty() {
                return Some((watch.waiting.remove(0), watch));
            }
            watch.changes.changed().await.ok()?;
            watch.look();
        }
    })
    .boxed()
}
