//! A task's journal for its owner to take away: read whole, with everything that is stored apart put in.

use greenroom_kernel::{
    Failure, JournalKey, Payload, Store, TaskExport, TaskExporter, TaskId, TaskRow, TenantId,
};

use crate::payloads::fetch;

const PAGE: u32 = 256;

/// Reads a task's journal. Content that was deleted stays hollow.
///
/// # Errors
/// What the store says.
pub async fn export(store: &dyn Store, tenant: &TenantId, row: &TaskRow) -> Result<TaskExport, Failure> {
    let id: &TaskId = &row.id;
    let key = JournalKey {
        tenant: tenant.clone(),
        journal: id.journal.clone(),
    };
    let mut exporter = TaskExporter::new(tenant.clone(), id.clone());
    let mut next = 0;
    // The conversation before it lies anywhere in front; entries behind its last one are not its own.
    while next <= row.last.seq {
        let page = store
            .read(&key, next, PAGE)
            .await
            .map_err(|error| Failure::from(&error))?;
        let Some(last) = page.last() else { break };
        next = last.seq + 1;
        for slot in &page {
            exporter.slot(slot);
        }
    }
    let mut export = exporter.finish();
    for payload in export.payloads_mut() {
        if matches!(payload, Payload::Blob { .. }) {
            *payload = Payload::inline(fetch(store, &key, payload).await?);
        }
    }
    Ok(export)
}
