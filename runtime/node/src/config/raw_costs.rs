//! What an operator lets people spend, and what is remembered of requests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{About, Amount, Budget, BudgetId, BudgetWindow, TenantId};
use serde::{Deserialize, Serialize};

use super::error::ConfigError;

/// `[[budgets]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBudget {
    pub(crate) id: String,
    #[serde(default = "dev")]
    pub(crate) tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<Arc<str>>,
    #[serde(default = "month")]
    pub(crate) window: BudgetWindow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit_usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit_tokens: Option<u64>,
    #[serde(default = "hard")]
    pub(crate) hard: bool,
}

/// The one tenant without identity.
fn dev() -> String {
    "dev".to_owned()
}

const fn month() -> BudgetWindow {
    BudgetWindow::Month
}

const fn hard() -> bool {
    true
}

/// `[ledger]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLedger {
    /// Whether tries are billed, requests are logged and budgets hold.
    pub(crate) enabled: bool,
}

impl Default for RawLedger {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `[requests]`: the log of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRequests {
    /// Whether what was said is kept too, without what looks like a secret.
    pub(crate) content: bool,
    pub(crate) keep_days: u32,
}

impl Default for RawRequests {
    fn default() -> Self {
        Self {
            content: false,
            keep_days: 30,
        }
    }
}

impl RawRequests {
    /// For how long they are kept.
    pub(crate) fn keep(&self) -> Duration {
        Duration::from_secs(u64::from(self.keep_days) * 86_400)
    }
}

/// The budgets, checked.
pub(super) fn budgets(raw: &[RawBudget]) -> Result<Vec<Budget>, ConfigError> {
    let mut seen = BTreeSet::new();
    let mut budgets = Vec::new();
    for raw in raw {
        let wrong =
            |what: &str, why: &str| ConfigError::value("budgets", &format!("{}: {what}: {why}", raw.id));
        let id = BudgetId::parse(&raw.id).map_err(|error| wrong("id", &error.to_string()))?;
        let tenant = TenantId::parse(&raw.tenant).map_err(|error| wrong("tenant", &error.to_string()))?;
        if !seen.insert((tenant.clone(), id.clone())) {
            return Err(wrong("id", "there are two of this name"));
        }
        match raw.limit_usd {
            None if raw.limit_tokens.is_none() => {
                return Err(wrong("limit_usd", "give it, limit_tokens or both"));
            }
            Some(usd) if !(0.0..=1e9).contains(&usd) => {
                return Err(wrong("limit_usd", "it must be from 0 to 1000000000"));
            }
            _ => {}
        }
        budgets.push(Budget {
            id,
            tenant,
            subject: About::from(raw.subject.clone()),
            key: About::from(raw.key.clone()),
            model: About::from(raw.model.clone()),
            window: raw.window,
            limit_nanos: raw.limit_usd.map(Amount::nanos_of),
            limit_tokens: raw.limit_tokens,
            hard: raw.hard,
            configured: true,
        });
    }
    Ok(budgets)
}
