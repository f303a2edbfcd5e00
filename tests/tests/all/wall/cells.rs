//! One fault in every kind of call at once: a server, a provider with the fault and one without it for each.

use std::fmt::Write as _;
use std::sync::Arc;

use futures::future::join_all;

use super::act::Act;
use super::act::Script;
use super::caller::{Caller, Wish};
use super::expect::{Expect, Told, shortened};
use super::faults::Fault;
use super::upstream::{ARGUMENTS, Place, Upstream};
use super::words::Family;
use crate::support::{Options, Server};

/// What the target with the fault says.
pub(super) const OWN: &str = "Alpha one two three four five six seven eight nine.";

/// What the other one says.
pub(super) const GOOD: &str = "Omega ten eleven twelve thirteen fourteen fifteen.";

/// The deadlines are shorter than they are by default, where waiting for them is all that a test would do: 60 s to begin,
/// 60 s for the first token, 30 s between tokens, 10 min in all.
pub(super) const DEADLINES: &str =
    "connect_ms = 2000\nfirst_token_ms = 2000\nbetween_tokens_ms = 2000\ntotal_ms = 12000\n";

/// Who calls whom.
pub(super) const SAME: [(Family, Family); 3] = [
    (Family::Chat, Family::Chat),
    (Family::Responses, Family::Responses),
    (Family::Messages, Family::Messages),
];
pub(super) const CROSSED: [(Family, Family); 4] = [
    (Family::Messages, Family::Chat),
    // A server of Responses is asked for Chat Completions in their own words too.
    (Family::Messages, Family::Responses),
    (Family::Responses, Family::Messages),
    (Family::Chat, Family::Bedrock),
];

/// One kind of call.
struct Cell {
    caller: Family,
    upstream: Family,
    is_streamed: bool,
    is_alone: bool,
    expect: Expect,
}

fn cells(fault: &Fault) -> Vec<Cell> {
    let outcomes = &fault.outcomes;
    let same = [
        (true, false, outcomes.streamed),
        (false, false, outcomes.whole),
        (true, true, outcomes.alone),
    ];
    let crossed = [
        (true, false, outcomes.crossed),
        (false, false, outcomes.crossed_whole),
    ];
    let of = |pairs: &'static [(Family, Family)], kinds: &[(bool, bool, Expect)]| {
        let kinds = kinds.to_vec();
        pairs.iter().flat_map(move |(caller, upstream)| {
            let cell = |(is_streamed, is_alone, expect)| Cell {
                caller: *caller,
                upstream: *upstream,
                is_streamed,
                is_alone,
                expect,
            };
            kinds.clone().into_iter().map(cell).collect::<Vec<_>>()
        })
    };
    let mut all: Vec<Cell> = of(&SAME, &same).chain(of(&CROSSED, &crossed)).collect();
    for cell in &mut all {
        let other = fault.except.iter().find(|(upstream, is_streamed, _)| {
            *upstream == cell.upstream && *is_streamed == cell.is_streamed
        });
        if let Some((.., expect)) = other {
            cell.expect = *expect;
        }
    }
    all.retain(|cell| cell.expect != Expect::Skip);
    all
}

/// The lines that configure a provider at a place.
pub(super) fn provider(name: &str, family: Family, url: &str) -> String {
    let kind = match family {
        Family::Chat => format!("kind = \"openai\"\nbase_url = \"{url}/{name}/v1\"\napi_key = \"k\""),
        Family::Responses => {
            format!("kind = \"openai\"\napi = \"responses\"\nbase_url = \"{url}/{name}/v1\"\napi_key = \"k\"")
        }
        Family::Messages => format!("kind = \"anthropic\"\nbase_url = \"{url}/{name}\"\napi_key = \"k\""),
        Family::Bedrock => {
            format!("kind = \"bedrock\"\nregion = \"eu-central-1\"\nendpoint_url = \"{url}/{name}\"")
        }
    };
    format!("[providers.{name}]\n{kind}\nmodels = [\"m\"]\n")
}

/// A server with this configuration, and with credentials for AWS.
pub(super) async fn server(config: String) -> Server {
    let env = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Server::start(Options {
        config: Some(config),
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Options::default()
    })
    .await
}

/// Plays a fault in all its cells, and prints what came of it.
pub(super) async fn run(fault: &Fault) {
    let upstream = Upstream::start().await;
    let cells = cells(fault);
    let (mut routes, mut facts, mut providers) = (String::new(), String::new(), String::new());
    let mut places: Vec<(Arc<Place>, Arc<Place>)> = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let (bad, good) = (format!("bad{at}"), format!("good{at}"));
        places.push((
            upstream.place(&bad, Place::new(fault.script, OWN)),
            upstream.place(&good, Place::new(Script::Always(Act::Answer), GOOD)),
        ));
        for (name, window) in [(&bad, 8_192), (&good, 200_000)] {
            providers.push_str(&provider(name, cell.upstream, &upstream.url));
            writeln!(
                facts,
                "[models.capabilities.\"{name}/m\"]\ncontext_window = {window}"
            )
            .unwrap();
        }
        match cell.is_alone {
            true => writeln!(routes, "cell{at} = [\"{bad}/m\"]").unwrap(),
            false => writeln!(routes, "cell{at} = [\"{bad}/m\", \"{good}/m\"]").unwrap(),
        }
    }
    // A long line takes its time where the machine is busy.
    let deadlines = if fault.script.act(0) == Act::LongLine {
        ""
    } else {
        DEADLINES
    };
    let server = server(format!(
        "[models]\n{deadlines}[models.routes]\n{routes}{facts}{providers}"
    ))
    .await;
    let caller = Caller::new(&server.http);
    let asked = cells.iter().enumerate().map(|(at, cell)| {
        let wish = Wish {
            is_streamed: cell.is_streamed,
            with_tool: fault.with_tool,
            deterministic: false,
        };
        let caller = &caller;
        async move { caller.ask(cell.caller, &format!("cell{at}"), wish).await }
    });
    let heard = join_all(asked).await;
    let mut wrong = Vec::new();
    for ((cell, (bad, good)), heard) in cells.iter().zip(&places).zip(&heard) {
        let own = match fault.script.act(0).text() {
            Some(text) => text,
            None if fault.with_tool => ARGUMENTS.to_owned(),
            None => OWN.to_owned(),
        };
        let told = Told {
            own: &own,
            good: if fault.with_tool { ARGUMENTS } else { GOOD },
            calls: (bad.seen().calls, good.seen().calls),
            is_relayed: cell.caller == cell.upstream,
        };
        let judged = cell.expect.judge(heard, &told);
        let place = format!(
            "{:>9} <- {:9} {:8} {}",
            cell.caller.name(),
            cell.upstream.name(),
            if cell.is_streamed { "streamed" } else { "whole" },
            if cell.is_alone { "alone" } else { "     " },
        );
        println!(
            "{:4} {place} {} tries {:>6} ms  {}",
            if judged.is_ok() { "ok" } else { "BAD" },
            told.calls.0 + told.calls.1,
            heard.took.as_millis(),
            shortened(&heard.verdict)
        );
        if let Err(why) = judged {
            wrong.push(format!("{place}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", fault.name, wrong.join("\n"));
    healthy(&server).await;
}

/// The process answers, and nothing in it panicked.
pub(super) async fn healthy(server: &Server) {
    let answer = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = answer
        .get(format!("{}/healthz", server.http))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    server.assert_calm();
}
