//! What the commands take that prepare something: a project, a configuration, certificates.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use greenroom_kernel::MemberRole;

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
