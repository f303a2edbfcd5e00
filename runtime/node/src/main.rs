//! The `greenroom` binary: reads what it is asked for, runs it, and says how it went by its exit status (0 done,
//! 1 failed, 2 misused).

mod agent;
mod agents;
mod certs;
mod chat;
mod cli;
mod columns;
mod config;
mod control;
mod dev;
mod discovery;
mod doctor;
mod failed;
mod gateway;
mod keep;
mod links;
mod new;
mod operator;
mod output;
mod parts;
mod ports;
mod probe;
mod settings;
mod spend;
mod supervisor;
mod table;
mod tasks;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failed::Failed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failed> {
    let config = cli.config;
    match cli.command {
        Command::Dev(args) => dev::run(config, args),
        Command::Gateway(args) => gateway::run(config, &args),
        Command::Supervisor(args) => supervisor::run(config, &args),
        Command::Agent(args) => agent::run(config, &args),
        Command::Chat(args) => chat::run(args),
        Command::Tasks(args) => tasks::run(config, args),
        Command::Agents(args) => agents::run(config, args),
        Command::Spend(args) => spend::run(config, args),
        Command::New(args) => new::run(&args),
        Command::Config(args) => settings::run(config, &args),
        Command::Certs(args) => certs::run(&args),
        Command::Doctor(args) => doctor::run(config, &args),
        Command::Backup(args) => keep::backup(config, args),
        Command::Restore(args) => keep::restore(config, args),
        Command::Migrate(args) => settings::migrate(config, args),
        Command::Schema => output::text(&greenroom_gateway::sdl()),
        Command::Healthcheck(args) => probe::healthcheck(&args),
    }
}
