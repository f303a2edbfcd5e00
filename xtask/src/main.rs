//! `cargo xtask`: the project's own chores, so that a fresh clone needs nothing but Rust to be checked.

mod needs;
mod report;
mod step;
mod suite;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Chores of this repository",
    disable_version_flag = true
)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check format and lints, install what the tests need under target/, build and run every test
    Test {
        /// Install nothing and use no network: format, lints, unit and in-process tests only
        #[arg(long)]
        fast: bool,
    },
    /// Install what the tests need and stop
    Install,
    /// List what the tests need, why, and the commands that install it
    Needs,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Test { fast } => suite::run(fast),
        Chore::Install => needs::install(&needs::folder()),
        Chore::Needs => {
            needs::list();
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::say(&format!(
                "\nfailed: {}\nwhat to do: {}",
                failure.what, failure.remedy
            ));
            ExitCode::FAILURE
        }
    }
}
