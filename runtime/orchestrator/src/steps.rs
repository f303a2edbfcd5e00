//! Reading a journal back: whole for its next owner, or one task of it for people.

use std::sync::Arc;

use greenroom_kernel::{
    Failure, Journal, JournalKey, OpenTask, Slot, Snapshot, StepView, Store, StoreError, TaskRow,
};

use crate::hub::Hub;

const PAGE: u32 = 256;

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
            return Ok(Loaded { journal, snapshot });
        }
    }
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
