//! Sessions at rest: what 100,000 of them hold in memory, and how soon one is awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::Figure;
use crate::load::{median, resident_mib};
use crate::outside::{Dev, dev};

const SESSIONS: u64 = 100_000;
/// So many are made first: what is kept once and grows to its bound is not the sessions' own.
const WARMING: u64 = 10_000;
const CALLERS: u64 = 64;
const WAKES: u64 = 1_000;
/// How long an actor stays without work here.
const IDLE: &str = "200";

async fn call(http: &reqwest::Client, url: &str, body: &serde_json::Value) -> serde_json::Value {
    loop {
        let answer = http.post(url).json(body).send().await.unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        match answer["errors"][0]["extensions"]["retryAfterMs"].as_u64() {
            Some(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
            None => return answer,
        }
    }
}

fn id(number: u64) -> String {
    format!("session-{number}")
}

async fn create(dev: &Dev, from: u64, to: u64) {
    let next = Arc::new(AtomicU64::new(from));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (next, url) = (Arc::clone(&next), dev.graphql());
        callers.spawn(async move {
            let http = reqwest::Client::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= to {
                    return;
                }
                let query = "mutation($id: ID) { createSession(id: $id) { id } }";
                let body = json!({ "query": query, "variables": { "id": id(number) } });
                let answer = call(&http, &url, &body).await;
                assert_eq!(answer["data"]["createSession"]["id"], id(number), "{answer}");
            }
        });
    }
    callers.join_all().await;
}

/// Waits until no session has an actor, as the supervision tree shows it.
async fn asleep(dev: &Dev) {
    let http = reqwest::Client::new();
    let body =
        json!({ "query": "{ supervisionTree { path kind children { path kind children { kind } } } }" });
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let tree = call(&http, &dev.graphql(), &body).await.to_string();
        assert!(tree.contains("sessions"), "{tree}");
        if !tree.contains("\"kind\":\"session\"") {
            return;
        }
        assert!(Instant::now() < deadline, "sessions stay awake");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How long a turn takes in a session at rest, and the next one in it.
async fn turns(dev: &Dev) -> (Vec<Duration>, Vec<Duration>) {
    let http = reqwest::Client::new();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for turn in 0..WAKES {
        let session = id(WARMING + turn * (SESSIONS / WAKES));
        for times in [&mut first, &mut second] {
            let query = "mutation($input: SendChatInput!) { sendChat(input: $input) { task { status } } }";
            let input = json!({ "sessionId": session, "agent": "echo", "content": "hello" });
            let body = json!({ "query": query, "variables": { "input": input } });
            let begun = Instant::now();
            let answer = call(&http, &dev.graphql(), &body).await;
            times.push(begun.elapsed());
            assert_eq!(
                answer["data"]["sendChat"]["task"]["status"], "COMPLETED",
                "{answer}"
            );
        }
    }
    (first, second)
}

fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() * 99 / 100].as_secs_f64() * 1e3
}

pub(crate) async fn figures() -> Vec<Figure> {
    let home = tempfile::tempdir().unwrap();
    let dev = dev(&home, &[("GREENROOM__TASKS__IDLE_MS", IDLE)]).await;
    create(&dev, 0, WARMING).await;
    asleep(&dev).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = resident_mib(dev.pid());
    let begun = Instant::now();
    create(&dev, WARMING, WARMING + SESSIONS).await;
    println!(
        "{SESSIONS} sessions made in {:.1} s; {before:.1} MiB resident before",
        begun.elapsed().as_secs_f64()
    );
    asleep(&dev).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = resident_mib(dev.pid());
    let bytes = (after - before).max(0.0) * f64::from(1 << 20) / SESSIONS as f64;
    let (first, second) = turns(&dev).await;
    println!(
        "{after:.1} MiB resident after; a turn in one at rest: p50 {:.2} ms, p99 {:.2} ms; in one awake: p50 {:.2} ms, \
         p99 {:.2} ms",
        median(first.clone()),
        p99(first.clone()),
        median(second.clone()),
        p99(second.clone())
    );
    let wakes = median(first) - median(second);
    vec![
        Figure {
            name: "a session at rest, of 100,000, resident",
            value: bytes,
            unit: "bytes",
            goal: 512.0,
            bound: 1_024.0,
            falling: true,
        },
        Figure {
            name: "a session at rest wakes in, p50",
            value: wakes.max(0.0),
            unit: "ms",
            goal: 5.0,
            bound: 20.0,
            falling: true,
        },
    ]
}
