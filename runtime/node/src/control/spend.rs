//! What was spent, as an answer: in the words of the GraphQL query of that name.

use greenroom_kernel::{Amount, SpendGroup, SpendReport, SpendRow, Spent};
use serde_json::{Map, Value, json};

/// A report; of a group it tells what it is grouped by.
pub(super) fn spent(report: SpendReport) -> Value {
    let groups: Vec<Value> = report.rows.into_iter().map(group).collect();
    json!({ "total": sum(&report.total), "groups": groups, "more": report.more })
}

fn group(row: SpendRow) -> Value {
    let SpendGroup {
        day,
        month,
        subject,
        key,
        provider,
        model,
        kind,
    } = row.group;
    let of = [
        ("day", day),
        ("month", month),
        ("subject", subject),
        ("key", key),
        ("provider", provider),
        ("model", model),
        ("kind", kind),
    ];
    let named = of
        .into_iter()
        .filter_map(|(name, of)| Some((name.to_owned(), of?.into())));
    let mut group: Map<String, Value> = named.collect();
    group.insert("sum".to_owned(), sum(&row.spent));
    group.into()
}

fn sum(spent: &Spent) -> Value {
    json!({
        "tries": spent.tries,
        "failed": spent.failed,
        "inputTokens": spent.input,
        "cachedInputTokens": spent.cached_input,
        "cacheWriteTokens": spent.cache_write,
        "outputTokens": spent.output,
        "reasoningTokens": spent.reasoning,
        "costUsd": Amount::usd_of(spent.cost_nanos),
        "unpricedTokens": spent.unpriced,
        "estimatedTokens": spent.estimated,
    })
}
