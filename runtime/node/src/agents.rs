//! `greenroom agents`: how agents are, or how one of them was, from the process that sees them or else from the store.

use std::path::PathBuf;

use greenroom_kernel::{AgentName, Clock, ErrorCode, Timestamp};
use serde_json::{Value, json};

use crate::cli::AgentsArgs;
use crate::columns::aligned;
use crate::config::{self, Flags, Sources, StoreSettings};
use crate::control::{Answer, Request, answer};
use crate::failed::Failed;
use crate::output;
use crate::ports::MachineClock;

/// How many records are asked for at once.
const PAGE: u32 = 500;

/// Asks and prints.
pub(crate) fn run(file: Option<PathBuf>, args: AgentsArgs) -> Result<(), Failed> {
    let flags = Flags {
        store: args.stored.store.clone(),
        ..Flags::default()
    };
    let store = config::load(&Sources::of_process(file, flags))?.config.store;
    let Some(name) = args.name.clone() else {
        let agents = asked(&store, &Request::Agents)?;
        return match args.stored.json {
            true => output::json(&agents),
            false => output::text(&now(&agents)),
        };
    };
    let history = history(&store, name, &args)?;
    match args.stored.json {
        true => output::json(&history),
        false => output::text(&was(&history)),
    }
}

fn asked(store: &StoreSettings, request: &Request) -> Result<Value, Failed> {
    match answer(store, request)? {
        Answer::Ok(value) => Ok(value),
        Answer::Err(failure) if failure.code == ErrorCode::BadUserInput => {
            Err(Failed::misused(failure.message))
        }
        Answer::Err(failure) => Err(Failed::because(failure.message)),
    }
}

/// As many pages as it takes: some are shorter than they were to be.
fn history(store: &StoreSettings, agent: AgentName, args: &AgentsArgs) -> Result<Value, Failed> {
    let to = MachineClock::new().now();
    let from = to.before(args.since);
    let (mut records, mut after, mut more) = (Vec::new(), None, true);
    let wanted = args.limit as usize;
    while more && records.len() < wanted {
        let left = u32::try_from(wanted - records.len()).unwrap_or(PAGE);
        let mut page = asked(
            store,
            &Request::AgentHistory {
                agent: agent.clone(),
                from,
                to: Timestamp::from_millis(to.as_millis().saturating_add(1)),
                limit: left.min(PAGE),
                after,
            },
        )?;
        if let Value::Array(rows) = page["records"].take() {
            records.extend(rows);
        }
        after = page["next"].as_str().map(str::to_owned);
        more = after.is_some();
    }
    Ok(json!({ "agent": agent, "from": from.to_string(), "records": records, "more": more }))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("-")
}

fn figure(value: &Value, key: &str) -> String {
    value[key].as_u64().map_or("-".to_owned(), |n| n.to_string())
}

fn rows<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A line an agent.
fn now(value: &Value) -> String {
    let agents = rows(value, "agents");
    if agents.is_empty() {
        return "no agent is known".to_owned();
    }
    let head = [
        "agent",
        "version",
        "health",
        "breaker",
        "instances",
        "in flight",
        "waiting",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(agents.iter().map(|agent| {
        vec![
            text(agent, "name").to_owned(),
            text(agent, "version").to_owned(),
            text(agent, "health").to_owned(),
            text(agent, "breaker").to_owned(),
            rows(agent, "instances").len().to_string(),
            figure(agent, "inFlight"),
            figure(agent, "queued"),
        ]
    }));
    aligned(&lines, 4).join("\n")
}

/// A line a record, the youngest first.
fn was(value: &Value) -> String {
    let (agent, from) = (text(value, "agent"), text(value, "from"));
    let records = rows(value, "records");
    if records.is_empty() {
        return format!("nothing was seen of {agent} since {from}");
    }
    let head = [
        "since",
        "until",
        "seen by",
        "instance",
        "version",
        "health",
        "breaker",
        "in flight",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(records.iter().map(|record| {
        vec![
            text(record, "since").to_owned(),
            text(record, "until").to_owned(),
            text(record, "node").to_owned(),
            record["instance"].as_str().unwrap_or("(none left)").to_owned(),
            text(record, "version").to_owned(),
            text(record, "health").to_owned(),
            text(record, "breaker").to_owned(),
            figure(record, "inFlight"),
        ]
    }));
    let mut said = aligned(&lines, 7);
    if value["more"] == true {
        said.push("more of it: raise --limit".to_owned());
    }
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_shown_a_line_each() {
        let agents = json!({ "agents": [
            { "name": "assistant", "version": "1", "health": "HEALTHY", "breaker": "CLOSED", "instances": [{}, {}],
              "inFlight": 12, "queued": 0 },
        ] });
        let expected = "agent      version  health   breaker  instances  in flight  waiting\n\
            assistant  1        HEALTHY  CLOSED           2         12        0";
        assert_eq!(now(&agents), expected);
        assert_eq!(now(&json!({ "agents": [] })), "no agent is known");
    }

    #[test]
    fn a_history_is_shown_a_line_a_record_and_says_whether_there_is_more() {
        let history = json!({ "agent": "helper", "from": "2026-11-26T11:00:00.000Z", "more": true, "records": [
            { "since": "2026-11-26T12:01:00.000Z", "until": "2026-11-26T12:01:00.000Z", "node": "dev", "instance": null,
              "version": null, "health": "UNHEALTHY", "breaker": null, "inFlight": null },
            { "since": "2026-11-26T12:00:00.000Z", "until": "2026-11-26T12:00:30.000Z", "node": "dev",
              "instance": "helper@h", "version": "1", "health": "HEALTHY", "breaker": "CLOSED", "inFlight": 3 },
        ] });
        let expected = "since                     until                     seen by  instance     version  health     breaker  in flight\n\
            2026-11-26T12:01:00.000Z  2026-11-26T12:01:00.000Z  dev      (none left)  -        UNHEALTHY  -                -\n\
            2026-11-26T12:00:00.000Z  2026-11-26T12:00:30.000Z  dev      helper@h     1        HEALTHY    CLOSED           3\n\
            more of it: raise --limit";
        assert_eq!(was(&history), expected);
        let none = json!({ "agent": "helper", "from": "then", "records": [] });
        assert_eq!(was(&none), "nothing was seen of helper since then");
    }
}
