//! Rows into the ledger: what is new among them is added to the sums of its day.

use std::collections::HashMap;

use greenroom_kernel::{LedgerId, LedgerRow, Records, RequestRow, Spent, StoreError};
use rusqlite::{Connection, params};

use super::pages::{self, Draft};
use crate::sqlite::writer::Written;

/// A whole number as a column takes it; what is beyond is the largest.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Records as pages, made before the writer has its turn.
pub(super) struct Prepared {
    tries: Vec<Draft>,
    requests: Vec<Draft>,
}

impl Prepared {
    pub(super) fn of(records: &Records) -> Result<Self, StoreError> {
        Ok(Self {
            tries: pages::draft("record", &records.tries)?,
            requests: pages::draft("record", &records.requests)?,
        })
    }

    /// Writes what isn't there yet, and tells which of the tries that was.
    pub(super) fn write(
        &self,
        connection: &Connection,
        mut is_new: impl FnMut(usize),
    ) -> rusqlite::Result<()> {
        for page in &self.tries {
            page.write::<LedgerRow>(connection, &mut is_new)?;
        }
        for page in &self.requests {
            page.write::<RequestRow>(connection, |_| {})?;
        }
        Ok(())
    }

    /// How many bytes it takes.
    fn bytes(&self) -> usize {
        self.tries.iter().chain(&self.requests).map(Draft::bytes).sum()
    }
}

pub(super) fn record(
    connection: &Connection,
    tries: &[LedgerRow],
    prepared: &Prepared,
) -> rusqlite::Result<Written<()>> {
    let mut sums: HashMap<[String; 7], Spent> = HashMap::new();
    // Rows that are written together are mostly of one kind: of a run of them one key is made.
    let mut run: Option<(&LedgerRow, Spent)> = None;
    prepared.write(connection, |of| {
        let row = &tries[of];
        let new = Spent::of(row);
        run = Some(match run.take() {
            Some((first, sum)) if is_summed_with(first, row) => (first, sum.plus(new)),
            Some((first, sum)) => {
                close(&mut sums, first, sum);
                (row, new)
            }
            None => (row, new),
        });
    })?;
    if let Some((first, sum)) = run {
        close(&mut sums, first, sum);
    }
    for (key, sum) in &sums {
        add(connection, key, sum)?;
    }
    Ok(Written::other((), prepared.bytes()))
}

fn close(sums: &mut HashMap<[String; 7], Spent>, of: &LedgerRow, sum: Spent) {
    let whole = sums.entry(key_of(of)).or_default();
    *whole = whole.plus(sum);
}

/// Whether two rows have one key.
fn is_summed_with(one: &LedgerRow, other: &LedgerRow) -> bool {
    one.provider == other.provider
        && one.model == other.model
        && one.kind == other.kind
        && one.caller.tenant == other.caller.tenant
        && one.caller.subject == other.caller.subject
        && one.caller.key.as_deref().unwrap_or_default() == other.caller.key.as_deref().unwrap_or_default()
        && one.at.day() == other.at.day()
}

fn key_of(row: &LedgerRow) -> [String; 7] {
    let caller = &row.caller;
    [
        caller.tenant.as_str(),
        &row.at.date(),
        caller.subject.as_str(),
        caller.key.as_deref().unwrap_or_default(),
        &row.provider,
        &row.model,
        row.kind.as_str(),
    ]
    .map(str::to_owned)
}

fn add(connection: &Connection, key: &[String; 7], sum: &Spent) -> rusqlite::Result<()> {
    let [tenant, day, subject, credential, provider, model, kind] = key;
    connection
        .prepare_cached(
            "INSERT INTO spend VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
             ON CONFLICT DO UPDATE SET tries = tries + excluded.tries, failed = failed + excluded.failed,
                 input = input + excluded.input, cached_input = cached_input + excluded.cached_input,
                 cache_write = cache_write + excluded.cache_write, output = output + excluded.output,
                 reasoning = reasoning + excluded.reasoning, cost = cost + excluded.cost,
                 unpriced = unpriced + excluded.unpriced, estimated = estimated + excluded.estimated",
        )?
        .execute(params![
            tenant,
            day,
            subject,
            credential,
            provider,
            model,
            kind,
            whole(sum.tries),
            whole(sum.failed),
            whole(sum.input),
            whole(sum.cached_input),
            whole(sum.cache_write),
            whole(sum.output),
            whole(sum.reasoning),
            whole(sum.cost_nanos),
            whole(sum.unpriced),
            whole(sum.estimated),
        ])?;
    Ok(())
}

/// Removes requests of before, the oldest first.
pub(super) fn sweep(connection: &Connection, before: LedgerId, limit: u32) -> rusqlite::Result<Written<u32>> {
    let swept = pages::sweep::<RequestRow>(connection, before, limit as usize)?;
    Ok(Written::other(u32::try_from(swept).unwrap_or(u32::MAX), 0))
}
