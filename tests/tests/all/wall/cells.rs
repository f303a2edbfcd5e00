//! Many kinds of calls at once: a server, and for each call a target with a fault and those behind it.

use std::fmt::Write as _;
use std::sync::Arc;

use futures::future::join_all;

use super::act::{Act, Script};
use super::caller::{Caller, Heard, Wish};
use super::expect::{Expect, Told, shortened};
use super::faults::Fault;
use super::stage::{CROSSED, DEADLINES, GOOD, OWN, SAME, healthy, provider, server};
use super::upstream::{ARGUMENTS, Place, Prefill, Upstream};
use super::words::Family;

/// A target behind the one with the fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind {
    pub(super) text: &'static str,
    /// Whether it is configured to go on with an answer that was begun, and what it really does.
    pub(super) prefill: (bool, Prefill),
}

impl Behind {
    /// One that goes on with what the other said, where its wire can: on that of Responses nobody can.
    pub(super) fn going_on(family: Family) -> Self {
        Self {
            text: GOOD,
            prefill: (family != Family::Responses, Prefill::Continues(OWN)),
        }
    }
}

/// One kind of call.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) what: &'static str,
    pub(super) caller: Family,
    pub(super) upstream: Family,
    pub(super) wish: Wish,
    pub(super) script: Script,
    pub(super) behind: Vec<Behind>,
    /// What its route says of answers that break.
    pub(super) recover: Option<&'static str>,
    pub(super) expect: Expect,
}

/// Plays a fault in every kind of call.
pub(super) async fn run(fault: &Fault) {
    // A long line takes its time where the machine is busy.
    let is_heavy = fault.script.act(0) == Act::LongLine;
    let mut all = cells(fault);
    // Of heavy calls that are tried again and again one is enough.
    all.retain(|cell| !(is_heavy && cell.behind.is_empty()) || cell.upstream == Family::Chat);
    play(&all, if is_heavy { "" } else { DEADLINES }).await;
}

pub(super) fn cells(fault: &Fault) -> Vec<Cell> {
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
    let cell = |(caller, upstream): (Family, Family),
                (is_streamed, is_alone, usual): (bool, bool, Expect)| {
        let other = fault
            .except
            .iter()
            .find(|(family, streamed, _)| (*family, *streamed) == (upstream, is_streamed));
        Cell {
            what: fault.name,
            caller,
            upstream,
            wish: Wish {
                is_streamed,
                with_tool: fault.with_tool,
                ..Wish::default()
            },
            script: fault.script,
            behind: if is_alone {
                Vec::new()
            } else {
                vec![Behind::going_on(upstream)]
            },
            recover: None,
            expect: other.map_or(usual, |(.., expect)| *expect),
        }
    };
    let same = SAME
        .into_iter()
        .flat_map(|pair| same.map(|kind| cell(pair, kind)));
    let crossed = CROSSED
        .into_iter()
        .flat_map(|pair| crossed.map(|kind| cell(pair, kind)));
    same.chain(crossed)
        .filter(|cell| cell.expect != Expect::Skip)
        .collect()
}

/// Makes all calls at once, and prints what came of them.
pub(super) async fn play(cells: &[Cell], deadlines: &str) {
    let upstream = Upstream::start().await;
    let (mut routes, mut facts, mut providers) = (String::new(), String::new(), String::new());
    let mut places: Vec<Vec<Arc<Place>>> = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        // Those behind take longer conversations.
        let mut targets = vec![(format!("bad{at}"), Place::new(cell.script, OWN), 8_192, false)];
        for (number, behind) in cell.behind.iter().enumerate() {
            let mut place = Place::new(Script::Always(Act::Answer), behind.text);
            let (is_able, prefill) = behind.prefill;
            place.prefill = prefill;
            targets.push((format!("good{at}-{number}"), place, 200_000, is_able));
        }
        let names: Vec<String> = targets.iter().map(|(name, ..)| format!("\"{name}/m\"")).collect();
        let recover = cell
            .recover
            .map(|recover| format!(", recover = {recover}"))
            .unwrap_or_default();
        writeln!(
            routes,
            "cell{at} = {{ targets = [{}]{recover} }}",
            names.join(", ")
        )
        .unwrap();
        let mut of_cell = Vec::new();
        for (name, place, window, is_able) in targets {
            providers.push_str(&provider(&name, cell.upstream, &upstream.url));
            writeln!(
                facts,
                "[models.capabilities.\"{name}/m\"]\ncontext_window = {window}"
            )
            .unwrap();
            if is_able {
                facts.push_str("prefill = true\n");
            }
            of_cell.push(upstream.place(&name, place));
        }
        places.push(of_cell);
    }
    let server = server(format!(
        "[models]\n{deadlines}[models.routes]\n{routes}{facts}{providers}"
    ))
    .await;
    let caller = &Caller::new(&server.http);
    let asked = cells
        .iter()
        .enumerate()
        .map(|(at, cell)| async move { caller.ask(cell.caller, &format!("cell{at}"), cell.wish).await });
    let heard = join_all(asked).await;
    let judged = cells.iter().zip(&places).zip(&heard);
    let wrong: Vec<String> = judged
        .filter_map(|((cell, places), heard)| judge(cell, places, heard).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    healthy(&server).await;
}

/// Prints what came of a call, and says what is wrong with it.
fn judge(cell: &Cell, places: &[Arc<Place>], heard: &Heard) -> Result<(), String> {
    let own = match cell.script.act(0).text() {
        Some(text) => text,
        None if cell.wish.with_tool => ARGUMENTS.to_owned(),
        None => OWN.to_owned(),
    };
    let calls: Vec<u32> = places.iter().map(|place| place.seen().calls).collect();
    let told = Told {
        own: &own,
        good: if cell.wish.with_tool { ARGUMENTS } else { GOOD },
        calls: (calls[0], calls[1..].iter().sum()),
        is_relayed: cell.caller == cell.upstream,
    };
    let judged = cell.expect.judge(heard, &told);
    let place = format!(
        "{} {:>9} <- {:9} {:8} {}",
        cell.what,
        cell.caller.name(),
        cell.upstream.name(),
        if cell.wish.is_streamed {
            "streamed"
        } else {
            "whole"
        },
        if cell.behind.is_empty() { "alone" } else { "     " },
    );
    println!(
        "{:4} {place} {} tries {:>6} ms  {}",
        if judged.is_ok() { "ok" } else { "BAD" },
        calls.iter().sum::<u32>(),
        heard.took.as_millis(),
        shortened(&heard.verdict)
    );
    judged.map_err(|why| format!("{place}: {why}"))
}
