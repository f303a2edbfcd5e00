//! Reading a journal back: whole for its next owner, or one task of it for people.

use std::sync::Arc;

use greenroom_kernel::{
    Failure, Journal, JournalKey, OpenTask, Slot, Snapshot, StepView, Store, StoreError, TaskRow, Writer,
};

use crate::hub::Hub;
use crate::membership::{Kept, Way, follow};
use crate::shared::Shared;

const PAGE: u32 = 256;
/// How many owners may come and go while a journal is being obtained.
const OWNERS: u32 = 4;

/// A journal as read back.
pub(crate) struct Loaded {
    pub(crate) journal: Journal,
    /// The slot its snapshot goes up to; 0 without one.
    pub(crate) snapshot: u64,
}

/// Folds a journal from its newest snapshot on.
pub(crate) async fn load(store: &dyn Store, key: &JournalKey) -> Result<Loaded, StoreError> {
    let snapshot = store.snapshot(key).await?;
    let mut journal = snapshot
        .and_then(|snapshot| read(key, &snapshot))
        .unwrap_or_else(|| Journal::empty(key.journal.clone()));
    let snapshot = journal.next;
    fold_on(store, key, &mut journal).await?;
    Ok(Loaded { journal, snapshot })
}

/// Folds what was written behind what is folded.
async fn fold_on(store: &dyn Store, key: &JournalKey, journal: &mut Journal) -> Result<(), StoreError> {
    loop {
        let slots = store.read(key, journal.next, PAGE).await?;
        for slot in &slots {
            journal.apply(slot).map_err(|error| StoreError::Corrupt {
                operation: "read",
                what: format!("journal {}", key.journal),
                source: Some(Box::new(error)),
            })?;
        }
        if slots.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// Reads a journal that this process is to own: first whoever wrote it last is asked, if that is somebody else who lives.
///
/// # Errors
/// What the store says; UNAVAILABLE while somebody else has it, with where.
pub(crate) async fn obtain(shared: &Arc<Shared>, key: &JournalKey, way: Way) -> Result<Loaded, Failure> {
    let failed = |error| Failure::from(&error);
    let mut loaded = load(&*shared.store, key).await.map_err(failed)?;
    let Some(fleet) = &shared.fleet else {
        return Ok(loaded);
    };
    if way == Way::Back {
        let last = loaded.journal.epoch.as_ref();
        let last = last.filter(|_| !loaded.journal.released);
        return fleet.takes_back(key, last).map(|()| loaded);
    }
    // Who let go, and how far its log went then.
    let mut free: Option<(Writer, u64)> = None;
    for _ in 0..OWNERS {
        match &loaded.journal.epoch {
            Some(_) if loaded.journal.released => return Ok(loaded),
            Some(writer) if *writer != shared.writer => {
                let known = (writer.clone(), loaded.journal.next);
                if free.as_ref() == Some(&known) {
                    return Ok(loaded);
                }
                let writer = writer.clone();
                if let Err(kept) = fleet.free(key, &writer, way).await {
                    if let (Way::Outside, Kept::Held(at)) = (way, &kept) {
                        follow(shared, key, at);
                    }
                    return Err(kept.into());
                }
                free = Some(known);
                // What it wrote before it let go.
                fold_on(&*shared.store, key, &mut loaded.journal)
                    .await
                    .map_err(failed)?;
            }
            Some(_) | None => return Ok(loaded),
        }
    }
    Err(Failure::unavailable(
        "this session goes from hand to hand: ask again",
    ))
}

/// A snapshot that can't be read is no loss: the journal is folded from its start.
fn read(key: &JournalKey, snapshot: &Snapshot) -> Option<Journal> {
    match serde_json::from_str::<Journal>(&snapshot.state) {
        Ok(journal) if journal.next == snapshot.next && journal.id == key.journal => Some(journal),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(journal = %key.journal, %error, "a snapshot can't be read, folding from the start");
            None
        }
    }
}

/// A task with its steps, as its part of the journal tells it.
pub(crate) async fn replay(
    store: &dyn Store,
    key: &JournalKey,
    row: &TaskRow,
) -> Result<Option<OpenTask>, Failure> {
    replay_to(store, key, row, row.last.seq).await
}

/// The same as it stood behind slot `end`.
pub(crate) async fn replay_to(
    store: &dyn Store,
    key: &JournalKey,
    row: &TaskRow,
    end: u64,
) -> Result<Option<OpenTask>, Failure> {
    let mut slots: Vec<Slot> = Vec::new();
    let mut next = row.first.seq;
    while next <= end {
        let page = store
            .read(key, next, PAGE)
            .await
            .map_err(|error| Failure::from(&error))?;
        let Some(last) = page.last() else { break };
        next = last.seq + 1;
        slots.extend(page.into_iter().take_while(|slot| slot.seq <= end));
    }
    Ok(OpenTask::replay(row.id.ordinal, &slots))
}

/// A task's steps in order of their numbers, those that only run included.
pub(crate) async fn views(
    store: &dyn Store,
    key: &JournalKey,
    row: &TaskRow,
    hub: Option<Arc<Hub>>,
) -> Result<Vec<StepView>, Failure> {
    let task = replay(store, key, row).await?;
    let mut views: Vec<StepView> = task
        .iter()
        .flat_map(|task| task.steps.values())
        .map(greenroom_kernel::StepRecord::view)
        .collect();
    if let Some(hub) = hub
        && !row.status.is_terminal()
    {
        let (_, hints) = hub.hints_after(0);
        let running = hub.running();
        for (task, step) in hints {
            let live = running == Some((row.id.ordinal, step.attempt)) && task == row.id.ordinal;
            if live && !views.iter().any(|view| view.number == step.number) {
                views.push(step);
            }
        }
    }
    views.sort_by_key(|view| view.number);
    Ok(views)
}
