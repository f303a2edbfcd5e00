//! `greenroom spend`: what was spent on models, from the process that writes the ledger or else from the store.

use std::path::PathBuf;

use greenroom_kernel::{Clock, ErrorCode, SpendDimension, SpendQuery};
use serde_json::{Value, json};

use crate::cli::{By, SpendArgs};
use crate::columns::aligned;
use crate::config::{self, Flags, Sources};
use crate::control::{Answer, Request, answer};
use crate::failed::Failed;
use crate::output;
use crate::ports::MachineClock;

/// Asks and prints.
pub(crate) fn run(file: Option<PathBuf>, args: SpendArgs) -> Result<(), Failed> {
    let flags = Flags {
        store: args.stored.store,
        ..Flags::default()
    };
    let store = config::load(&Sources::of_process(file, flags))?.config.store;
    let by = args.by.iter().flat_map(|by| dimensions(*by)).copied();
    let (from, to) = (args.from.as_deref(), args.to.as_deref());
    let query = SpendQuery::of_days(from, to, by.collect(), args.limit, MachineClock::new().now())
        .map_err(|failure| Failed::misused(format!("--{}", failure.message)))?;
    let days = json!({ "from": query.from, "before": query.to });
    let mut spent = match answer(&store, &Request::Spend(query))? {
        Answer::Ok(spent) => spent,
        Answer::Err(failure) if failure.code == ErrorCode::BadUserInput => {
            return Err(Failed::misused(failure.message));
        }
        Answer::Err(failure) => return Err(Failed::because(failure.message)),
    };
    if let (Some(spent), Value::Object(days)) = (spent.as_object_mut(), days) {
        spent.extend(days);
    }
    match args.stored.json {
        true => output::json(&spent),
        false => output::text(&table(&spent, &args.by)),
    }
}

/// A model's name alone may be of several providers.
const fn dimensions(by: By) -> &'static [SpendDimension] {
    match by {
        By::Day => &[SpendDimension::Day],
        By::Month => &[SpendDimension::Month],
        By::Model => &[SpendDimension::Provider, SpendDimension::Model],
        By::Provider => &[SpendDimension::Provider],
        By::Subject => &[SpendDimension::Subject],
        By::Key => &[SpendDimension::Key],
        By::Kind => &[SpendDimension::Kind],
    }
}

const fn head(by: By) -> &'static str {
    match by {
        By::Day => "day",
        By::Month => "month",
        By::Model => "model",
        By::Provider => "provider",
        By::Subject => "subject",
        By::Key => "key",
        By::Kind => "kind",
    }
}

fn label(group: &Value, by: By) -> String {
    let text = |key: &str| group[key].as_str().unwrap_or("-");
    match by {
        By::Model => format!("{}/{}", text("provider"), text("model")),
        by => text(head(by)).to_owned(),
    }
}

/// Tokens of all classes that went in, and that came out.
fn tokens(sum: &Value) -> (u64, u64) {
    let of = |keys: &[&str]| {
        let all = keys.iter().map(|key| sum[key].as_u64().unwrap_or(0));
        all.fold(0, u64::saturating_add)
    };
    (
        of(&["inputTokens", "cachedInputTokens", "cacheWriteTokens"]),
        of(&["outputTokens", "reasoningTokens"]),
    )
}

fn figures(sum: &Value) -> [String; 5] {
    let (input, output) = tokens(sum);
    [
        sum["tries"].to_string(),
        sum["failed"].to_string(),
        input.to_string(),
        output.to_string(),
        format!("{:.6}", sum["costUsd"].as_f64().unwrap_or(0.0)),
    ]
}

/// A line a sum, and what the figures don't say by themselves.
fn table(spent: &Value, by: &[By]) -> String {
    let text = |key: &str| spent[key].as_str().unwrap_or_default();
    let period = format!("from {} until before {}", text("from"), text("before"));
    let groups = spent["groups"].as_array().map_or(&[][..], Vec::as_slice);
    if groups.is_empty() {
        return format!("nothing was spent {period}");
    }
    let line = |group: &Value| -> Vec<String> {
        let labels = by.iter().map(|by| label(group, *by));
        labels.chain(figures(&group["sum"])).collect()
    };
    let mut lines: Vec<_> = groups.iter().map(line).collect();
    // Days are read in their order; of each the dearest comes first.
    if let Some(at) = by.iter().position(|by| matches!(by, By::Day | By::Month)) {
        lines.sort_by(|a, b| a.get(at).cmp(&b.get(at)));
    }
    let heads = by.iter().map(|by| head(*by));
    let heads = heads.chain(["tries", "failed", "input", "output", "US dollars"]);
    lines.insert(0, heads.map(str::to_owned).collect());
    let all = std::iter::once("all").chain(std::iter::repeat("")).take(by.len());
    lines.push(all.map(str::to_owned).chain(figures(&spent["total"])).collect());
    let mut said = vec![period];
    said.extend(aligned(&lines, by.len()));
    if spent["more"] == true {
        said.push("more sums: raise --limit, or narrow the days".to_owned());
    }
    for (key, what) in [
        (
            "unpricedTokens",
            "tokens have no known price and cost nothing here: set one under [models.prices]",
        ),
        (
            "estimatedTokens",
            "tokens are our estimate: their provider gave no figures",
        ),
    ] {
        let tokens = spent["total"][key].as_u64().unwrap_or(0);
        if tokens > 0 {
            said.push(format!("{tokens} {what}"));
        }
    }
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(tries: u64, usd: f64, unpriced: u64) -> Value {
        json!({ "tries": tries, "failed": 1, "inputTokens": 100, "cachedInputTokens": 20, "cacheWriteTokens": 3,
            "outputTokens": 7, "reasoningTokens": 2, "costUsd": usd, "unpricedTokens": unpriced, "estimatedTokens": 0 })
    }

    #[test]
    fn a_table_has_a_line_a_sum_in_the_order_of_days_and_says_what_has_no_price() {
        let spent = json!({ "from": "2026-11-01", "before": "2026-11-27", "more": true, "total": sum(12, 3.5, 9),
            "groups": [
                { "day": "2026-11-02", "provider": "openai", "model": "gpt-5", "sum": sum(10, 3.0, 0) },
                { "day": "2026-11-01", "provider": "local", "model": "m", "sum": sum(2, 0.5, 9) },
            ] });
        let expected = "from 2026-11-01 until before 2026-11-27\n\
            day         model         tries  failed  input  output  US dollars\n\
            2026-11-01  local/m           2       1    123       9    0.500000\n\
            2026-11-02  openai/gpt-5     10       1    123       9    3.000000\n\
            all                          12       1    123       9    3.500000\n\
            more sums: raise --limit, or narrow the days\n\
            9 tokens have no known price and cost nothing here: set one under [models.prices]";
        assert_eq!(table(&spent, &[By::Day, By::Model]), expected);
    }

    #[test]
    fn where_nothing_was_spent_it_says_so() {
        let spent = json!({ "from": "2026-11-01", "before": "2026-11-27", "groups": [], "total": {} });
        assert_eq!(
            table(&spent, &[By::Model]),
            "nothing was spent from 2026-11-01 until before 2026-11-27"
        );
    }

    #[test]
    fn a_call_without_a_credential_is_one_of_its_own() {
        assert_eq!(label(&json!({}), By::Key), "-");
        assert_eq!(label(&json!({ "kind": "hedge" }), By::Kind), "hedge");
    }
}
