//! The command line: what each command is for; what it takes stands in the files beside.

mod agents;
mod clients;
mod roles;
mod setup;
mod spend;
mod stored;
mod tasks;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use agents::AgentsArgs;
pub(crate) use clients::{ChatArgs, HealthcheckArgs};
pub(crate) use roles::{AgentArgs, DevArgs, RoleArgs, ServeGatewayArgs};
pub(crate) use setup::{
    CertsArgs, CertsCommand, CertsInitArgs, CertsShowArgs, ConfigArgs, ConfigCommand, NewArgs, NewCommand,
};
pub(crate) use spend::{By, SpendArgs};
pub(crate) use stored::{BackupArgs, DoctorArgs, MigrateArgs, RestoreArgs};
pub(crate) use tasks::{Status, TasksArgs, TasksCommand};

const AFTER: &str = "Exit status: 0 done, 1 failed, 2 misused.";

/// Runs AI agents under supervision: durable chats and tasks, on one machine.
#[derive(Debug, Parser)]
#[command(name = "greenroom", version, after_help = AFTER, propagate_version = true)]
pub(crate) struct Cli {
    /// The configuration file [default: ./greenroom.toml if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process: no key, no service, no configuration needed.
    #[command(
        after_help = "Examples:\n  greenroom dev\n  greenroom dev --agent http://127.0.0.1:7071\n  \
        OPENAI_API_KEY=sk-… greenroom dev --listen 127.0.0.1:9000 --store ./try.sqlite\n\n\
        Ctrl-C or SIGTERM: finishes or parks what runs, within 10 s. A second Ctrl-C ends at once; nothing that was \
        accepted is lost either way."
    )]
    Dev(DevArgs),
    /// Take clients' connections, in a process of its own: as many as there are to take.
    #[command(after_help = "Examples:\n  greenroom gateway --supervisor 127.0.0.1:7070\n  \
        GREENROOM__DISCOVERY__KIND=cloud-map GREENROOM__DISCOVERY__NAMESPACE=prod.internal \\\n    \
        GREENROOM__DISCOVERY__SERVICE=greenroom greenroom gateway\n\n\
        It keeps nothing: sessions and tasks are the supervisors', which it finds in [discovery] or by --supervisor. Model \
        calls under /v1 are its own, to the providers that are configured. There are no identities yet: it listens on \
        loopback only, unless --insecure.\n\n\
        Ctrl-C or SIGTERM: no new connections; what runs may end, within gateway.stop_ms.")]
    Gateway(ServeGatewayArgs),
    /// Own sessions and run tasks, in a process of its own: as many as share a store.
    #[command(
        after_help = "Examples:\n  GREENROOM__STORE__KIND=dynamodb greenroom supervisor\n  \
        GREENROOM__STORE__PATH=./alone.sqlite greenroom supervisor --listen 127.0.0.1:7070\n\n\
        Several supervisors share a table of DynamoDB; a file has one. Agent hosts are found in [discovery] or named in \
        agent.join. Other machines reach it by TLS only: see [tls].\n\n\
        Ctrl-C or SIGTERM: hands its sessions over to the others at their next step, within supervisor.stop_ms; what can't \
        be is taken over once it is gone. Nothing that was accepted is lost."
    )]
    Supervisor(RoleArgs),
    /// Host built-in agents, in a process of its own.
    #[command(
        after_help = "Examples:\n  greenroom agent assistant\n  greenroom agent summarizer extractor --listen 127.0.0.1:7072\n\n\
        Supervisors find it in [discovery], or are told by agent.join. It has no provider's key: every model call is made by \
        the supervisor. Other machines reach it by TLS only: see [tls].\n\n\
        Ctrl-C or SIGTERM: no new runs; what runs may end, within agent.stop_ms."
    )]
    Agent(AgentArgs),
    /// Chat in the terminal with a running gateway.
    #[command(
        after_help = "Examples:\n  greenroom chat\n  greenroom chat --session 01JD…   (goes on where it was)\n  \
        greenroom chat --once \"What is a green room?\"\n  greenroom chat --once hello --json | jq -r .content"
    )]
    Chat(ChatArgs),
    /// Look at tasks and settle them by hand.
    #[command(
        after_help = "Examples:\n  greenroom tasks list --status FAILED\n  greenroom tasks show 01JD….0\n  \
        greenroom tasks settle 01JD….0 3 --done '{\"receipt\": 17}'\n  \
        greenroom tasks export 01JD….0 --output tests/journal.json\n\n\
        Talks to the process that has the store open; without one it opens the store itself."
    )]
    Tasks(TasksArgs),
    /// Say how agents are, or how one of them was.
    #[command(
        after_help = "Examples:\n  greenroom agents                          (all of them, now)\n  \
        greenroom agents assistant --since 1h     (one of them, the youngest first)\n  \
        greenroom agents assistant --since 7d --json | jq '.records[] | select(.breaker == \"OPEN\")'\n\n\
        A line of a history is a stretch of time, an hour at most, over which one supervisor saw one instance unchanged. It \
        is kept for agent_history.keep_days. Talks to the process that has the store open; without one it opens the store \
        itself, which knows how agents were and not how they are."
    )]
    Agents(AgentsArgs),
    /// Say what was spent on models, by day, model, caller and more.
    #[command(
        after_help = "Examples:\n  greenroom spend                          (this month, by model)\n  \
        greenroom spend --by day,subject --from 2026-11-01 --to 2026-11-30\n  \
        greenroom spend --by kind --json | jq '.groups[] | {kind, usd: .sum.costUsd}'\n\n\
        Sums are of the ledger's tries: input and output are tokens of all classes, by the provider's own count where it \
        gave one. Talks to the process that has the store open; without one it opens the store itself."
    )]
    Spend(SpendArgs),
    /// Start a project of your own.
    #[command(
        after_help = "Example:\n  greenroom new agent shop-keeper\n  cd shop-keeper && cargo test && cargo run\n  \
        greenroom dev --agent http://127.0.0.1:7071   (in another terminal)"
    )]
    New(NewArgs),
    /// Check or show the configuration.
    #[command(
        after_help = "Examples:\n  greenroom config check\n  greenroom config show --json | jq .gateway"
    )]
    Config(ConfigArgs),
    /// Make certificates by which the processes of a fleet prove themselves to each other.
    #[command(
        after_help = "Examples:\n  greenroom certs init                    (an authority, and a certificate for each role, in ./certs)\n  \
        greenroom certs init agent --days 30\n  greenroom certs init --renew            (new certificates of the same authority)\n  \
        greenroom certs show\n\nA process shows its certificate as its configuration's [tls] says: docs/tls.md."
    )]
    Certs(CertsArgs),
    /// Say what is wrong with this installation and how to mend it.
    #[command(after_help = "Example:\n  greenroom doctor\n\nExits 1 if any line says FAIL.")]
    Doctor(DoctorArgs),
    /// Bring the store to this binary's schema; create the table of one on DynamoDB.
    #[command(after_help = "Example:\n  greenroom migrate --store ./greenroom.sqlite\n\n\
        `greenroom dev` does it by itself for a file; a process killed on the way loses nothing: run it again.")]
    Migrate(MigrateArgs),
    /// Copy the store into one file, while it is in use or not.
    #[command(
        after_help = "Examples:\n  greenroom backup ./greenroom-2026-11-26.sqlite\n  \
        greenroom backup --force /mnt/backups/latest.sqlite --json | jq .tasks\n\n\
        The copy is the store as it is at one moment: whatever was acknowledged before is in it. It is looked through \
        before it gets its name, and its owner's only. A store on DynamoDB is copied by AWS: the command says how."
    )]
    Backup(BackupArgs),
    /// Put a backup in the store's place.
    #[command(
        after_help = "Examples:\n  greenroom restore ./greenroom-2026-11-26.sqlite --store ./try.sqlite\n  \
        greenroom restore --force ./greenroom-2026-11-26.sqlite\n\n\
        Stop the process first. With --force the store that is there is kept beside the restored one, as \
        STORE.replaced. What was acknowledged after the backup is not in it: see docs/operations.md."
    )]
    Restore(RestoreArgs),
    /// Print the GraphQL schema.
    #[command(after_help = "Example:\n  greenroom schema > schema.graphql")]
    Schema,
    /// Exit 0 if a gateway answers, or a process of another role at its operator's port: for containers.
    #[command(
        after_help = "Examples:\n  greenroom healthcheck --url http://127.0.0.1:8080\n  \
        greenroom healthcheck --url http://127.0.0.1:9465   (a supervisor; 9466: an agent host)"
    )]
    Healthcheck(HealthcheckArgs),
}

#[cfg(test)]
mod tests;
