//! Who pays for model calls: the accounts over the store's ledger, as they are configured.

use std::sync::Arc;

use greenroom_kernel::{Clock, Ledger, Randomness};
use greenroom_models::{Accounts, AccountsConfig, Redact};

use crate::config::Config;
use crate::failed::Failed;

/// The accounts, with their budgets and what was spent of them; those of nobody where nothing is billed.
///
/// # Errors
/// As the ledger says.
pub(super) async fn open(
    config: &Config,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    random: &dyn Randomness,
) -> Result<Arc<Accounts>, Failed> {
    if !config.bills {
        return Ok(Accounts::none(clock, random));
    }
    let content = config.requests.content;
    let settings = AccountsConfig {
        budgets: config.budgets.clone(),
        keep_requests: config.requests.keep(),
        content: content.then(|| Arc::new(greenroom_telemetry::without_secrets) as Redact),
        ..AccountsConfig::new(config.models.prices.version.clone())
    };
    Ok(Accounts::open(ledger, clock, random, settings).await?)
}
