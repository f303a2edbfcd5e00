//! A task's journal for its owner to take away: read whole, with everything that is stored apart put in, within a
//! bound.

use std::io;

use greenroom_kernel::{
    Entry, ErrorCode, Failure, JournalKey, Payload, Store, TaskExport, TaskExporter, TaskId, TaskRow,
    TenantId,
};

use serde::Serialize;

use crate::payloads::fetch;

const PAGE: u32 = 256;

/// The longest journal that is exported, in bytes of JSON.
const AT_MOST: u64 = 64 << 20;

/// How much of a bound is left.
struct Room {
    bound: u64,
    left: u64,
}

impl Room {
    fn of(bound: u64) -> Self {
        Self { bound, left: bound }
    }

    /// Takes the place that a value has as JSON.
    fn take(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut *self, value).map_err(|_| self.full())
    }

    /// Refuses at once what is at least that long.
    fn holds(&self, bytes: u64) -> Result<(), Failure> {
        (bytes <= self.left).then_some(()).ok_or_else(|| self.full())
    }

    fn full(&self) -> Failure {
        let what = format!(
            "the journal has more than the {} bytes that can be exported",
            self.bound
        );
        Failure::new(ErrorCode::LimitExceeded, what)
    }
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a task's journal. Content that was deleted stays hollow.
///
/// # Errors
/// LIMIT_EXCEEDED where it has more than 64 MiB, of which no more is read then; what the store says.
pub async fn export(store: &dyn Store, tenant: &TenantId, row: &TaskRow) -> Result<TaskExport, Failure> {
    export_within(AT_MOST, store, tenant, row).await
}

pub(crate) async fn export_within(
    bound: u64,
    store: &dyn Store,
    tenant: &TenantId,
    row: &TaskRow,
) -> Result<TaskExport, Failure> {
    let mut room = Room::of(bound);
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
            let own = |entry: &&Entry| entry.task() == Some(id.ordinal);
            slot.entries
                .iter()
                .filter(own)
                .try_for_each(|entry| room.take(entry))?;
            exporter.slot(slot);
        }
    }
    let mut export = exporter.finish();
    for payload in export.payloads_mut() {
        if let Payload::Blob { bytes, .. } = payload {
            room.holds(*bytes)?;
            let text = fetch(store, &key, payload).await?;
            room.take(&&*text)?;
            *payload = Payload::inline(text);
        }
    }
    Ok(export)
}
