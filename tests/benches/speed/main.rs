//! What durability and supervision cost: ratios against floors measured in the same run.
//!
//! `cargo bench -p greenroom-tests --bench speed` (add `-- --check` to fail below the bounds, `-- --seconds 3` for
//! shorter runs, `-- --inside`, `-- --outside`, `-- --overhead` or `-- --idle` for a part). Needs the release binary: `cargo build --release`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark prints its figures and stops at the first surprise"
)]

mod floor;
mod idle;
mod inside;
mod load;
mod outside;
mod overhead;

use std::time::Duration;

/// One figure, its goal and the bound that a check refuses to go below.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: f64,
    bound: f64,
    /// Whether less is better.
    falling: bool,
}

impl Figure {
    fn meets(&self, limit: f64) -> bool {
        if self.falling {
            self.value <= limit
        } else {
            self.value >= limit
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(place) = args.iter().position(|arg| arg == "--floor") {
        return floor::serve(&args[place + 1]);
    }
    if let Some(place) = args.iter().position(|arg| arg == "--proxy") {
        return overhead::serve_proxy(&args[place + 1], &args[place + 2]);
    }
    let seconds = args
        .iter()
        .position(|arg| arg == "--seconds")
        .and_then(|place| args[place + 1].parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(5));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let only = |part: &str| args.iter().any(|arg| arg == part);
    let mut figures = Vec::new();
    let all = !["--inside", "--outside", "--overhead", "--idle"]
        .into_iter()
        .any(only);
    if all || only("--outside") {
        figures.extend(runtime.block_on(outside::figures(time)));
    }
    if all || only("--overhead") {
        figures.extend(overhead::figures(time));
    }
    if all || only("--inside") {
        figures.extend(runtime.block_on(inside::figures(time)));
    }
    // It takes a while for something that hardly ever changes.
    if only("--idle") || all && !only("--check") {
        figures.extend(runtime.block_on(idle::figures()));
    }
    println!();
    let mut below = 0;
    for figure in &figures {
        let verdict = if figure.meets(figure.goal) {
            "goal met"
        } else if figure.meets(figure.bound) {
            "short of the goal"
        } else {
            below += 1;
            "BELOW THE BOUND"
        };
        let sign = if figure.falling { "<=" } else { ">=" };
        println!(
            "{:58} {:>10.3} {:6} goal {sign} {:<8} bound {sign} {:<8} {verdict}",
            figure.name, figure.value, figure.unit, figure.goal, figure.bound
        );
    }
    if below > 0 && args.iter().any(|arg| arg == "--check") {
        std::process::exit(1);
    }
}
