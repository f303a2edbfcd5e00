//! Child tasks whose parent has ended without wanting their answer: cancelled when that happens, and found again
//! when a process died in between.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    Failure, Journal, JournalKey, PageRequest, Reply, TaskId, TaskQuery, TaskStatus, TenantId,
};
use greenroom_supervision::Context;

use crate::journal_actor::{Message, Operation};
use crate::membership::Way;
use crate::shared::Shared;

const PAGE: u32 = 100;
/// How often another process is asked for a child that is to end, at most.
const ASKED: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// Cancels the children of `parent`: those its attempt was waiting for, and those the store knows of.
pub(crate) fn cancel(shared: &Arc<Shared>, tenant: &TenantId, parent: TaskId, mut children: Vec<TaskId>) {
    let (shared, tenant) = (Arc::clone(shared), tenant.clone());
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let query = TaskQuery {
            parent: Some(parent),
            ..TaskQuery::default()
        };
        let mut page = PageRequest {
            after: None,
            limit: PAGE,
        };
        loop {
            match shared.store.tasks(&tenant, &query, &page).await {
                Ok(found) => {
                    let open = found.rows.into_iter().filter(|row| !row.status.is_terminal());
                    children.extend(open.map(|row| row.id));
                    page.after = found.next;
                }
                // Each child's next owner looks for its parent.
                Err(error) => {
                    tracing::warn!(%error, "the children of an ended task are not known");
                    break;
                }
            }
            if page.after.is_none() {
                break;
            }
        }
        children.sort();
        children.dedup();
        for child in children {
            let key = shared.key(&tenant, &child.journal);
            let operation = Operation::Cancel { task: child.ordinal };
            if let Err(error) = end(&shared, &key, operation).await {
                tracing::debug!(journal = %key.journal, %error, "a child task was not cancelled");
            }
        }
    });
}

/// Gives its owner a command to end a child. One that another process has is asked for until it is let go of, which is
/// at its next step boundary.
async fn end(shared: &Arc<Shared>, key: &JournalKey, operation: Operation) -> Result<Reply, Failure> {
    let mut asked = 0;
    loop {
        let way = Way::InsideFirmly;
        match shared
            .journals
            .ask(shared, key, way, operation.clone(), None)
            .await
        {
            Err(failure) if shared.fleet.is_some() && failure.retryable && asked < ASKED => {
                asked += 1;
                tokio::select! {
                    () = shared.stopping.cancelled() => return Err(failure),
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            outcome => return outcome,
        }
    }
}

/// Ends a task that another process has, as cancelled, as soon as that lets go of it.
pub(crate) fn end_later(shared: &Arc<Shared>, tenant: &TenantId, task: &TaskId) {
    let (asking, key) = (Arc::clone(shared), shared.key(tenant, &task.journal));
    let operation = Operation::Cancel { task: task.ordinal };
    shared.tasks.spawn(async move {
        if let Err(error) = end(&asking, &key, operation).await {
            tracing::warn!(journal = %key.journal, %error, "a task that another process has was not cancelled");
        }
    });
}

/// Asks whether the parents of a journal's open tasks still want their answers; the actor is told if not.
pub(crate) fn check_parents(
    shared: &Arc<Shared>,
    journal: &Journal,
    key: &JournalKey,
    ctx: &Context<Message>,
) {
    // One that a person retried is wanted for itself.
    let handed = journal
        .open
        .iter()
        .filter(|(_, task)| task.accepted.retries.is_none());
    for (ordinal, task) in handed {
        let Some(parent) = &task.accepted.parent else {
            continue;
        };
        let (shared, tenant, parent) = (Arc::clone(shared), key.tenant.clone(), parent.task.clone());
        let (loopback, task) = (ctx.loopback(), *ordinal);
        ctx.spawn(async move {
            let orphaned = match shared.store.task(&tenant, &parent).await {
                Ok(row) => {
                    row.is_none_or(|row| matches!(row.status, TaskStatus::Failed | TaskStatus::Cancelled))
                }
                Err(error) => {
                    tracing::warn!(%parent, %error, "whether a parent task still runs is not known");
                    false
                }
            };
            if orphaned {
                loopback.send(Message::Orphaned { task });
            }
        });
    }
}
