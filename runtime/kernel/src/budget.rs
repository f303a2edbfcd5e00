//! Budgets: what a tenant, a key, a user or a model may spend in a day or a month, held by reserving before a try and
//! settling behind it.
//!
//! Pure: `now` is an argument, nothing waits. A reservation lives in memory alone, so that a crash leaks none: what was
//! spent is read back from the ledger.

mod amount;
mod book;
mod kept;
mod refusal;
mod standings;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use amount::Amount;
pub use book::{Budgets, Charge, Passed, Reservation, UnknownPast};
pub use refusal::BudgetRefusal;
pub use window::BudgetWindow;

use crate::{InvalidId, TenantId, Timestamp};

/// A budget's name within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BudgetId(Arc<str>);

impl BudgetId {
    /// Reads one.
    ///
    /// # Errors
    /// What isn't `[A-Za-z0-9_.-]{1,64}`.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        match (1..=64).contains(&text.len()) && text.bytes().all(of_name) {
            true => Ok(Self(text.into())),
            false => Err(InvalidId {
                what: "a budget's id",
                pattern: "[A-Za-z0-9_.-]{1,64}",
            }),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for BudgetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BudgetId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Whom a budget is about, in one respect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Option<Arc<str>>", into = "Option<Arc<str>>")]
pub enum About {
    /// All of them together.
    #[default]
    All,
    /// Each of them apart: written `*`.
    Each,
    /// This one.
    One(Arc<str>),
}

impl From<Option<Arc<str>>> for About {
    fn from(text: Option<Arc<str>>) -> Self {
        match text {
            None => Self::All,
            Some(text) if &*text == "*" => Self::Each,
            Some(text) => Self::One(text),
        }
    }
}

impl From<About> for Option<Arc<str>> {
    fn from(about: About) -> Self {
        match about {
            About::All => None,
            About::Each => Some("*".into()),
            About::One(text) => Some(text),
        }
    }
}

/// What may be spent, by whom, on what, in which time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its name.
    pub id: BudgetId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which callers.
    #[serde(default)]
    pub subject: About,
    /// Of which credentials.
    #[serde(default)]
    pub key: About,
    /// Of which models: a model's name, `provider/model` or `provider/*`.
    #[serde(default)]
    pub model: About,
    /// In which time.
    pub window: BudgetWindow,
    /// US dollars, in billionths; none: any.
    pub limit_nanos: Option<u64>,
    /// Tokens of all classes; none: any.
    pub limit_tokens: Option<u64>,
    /// Whether calls that may pass it are refused; else it is only told.
    pub hard: bool,
    /// Whether the configuration sets it.
    #[serde(skip)]
    pub configured: bool,
}

impl Budget {
    /// Whether it counts what this charge comes to.
    pub fn counts(&self, charge: &Charge<'_>) -> bool {
        let one = |about: &About, text: Option<&str>| match about {
            About::All => true,
            About::Each => text.is_some(),
            About::One(wanted) => text == Some(wanted),
        };
        self.tenant == *charge.tenant
            && one(&self.subject, Some(charge.subject))
            && one(&self.key, charge.key)
            && match &self.model {
                About::One(wanted) => is_model(wanted, charge),
                About::All | About::Each => true,
            }
    }

    /// Whether it counts the same as another and begins anew at the same times.
    pub fn counts_the_same(&self, other: &Self) -> bool {
        let scope = |b: &Self| {
            (
                b.tenant.clone(),
                b.subject.clone(),
                b.key.clone(),
                b.model.clone(),
                b.window,
            )
        };
        scope(self) == scope(other)
    }
}

fn is_model(wanted: &str, charge: &Charge<'_>) -> bool {
    if wanted == charge.model {
        return true;
    }
    let rest = wanted
        .strip_prefix(charge.provider)
        .and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|model| model == "*" || model == charge.model)
}

/// How a budget stands, for one of those that it counts apart.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetStanding {
    /// The budget.
    pub budget: Budget,
    /// The caller that is counted apart.
    pub subject: Option<Arc<str>>,
    /// The credential.
    pub key: Option<Arc<str>>,
    /// The target, as `provider/model`.
    pub model: Option<Arc<str>>,
    /// What was spent in this time.
    pub spent: Amount,
    /// What calls under way may still spend.
    pub held: Amount,
    /// When it begins anew.
    pub resets_at: Timestamp,
    /// Whether it is used up.
    pub exceeded: bool,
    /// Whether what was spent before it was set is known: until then a hard budget lets nothing through.
    pub known: bool,
}
