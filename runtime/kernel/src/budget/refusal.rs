//! Why a call is refused for a budget.

use std::time::Duration;

use super::{Amount, BudgetId, BudgetWindow};
use crate::{ErrorCode, Failure, Timestamp};

/// How soon what calls under way hold may be free again.
const HELD_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How soon what was spent may be known.
const UNKNOWN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum BudgetRefusal {
    /// What it may cost is more than is left.
    Over {
        /// Which budget.
        budget: BudgetId,
        /// Its time.
        window: BudgetWindow,
        /// Its limits.
        limit: (Option<u64>, Option<u64>),
        /// What was spent.
        spent: Amount,
        /// What calls under way may still spend.
        held: Amount,
        /// What this one may.
        asked: Amount,
        /// When it begins anew.
        resets_at: Timestamp,
    },
    /// The budget is in dollars and nobody knows what the model costs.
    Unpriced {
        /// Which budget.
        budget: BudgetId,
        /// The target, as `provider/model`.
        target: String,
    },
    /// What was spent of the budget before it was set isn't known yet.
    Unknown {
        /// Which budget.
        budget: BudgetId,
    },
}

impl BudgetRefusal {
    /// The budget that refuses.
    pub fn budget(&self) -> &BudgetId {
        match self {
            Self::Over { budget, .. } | Self::Unpriced { budget, .. } | Self::Unknown { budget } => budget,
        }
    }

    /// As its caller is told, at `now`.
    pub fn failure(&self, now: Timestamp) -> Failure {
        match self {
            Self::Unknown { budget } => Failure::unavailable(format!(
                "what was spent of budget {budget} is still being read: nothing goes out until it is known"
            ))
            .retry_after(UNKNOWN_RETRY_AFTER),
            Self::Unpriced { budget, target } => Failure::new(
                ErrorCode::LimitExceeded,
                format!(
                    "budget {budget} is in US dollars, and no price is known for {target}: set one under \
                     [models.prices]"
                ),
            ),
            Self::Over {
                budget,
                window,
                limit,
                spent,
                held,
                asked,
                resets_at,
            } => {
                let waits = fits(*limit, spent.plus(*asked));
                let what = match (limit, asked) {
                    ((Some(nanos), _), _)
                        if spent.nanos.saturating_add(held.nanos + asked.nanos) > *nanos =>
                    {
                        let usd = |nanos: u64| format!("{:.6}", Amount::usd_of(nanos));
                        let [limit, spent, held, asked] =
                            [*nanos, spent.nanos, held.nanos, asked.nanos].map(usd);
                        format!(
                            "of {limit} US dollars a {window} {spent} are spent, calls under way may take {held} and \
                             this one {asked}",
                            window = window.as_str()
                        )
                    }
                    ((_, tokens), asked) => format!(
                        "of {} tokens a {} {} are spent, calls under way may take {} and this one {}",
                        tokens.unwrap_or(u64::MAX),
                        window.as_str(),
                        spent.tokens,
                        held.tokens,
                        asked.tokens
                    ),
                };
                if waits {
                    let why = format!("budget {budget} is held by calls under way: {what}");
                    return Failure::new(ErrorCode::ResourceExhausted, why).retry_after(HELD_RETRY_AFTER);
                }
                let why = format!("budget {budget} is used up: {what}; it begins anew at {resets_at}");
                let wait = now.until(*resets_at).as_millis();
                Failure {
                    // Nobody should wait in a loop for tomorrow.
                    retry_after_ms: Some(u64::try_from(wait).unwrap_or(u64::MAX)),
                    ..Failure::new(ErrorCode::LimitExceeded, why)
                }
            }
        }
    }
}

/// Whether an amount is within limits.
pub(super) fn fits(limit: (Option<u64>, Option<u64>), used: Amount) -> bool {
    limit.0.is_none_or(|nanos| used.nanos <= nanos) && limit.1.is_none_or(|tokens| used.tokens <= tokens)
}
