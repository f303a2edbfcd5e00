//! What the commands take that work on a store.

use std::path::PathBuf;

use clap::Args;
use greenroom_kernel::MemberRole;

use super::clients::GatewayArgs;

/// What every command takes that works on the store and prints what it found.
#[derive(Debug, Args, Default)]
pub(crate) struct StoredArgs {
    /// The store's file.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// What the process is to be that this configuration is for: gateway, supervisor or agent. `dev` is a supervisor.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<MemberRole>,
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Where the copy goes.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
    /// Replaces FILE if it is there.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
    /// Replaces the store that is there, and keeps it beside.
    #[arg(long)]
    pub(crate) force: bool,
}
