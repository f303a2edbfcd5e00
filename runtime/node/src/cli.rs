//! The command line.

mod roles;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use greenroom_kernel::{AgentName, MemberRole};

pub(crate) use roles::{AgentArgs, RoleArgs, ServeGatewayArgs};

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

#[derive(Debug, Args, Default)]
pub(crate) struct DevArgs {
    /// Where the gateway listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Joins an agent host in any language and follows its restarts; may be repeated.
    #[arg(long = "agent", value_name = "URL")]
    pub(crate) agents: Vec<String>,
    /// Allows listening where other machines can reach it: whoever can connect may do everything.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Writes the bound addresses there as JSON once it serves; removed at the end.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// Which gateway.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// The gateway.
    #[arg(
        long,
        value_name = "URL",
        env = "GREENROOM_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) url: String,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// Goes on with this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// The agent to chat with [default: the gateway's].
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// The model: a route, `provider/model`, or a model's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Sends this, prints the answer and ends.
    #[arg(long, value_name = "TEXT")]
    pub(crate) once: Option<String>,
    /// Prints each answer as one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    /// The store's file.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: TasksCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// Tasks, the newest first.
    List {
        /// Only those in this state.
        #[arg(long, value_name = "STATUS", ignore_case = true)]
        status: Option<Status>,
        /// Only those of this session.
        #[arg(long, value_name = "ID")]
        session: Option<String>,
        /// At most this many, 1 to 100.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Goes on behind this page token.
        #[arg(long, value_name = "TOKEN")]
        after: Option<String>,
    },
    /// One task with its steps.
    Show {
        /// Its id.
        id: String,
    },
    /// Write a task's journal, with its content, as a JSON document: for replays in tests.
    Export {
        /// Its id.
        id: String,
        /// Writes it there instead of printing it.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// End a task as failed.
    Kill {
        /// Its id.
        id: String,
    },
    /// Accept a failed task once more, as a new task linked to it.
    Retry {
        /// Its id.
        id: String,
    },
    /// Say what became of a step whose outcome is unknown.
    Settle {
        /// The task's id.
        id: String,
        /// The step's number, as `show` prints it.
        step: u32,
        /// It was done, with this result (JSON) or none.
        #[arg(long, value_name = "JSON", num_args = 0..=1, default_missing_value = "null",
              conflicts_with = "not_done", required_unless_present = "not_done")]
        done: Option<String>,
        /// It was not done: it may be run.
        #[arg(long)]
        not_done: bool,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

/// A task's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say it, and are shown as they are")]
pub(crate) enum Status {
    Accepted,
    Running,
    Waiting,
    Completed,
    Failed,
    Cancelled,
    OutcomeUnknown,
}

#[derive(Debug, Args)]
pub(crate) struct AgentsArgs {
    /// The agent whose history is told [default: all agents as they are now].
    #[arg(value_parser = AgentName::parse)]
    pub(crate) name: Option<AgentName>,
    /// How far back, as 90s, 30m, 12h, 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ago, requires = "name")]
    pub(crate) since: Duration,
    /// At most this many lines of a history, 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "name", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SpendArgs {
    /// One sum for each of these, the dearest first: day, month, model, provider, subject, key, kind.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "model")]
    pub(crate) by: Vec<By>,
    /// The first day, in UTC [default: the first of this month].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) from: Option<String>,
    /// The last day, itself included [default: today].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) to: Option<String>,
    /// At most this many sums, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What sums are kept apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The day, in UTC.
    Day,
    /// The month, in UTC.
    Month,
    /// The provider and its model.
    Model,
    /// The provider.
    Provider,
    /// The caller.
    Subject,
    /// The credential.
    Key,
    /// Why tries were made: first, retry, failover, hedge, recovery, joined.
    Kind,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    #[command(subcommand)]
    pub(crate) command: NewCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// An agent in Rust: a folder NAME with a project that compiles, and its test.
    Agent {
        /// The agent's name: 1 to 64 of A-Z a-z 0-9 _ -.
        name: String,
        /// Takes the SDK from there: a checkout of greenroom, or its folder agents/sdk [default: the checkout that
        /// this binary was built in, else the project's repository].
        #[arg(long, value_name = "PATH")]
        sdk: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether the configuration can be used.
    Check {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print everything that is set, with its defaults and without secrets.
    Show {
        /// Prints JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CertsArgs {
    #[command(subcommand)]
    pub(crate) command: CertsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Make a private authority, and certificates of it.
    #[command(
        after_help = "The folder then holds authority.pem, which every process is given; authority-key.pem, which none is \
        given; and for each role ROLE.pem and ROLE-key.pem. Every process of a role may have the same two. Where an authority \
        is there already, certificates are made of that one."
    )]
    Init(CertsInitArgs),
    /// Show whose certificates are there and when they end.
    Show(CertsShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CertsInitArgs {
    /// gateway, supervisor, agent [default: all three; with --renew those that are there].
    #[arg(value_name = "ROLE")]
    pub(crate) roles: Vec<MemberRole>,
    /// Where they are written.
    #[arg(long, value_name = "FOLDER", default_value = "certs")]
    pub(crate) dir: PathBuf,
    /// How long the certificates last; the authority lasts ten years.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
    /// Replaces certificates that are there by new ones of the same authority. Running processes take them up by
    /// themselves.
    #[arg(long)]
    pub(crate) renew: bool,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CertsShowArgs {
    /// Certificates in PEM form [default: those of the folder].
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where they are looked for.
    #[arg(long, value_name = "FOLDER", default_value = "certs")]
    pub(crate) dir: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// What the process is to be that this configuration is for: gateway, supervisor or agent. `dev` is a supervisor.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<MemberRole>,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Where the copy goes.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Replaces FILE if it is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Replaces the store that is there, and keeps it beside.
    #[arg(long)]
    pub(crate) force: bool,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// How long it may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "3000", value_parser = millis)]
    pub(crate) timeout: Duration,
}

/// A whole number of seconds, minutes, hours or days.
fn ago(text: &str) -> Result<Duration, String> {
    let unit = |letter| match letter {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let read = || {
        let seconds = unit(text.chars().last()?)?;
        let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
        number.checked_mul(seconds).map(Duration::from_secs)
    };
    read().ok_or_else(|| "say a number of s, m, h or d, such as 30m".to_owned())
}

fn millis(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

#[cfg(test)]
mod tests;
