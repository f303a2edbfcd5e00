//! Who pays for model calls: the accounts over the store's ledger, as they are configured.

use std::sync::Arc;

use greenroom_kernel::Ledger;
use greenroom_models::{Accounts, AccountsConfig, Redact};

use super::world::World;
use crate::config::{Config, StoreSettings};
use crate::failed::Failed;

/// The accounts, with their budgets and what was spent of them; those of nobody where nothing is billed.
///
/// # Errors
/// As the ledger says.
pub(crate) async fn open(
    config: &Config,
    ledger: Arc<dyn Ledger>,
    world: &World,
) -> Result<Arc<Accounts>, Failed> {
    if !config.bills {
        return Ok(nobodys(world));
    }
    let content = config.requests.content;
    let settings = AccountsConfig {
        budgets: config.budgets.clone(),
        shared: matches!(config.store, StoreSettings::DynamoDb(_)),
        keep_requests: config.requests.keep(),
        content: content.then(|| Arc::new(greenroom_telemetry::without_secrets) as Redact),
        ..AccountsConfig::new(config.models.prices.version.clone())
    };
    let clock = Arc::clone(&world.clock);
    Ok(Accounts::open(ledger, clock, &*world.random, settings).await?)
}

/// Those of nobody: nothing is billed, and no budget holds.
pub(crate) fn nobodys(world: &World) -> Arc<Accounts> {
    Accounts::none(Arc::clone(&world.clock), &*world.random)
}
