//! A provider that is killed under load, comes back, and is loaded again.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::act::{Act, After, Script};
use super::caller::{Caller, Heard, Wish};
use super::expect::shortened;
use super::judge::Verdict;
use super::stage::{DEADLINES, GOOD, OWN, healthy, provider, server};
use super::upstream::{Place, Upstream};
use super::words::{Family, Trouble};
use crate::support::{Client, Server, nodes, until};

/// Streams at once.
const STREAMS: usize = 200;

/// Calls that a provider takes at once.
const CEILING: usize = 256;

/// Between two of the nine pieces of an answer.
const PACE: Duration = Duration::from_millis(80);

/// How long it is dead.
const DEAD: Duration = Duration::from_secs(3);

/// One answered call, in time since the beginning.
struct Call {
    began: Duration,
    ended: Duration,
    heard: Heard,
}

fn place(text: &str) -> Place {
    let mut place = Place::new(Script::Always(Act::Answer), text);
    place.pace = PACE;
    place
}

/// The state of a provider's breaker.
async fn breaker(client: &Client, name: &str) -> String {
    let data = client
        .call("{ listProviders { name breaker } }", json!({}))
        .await
        .data();
    let all = data["listProviders"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| nodes(&data["listProviders"]));
    let found = all.iter().find(|provider| provider["name"] == name).unwrap();
    found["breaker"].as_str().unwrap().to_owned()
}

async fn becomes(client: &Client, name: &str, state: &str, within: Duration) {
    until(&format!("{name} is {state}"), within, async || {
        (breaker(client, name).await == state).then_some(())
    })
    .await;
}

/// Streams, one after the other, until told to stop.
async fn stream(caller: Caller, began: Instant, stop: CancellationToken) -> Vec<Call> {
    let mut calls = Vec::new();
    let wish = Wish {
        is_streamed: true,
        ..Wish::default()
    };
    while !stop.is_cancelled() {
        let at = began.elapsed();
        let heard = caller.ask(Family::Chat, "both", wish).await;
        calls.push(Call {
            began: at,
            ended: began.elapsed(),
            heard,
        });
    }
    calls
}

async fn two_providers(mortal: &Upstream, upstream: &Upstream, concurrency: usize) -> Server {
    let of = |name: &str, url: &str| {
        format!(
            "{}concurrency = {concurrency}\n",
            provider(name, Family::Chat, url)
        )
    };
    // What breaks at the first, the second goes on with.
    let can = "[models.capabilities.\"second/m\"]\nprefill = true\n";
    server(format!(
        "[gateway]\nmax_connections = 1000\n[models]\n{DEADLINES}[models.routes]\nboth = [\"first/m\", \"second/m\"]\n{can}{}{}",
        of("first", &mortal.url),
        of("second", &upstream.url)
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "loads the machine for a quarter of a minute"]
async fn a_provider_that_is_killed_under_load_costs_nobody_who_had_heard_nothing() {
    let (mut mortal, upstream) = (Upstream::start().await, Upstream::start().await);
    let first = mortal.place("first", place(OWN));
    let second = upstream.place("second", place(GOOD));
    let server = two_providers(&mortal, &upstream, CEILING).await;
    let client = Client::new(&server.http);
    let (caller, stop) = (Caller::new(&server.http), CancellationToken::new());
    let began = Instant::now();
    let workers: Vec<_> = (0..STREAMS)
        .map(|_| tokio::spawn(stream(caller.clone(), began, stop.clone())))
        .collect();
    tokio::time::sleep(Duration::from_secs(3)).await;

    let killed = began.elapsed();
    mortal.kill().await;
    becomes(&client, "first", "OPEN", Duration::from_secs(5)).await;
    let opened = began.elapsed();
    tokio::time::sleep(DEAD.saturating_sub(opened - killed)).await;

    let before = first.seen();
    mortal.revive().await;
    let revived = Instant::now();
    becomes(&client, "first", "CLOSED", Duration::from_secs(10)).await;
    let closed = began.elapsed();
    tokio::time::sleep(Duration::from_secs(4)).await;
    stop.cancel();
    let calls: Vec<Call> = join_all(workers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();

    throughput(&calls, killed, revived - began, closed);
    for call in &calls {
        match &call.heard.verdict {
            Verdict::Whole { said, .. } if said == OWN || said == GOOD => {}
            other => panic!("at {:?}: {}", call.ended, shortened(other)),
        }
        // Nobody asked the same target twice: going to the next one is no retry.
        assert!(
            call.heard.tries.is_none_or(|tries| tries <= 2),
            "{:?}",
            call.heard
        );
    }
    let cut = calls
        .iter()
        .filter(|call| call.began <= killed && killed < call.ended);
    let joined = cut.clone().filter(|call| call.heard.provider == "first").count();
    println!(
        "{} calls, all whole; {} ran at the kill, {joined} of them were gone on with in the middle; the breaker opened after {:?}",
        calls.len(),
        cut.count(),
        opened - killed
    );
    assert!(joined > 0);

    // One call finds out whether it is well again; nobody else comes before that one's end.
    let after = first.seen();
    let begun = &after.begun[before.begun.len()..];
    let probe_ended = after.ended.iter().find(|at| **at > begun[0]).unwrap();
    assert!(begun.len() > 20, "{} calls after its recovery", begun.len());
    assert!(begun[1] >= *probe_ended, "a second call came beside the probe");
    // Then few at first: a tenth of what it takes, and one more for each that went well.
    let at_once = begun[1..].iter().filter(|at| **at - begun[1] < PACE * 8).count();
    println!(
        "{at_once} calls in the first {:?} after the probe, {} in all",
        PACE * 8,
        begun.len()
    );
    assert!(at_once <= CEILING / 4, "a stampede of {at_once}");
    assert!(second.seen().calls > 0);
    healthy(&server).await;
}

/// Whole answers in each quarter of a second.
fn throughput(calls: &[Call], killed: Duration, revived: Duration, closed: Duration) {
    const STEP: u128 = 250;
    let last = calls
        .iter()
        .map(|call| call.ended.as_millis() / STEP)
        .max()
        .unwrap_or(0);
    for at in 0..=last {
        let here = || calls.iter().filter(|call| call.ended.as_millis() / STEP == at);
        let whole = here()
            .filter(|call| matches!(call.heard.verdict, Verdict::Whole { .. }))
            .count();
        let mark = |when: Duration, what: &'static str| if when.as_millis() / STEP == at { what } else { "" };
        println!(
            "{:>6} ms {whole:>4} whole {:>4} broken {}{}{}",
            at * STEP,
            here().count() - whole,
            mark(killed, "killed "),
            mark(revived, "revived "),
            mark(closed, "closed"),
        );
    }
}

#[tokio::test]
async fn the_retry_budget_holds_where_everybody_fails() {
    const CALLS: u32 = 200;
    let upstream = Upstream::start().await;
    let fails = || Place::new(Script::Always(Act::Refuse(Trouble::Broken, After::Unsaid)), OWN);
    let (first, second) = (
        upstream.place("first", fails()),
        upstream.place("second", fails()),
    );
    let server = two_providers(&upstream, &upstream, CEILING).await;
    let caller = Caller::new(&server.http);
    let asked = (0..CALLS).map(|_| caller.ask(Family::Chat, "both", Wish::default()));
    for heard in join_all(asked).await {
        assert!(matches!(heard.verdict, Verdict::Refused { .. }), "{heard:?}");
    }
    let tries = first.seen().calls + second.seen().calls;
    println!("{tries} tries of {CALLS} calls at two targets");
    // Each goes to both; beyond that a fifth, and ten more in ten seconds.
    assert!(tries <= 2 * CALLS + CALLS / 5 + 10 + 10, "{tries}");
    healthy(&server).await;
}
