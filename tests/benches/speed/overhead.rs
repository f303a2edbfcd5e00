//! What the gateway adds to a model call: against a bare hyper reverse proxy, on one core, in the same run. Load and
//! upstream share one thread, which has the other core and never sleeps: who writes to a core that sleeps pays for waking
//! it, and the slower of the two measured would pay that at every write.

mod clients;
mod processes;
mod proxy;
mod upstream;

use std::time::Duration;

use crate::Figure;
use crate::load::{cpu_seconds, resident_mib};
use clients::{Answers, Kind};
use processes::{Machine, Process, keep_to};

pub(crate) use proxy::serve as serve_proxy;

/// How often the floor and the product are measured in turns.
const ROUNDS: usize = 3;

/// Connections at saturation.
const AT_ONCE: usize = 32;

/// Requests a second where the delay is measured.
const PACE: u32 = 200;

/// Streams that are held open at once.
const HELD: usize = 1_000;

/// Answers a processor second of a process, warmed up; events for streams.
async fn efficiency(name: &str, pid: u32, address: &str, kind: Kind, time: Duration) -> f64 {
    clients::saturate(address, kind, AT_ONCE, time / 4).await;
    let before = cpu_seconds(pid);
    let done = clients::saturate(address, kind, AT_ONCE, time).await;
    let used = cpu_seconds(pid) - before;
    let per_cpu = done as f64 / used;
    let rate = done as f64 / time.as_secs_f64();
    println!("{name:34} {rate:>9.0} /s {per_cpu:>9.0} /cpu-s");
    per_cpu
}

/// The shares of `processes` in what the proxy does with the same time.
async fn shares<const N: usize>(
    machine: &Machine,
    processes: [(&str, &Process); N],
    kind: Kind,
    time: Duration,
) -> [f64; N] {
    let mut best = [0.0_f64; N];
    for _ in 0..ROUNDS {
        let proxy = &machine.proxy;
        let floor = efficiency("bare proxy", proxy.id(), &proxy.address, kind, time).await;
        for ((name, process), best) in processes.iter().zip(&mut best) {
            let ours = efficiency(name, process.id(), &process.address, kind, time).await;
            *best = best.max(ours / floor);
        }
    }
    best
}

/// The delay that the gateway adds at a percentile, in microseconds: the middle one of some rounds in turns.
async fn added(machine: &Machine, what: &str, kind: Kind, time: Duration, percentile: f64) -> f64 {
    let mut added = Vec::new();
    for _ in 0..ROUNDS {
        let floor = clients::paced(&machine.proxy.address, kind, PACE, time).await;
        let ours = clients::paced(&machine.gateway.address, kind, PACE, time).await;
        let (floor_at, ours_at) = (floor.at(percentile), ours.at(percentile));
        println!(
            "{what}, p50/p99/most in µs: proxy {:.0}/{:.0}/{:.0}, gateway {:.0}/{:.0}/{:.0}",
            floor.at(0.5),
            floor.at(0.99),
            floor.at(1.0),
            ours.at(0.5),
            ours.at(0.99),
            ours.at(1.0),
        );
        added.push(ours_at - floor_at);
    }
    added.sort_by(f64::total_cmp);
    added[ROUNDS / 2]
}

/// Memory over idle while streams are held, and the share of idle that is left of it afterwards.
async fn memory(machine: &Machine) -> (f64, f64) {
    let idle = resident_mib(machine.gateway.id());
    let held = clients::hold(&machine.gateway.address, HELD).await;
    let full = resident_mib(machine.gateway.id());
    drop(held);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = resident_mib(machine.gateway.id());
    println!("memory in MiB: idle {idle:.1}, {HELD} streams {full:.1}, afterwards {after:.1}");
    (full - idle, after / idle)
}

/// Called on the process's first thread.
pub(crate) fn figures(time: Duration) -> Vec<Figure> {
    keep_to("1");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let figures = runtime.block_on(async {
        tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        measured(time).await
    });
    keep_to("0,1");
    figures
}

async fn measured(time: Duration) -> Vec<Figure> {
    let machine = Machine::start().await;
    clients::check(&machine.gateway.address).await;
    let (held, left) = memory(&machine).await;
    let both = [
        ("gateway, whole answers", &machine.gateway),
        ("gateway, nothing written down", &machine.plain),
    ];
    let [whole, plain] = shares(&machine, both, Kind::Whole, time).await;
    let one = [("gateway, streamed events", &machine.gateway)];
    let [streamed] = shares(&machine, one, Kind::Streamed(Answers::Fast), time).await;
    let delay = added(&machine, "whole answers", Kind::Whole, time, 0.99).await;
    let first = added(&machine, "first token", Kind::Streamed(Answers::One), time, 0.5).await;
    let figure = |name, value, unit, goal, bound, falling| Figure {
        name,
        value,
        unit,
        goal,
        bound,
        falling,
    };
    vec![
        figure(
            "whole answers against a bare proxy, same CPU time",
            whole,
            "x",
            0.6,
            0.28,
            false,
        ),
        figure(
            "the same without ledger, metrics, spans and lines",
            plain,
            "x",
            0.8,
            0.35,
            false,
        ),
        figure(
            "streamed events against a bare proxy",
            streamed,
            "x",
            0.7,
            0.45,
            false,
        ),
        figure(
            "p99 added at 200 requests a second",
            delay,
            "µs",
            250.0,
            2_000.0,
            true,
        ),
        figure(
            "p50 added to a stream's first token",
            first,
            "µs",
            150.0,
            1_000.0,
            true,
        ),
        figure(
            "memory of 1,000 streams over idle",
            held,
            "MiB",
            64.0,
            128.0,
            true,
        ),
        figure("memory after them, of idle", left, "x", 1.1, 2.0, true),
    ]
}
