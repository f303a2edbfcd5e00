//! How this process reaches the others and is reached.

use std::sync::Arc;

use greenroom_kernel::MemberRole;
use greenroom_wire::Links;

use super::life::Life;
use super::world::World;
use crate::config::Config;
use crate::failed::Failed;
use crate::links;

/// By what the configuration gives a process of `role` to show, read again for as long as it takes work. `insecure` lets
/// plaintext leave the machine.
///
/// # Errors
/// Certificates that can't be used.
pub(crate) async fn links(
    config: &Config,
    role: MemberRole,
    insecure: bool,
    world: &World,
    life: &Life,
) -> Result<Links, Failed> {
    let opened = links::open(config.tls.as_ref(), role, insecure, Arc::clone(&world.clock)).await?;
    let kept = links::keep(opened.clone(), config.tls.clone(), life.closing.clone());
    life.background.spawn(kept);
    Ok(opened)
}
