//! `cargo xtask test`: every check, cheapest first, stopping at the first that fails.
//!
//! Tests that need an installed part, the network or minutes are `#[ignore]`d with that reason; the whole suite runs
//! them, the fast one and a plain `cargo test` don't. So a test never passes because something was missing.

use std::process::Command;
use std::time::Instant;

use crate::needs;
use crate::report::{Failure, say};
use crate::step::{self, cargo};

const FORMAT: &str = "run `cargo fmt --all`";
const LINTS: &str = "mend what clippy names above; an exemption needs `#[allow(…, reason = \"…\")]`";
const BUILD: &str = "mend what the compiler names above";
const SPEED: &str =
    "run `cargo bench -p greenroom-tests --bench speed` on a quiet machine, and see docs/performance.md";
const TESTS: &str = "run the failed test alone: `cargo nextest run NAME` or `cargo test NAME`; a test marked \
                     ignored also wants `--run-ignored all` (nextest) or `-- --ignored` and GREENROOM_TEST_PARTS";

/// Runs the suite.
pub(crate) fn run(fast: bool) -> Result<(), Failure> {
    let begun = Instant::now();
    step::run("format", &mut cargo(&["fmt", "--all", "--", "--check"]), FORMAT)?;
    let lints = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    step::run("lints", &mut cargo(&lints), LINTS)?;
    step::run(
        "binary",
        &mut cargo(&["build", "--quiet", "--workspace", "--bins"]),
        BUILD,
    )?;
    let parts = needs::folder();
    if !fast {
        needs::install(&parts)?;
        step::run(
            "examples in the docs",
            &mut cargo(&["test", "--quiet", "--workspace", "--doc"]),
            TESTS,
        )?;
        speed()?;
    }
    let nextest = step::works("cargo", &["nextest", "--version"]);
    let build: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--no-run", "--cargo-quiet"]
    } else {
        &[
            "test",
            "--quiet",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-run",
        ]
    };
    step::run("tests build", &mut cargo(build), BUILD)?;
    say(&format!(
        "    everything before the tests took {:.0} s",
        begun.elapsed().as_secs_f64()
    ));
    let mut command = if nextest {
        with_nextest(fast)
    } else {
        with_libtest(fast)
    };
    command.env("GREENROOM_BIN", parts.with_file_name("debug").join("greenroom"));
    if !fast {
        command
            .env(
                "GREENROOM_RELEASE_BIN",
                parts.with_file_name("release").join("greenroom"),
            )
            .env("GREENROOM_TEST_PARTS", &parts)
            .env("GREENROOM_MODEL_PATH", needs::model(&parts));
    }
    if nextest {
        step::run_last("tests", &mut command, TESTS)
    } else {
        step::run_counting("tests", &mut command, TESTS)
    }
}

/// Refuses what is slower than its bound against a floor measured in the same run.
fn speed() -> Result<(), Failure> {
    step::run(
        "release binary",
        &mut cargo(&["build", "--quiet", "--release", "--package", "greenroom"]),
        BUILD,
    )?;
    let bench = [
        "bench",
        "--quiet",
        "--package",
        "greenroom-tests",
        "--bench",
        "speed",
    ];
    step::run(
        "speed",
        cargo(&bench).args(["--", "--check", "--seconds", "3"]),
        SPEED,
    )
}

fn with_nextest(fast: bool) -> Command {
    let mut command = cargo(&[
        "nextest",
        "run",
        "--workspace",
        "--cargo-quiet",
        "--no-tests",
        "fail",
    ]);
    if !fast {
        command.args(["--run-ignored", "all"]);
    }
    if std::env::var_os("CI").is_some() {
        command.args([
            "--no-fail-fast",
            "--status-level",
            "slow",
            "--final-status-level",
            "slow",
        ]);
    }
    command
}

fn with_libtest(fast: bool) -> Command {
    let mut command = cargo(&[
        "test",
        "--quiet",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--",
    ]);
    if !fast {
        // What is skipped is no test, but a process that tests start in order to kill it.
        command.args(["--include-ignored", "--skip", "child_process_"]);
    }
    command
}
