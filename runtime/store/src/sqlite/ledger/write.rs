//! Rows into the ledger: what is new among them is added to the sums of its day.

use std::collections::HashMap;

use greenroom_kernel::{LedgerId, LedgerRow, Spent, TenantId};
use rusqlite::{Connection, params};

use crate::page::day_of;
use crate::sqlite::writer::Written;

/// How many bytes a row takes, roughly.
const ROW_BYTES: usize = 300;

/// A whole number as a column takes it; what is beyond is the largest.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn record(
    connection: &Connection,
    tries: &[LedgerRow],
    requests: &[(TenantId, LedgerId, String)],
) -> rusqlite::Result<Written<()>> {
    let mut sums: HashMap<[String; 7], Spent> = HashMap::new();
    // Rows that are written together are mostly of one kind: of a run of them one key is made.
    let mut run: Option<(&LedgerRow, Spent)> = None;
    for row in tries {
        if !insert(connection, row)? {
            continue;
        }
        let new = Spent::of(row);
        run = Some(match run.take() {
            Some((first, sum)) if is_summed_with(first, row) => (first, sum.plus(new)),
            Some((first, sum)) => {
                close(&mut sums, first, sum);
                (row, new)
            }
            None => (row, new),
        });
    }
    if let Some((first, sum)) = run {
        close(&mut sums, first, sum);
    }
    for (key, sum) in &sums {
        add(connection, key, sum)?;
    }
    let mut bytes = tries.len() * ROW_BYTES;
    for (tenant, id, row) in requests {
        connection
            .prepare_cached("INSERT OR IGNORE INTO requests (tenant, id, row) VALUES (?1, ?2, ?3)")?
            .execute(params![tenant.as_str(), id.0.to_be_bytes(), row])?;
        bytes += row.len();
    }
    Ok(Written::other((), bytes))
}

/// Whether it was new.
fn insert(connection: &Connection, row: &LedgerRow) -> rusqlite::Result<bool> {
    let (caller, usage) = (&row.caller, &row.usage);
    let inserted = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO ledger VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                 ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)",
        )?
        .execute(params![
            caller.tenant.as_str(),
            row.id.0.to_be_bytes(),
            row.at.as_millis(),
            caller.subject.as_str(),
            caller.key,
            caller.session.as_ref().map(|session| session.as_str()),
            caller.task.as_ref().map(ToString::to_string),
            caller.request,
            row.asked,
            row.assigned,
            row.provider,
            row.model,
            row.number,
            row.kind.as_str(),
            row.fault.map(|fault| fault.as_str()),
            row.tries,
            whole(row.took_ms),
            row.first_content_ms.map(whole),
            whole(usage.input_tokens),
            whole(usage.cached_input_tokens),
            whole(usage.cache_write_tokens),
            whole(usage.output_tokens),
            whole(usage.reasoning_tokens),
            usage
                .cost_usd
                .map(|usd| whole(greenroom_kernel::Amount::nanos_of(usd))),
            usage.estimated,
            row.estimate_error,
            row.prices,
        ])?;
    Ok(inserted > 0)
}

fn close(sums: &mut HashMap<[String; 7], Spent>, of: &LedgerRow, sum: Spent) {
    let whole = sums.entry(key_of(of)).or_default();
    *whole = whole.plus(sum);
}

/// Whether two rows have one key.
fn is_summed_with(one: &LedgerRow, other: &LedgerRow) -> bool {
    const DAY: i64 = 86_400_000;
    one.provider == other.provider
        && one.model == other.model
        && one.kind == other.kind
        && one.caller.tenant == other.caller.tenant
        && one.caller.subject == other.caller.subject
        && one.caller.key.as_deref().unwrap_or_default() == other.caller.key.as_deref().unwrap_or_default()
        && one.at.as_millis().div_euclid(DAY) == other.at.as_millis().div_euclid(DAY)
}

fn key_of(row: &LedgerRow) -> [String; 7] {
    let caller = &row.caller;
    [
        caller.tenant.as_str(),
        &day_of(row.at),
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
    let swept = connection
        .prepare_cached(
            "DELETE FROM requests WHERE (id, tenant) IN
                 (SELECT id, tenant FROM requests WHERE id < ?1 ORDER BY id LIMIT ?2)",
        )?
        .execute(params![before.0.to_be_bytes(), limit])?;
    Ok(Written::other(u32::try_from(swept).unwrap_or(u32::MAX), 0))
}
