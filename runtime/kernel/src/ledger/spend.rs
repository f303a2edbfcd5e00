//! Sums over tries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Amount, BudgetWindow, Failure, LedgerRow, Timestamp, Usage};

/// What sums are kept apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendDimension {
    /// The day, in UTC.
    Day,
    /// The month, in UTC.
    Month,
    /// The caller.
    Subject,
    /// The credential.
    Key,
    /// The provider.
    Provider,
    /// The model.
    Model,
    /// Why tries were made.
    Kind,
}

/// Which tries to sum up, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendQuery {
    /// From this day on, as `2026-11-26`.
    pub from: String,
    /// Before this day.
    pub to: String,
    /// One sum for each of these; none: one sum of all.
    pub group_by: Vec<SpendDimension>,
    /// How many sums at most.
    pub limit: u32,
}

impl SpendQuery {
    /// From one day to another, both included and as `2026-11-26`; the present month up to today where nothing is said.
    ///
    /// # Errors
    /// BAD_USER_INPUT for what is no day.
    pub fn of_days(
        from: Option<&str>,
        to: Option<&str>,
        group_by: Vec<SpendDimension>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let day = |what: &str, given: Option<&str>, otherwise: Timestamp| match given {
            None => Ok(otherwise),
            Some(text) => Timestamp::from_rfc3339(&format!("{text}T00:00:00Z"))
                .ok_or_else(|| Failure::bad_input(format!("{what} must be a day, as in 2026-11-26"))),
        };
        let from = day("from", from, BudgetWindow::Month.start(now))?;
        let to = day("to", to, now)?;
        let next = Timestamp::from_millis(to.as_millis().saturating_add(Timestamp::DAY_MS));
        Ok(Self {
            from: from.date(),
            to: next.date(),
            group_by,
            limit,
        })
    }
}

/// One sum. What it isn't grouped by is none, and so is the key of tries without one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpendGroup {
    /// `2026-11-26`.
    pub day: Option<String>,
    /// `2026-11`.
    pub month: Option<String>,
    /// The caller.
    pub subject: Option<String>,
    /// The credential.
    pub key: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// Why they were made.
    pub kind: Option<String>,
}

/// What tries came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// How many.
    pub tries: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Fresh input tokens.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cached_input: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
    /// Visible output tokens.
    pub output: u64,
    /// Reasoning tokens.
    pub reasoning: u64,
    /// What is known of their cost, in billionths of a US dollar.
    pub cost_nanos: u64,
    /// Tokens whose price isn't known.
    pub unpriced: u64,
    /// Tokens that are our estimate.
    pub estimated: u64,
}

impl Spent {
    /// What one row adds.
    pub fn of(row: &LedgerRow) -> Self {
        let Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            cost_usd,
            estimated,
        } = row.usage;
        let all = row.usage.total_tokens();
        Self {
            tries: row.tries.into(),
            failed: if row.fault.is_some() { row.tries.into() } else { 0 },
            input: input_tokens,
            cached_input: cached_input_tokens,
            cache_write: cache_write_tokens,
            output: output_tokens,
            reasoning: reasoning_tokens,
            cost_nanos: cost_usd.map_or(0, Amount::nanos_of),
            unpriced: if cost_usd.is_none() { all } else { 0 },
            estimated: if estimated { all } else { 0 },
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            tries: self.tries.saturating_add(other.tries),
            failed: self.failed.saturating_add(other.failed),
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            cost_nanos: self.cost_nanos.saturating_add(other.cost_nanos),
            unpriced: self.unpriced.saturating_add(other.unpriced),
            estimated: self.estimated.saturating_add(other.estimated),
        }
    }

    /// All tokens of all classes.
    pub const fn tokens(&self) -> u64 {
        self.input
            .saturating_add(self.cached_input)
            .saturating_add(self.cache_write)
            .saturating_add(self.output)
            .saturating_add(self.reasoning)
    }

    /// As budgets count it.
    pub const fn amount(&self) -> Amount {
        Amount {
            nanos: self.cost_nanos,
            tokens: self.tokens(),
        }
    }
}

/// A sum and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendRow {
    /// Whose.
    pub group: SpendGroup,
    /// The sum.
    pub spent: Spent,
}

/// How good our estimates of one model's tokens were of late: as far as this process has both figures.
#[derive(Debug, Clone, PartialEq)]
pub struct EstimatorError {
    /// The provider.
    pub provider: Arc<str>,
    /// Its model.
    pub model: Arc<str>,
    /// How many tries it was measured on.
    pub samples: u64,
    /// Tokens as reported over tokens as estimated, averaged: above 1 we estimate too low.
    pub ratio: f64,
    /// How far off an estimate is either way, as a share of what was reported, averaged.
    pub error: f64,
}

/// An answer about spending.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpendReport {
    /// The sum of all.
    pub total: Spent,
    /// The sums asked for, the dearest first.
    pub rows: Vec<SpendRow>,
    /// Whether there are more than were asked for.
    pub more: bool,
    /// How good estimates are.
    pub estimators: Vec<EstimatorError>,
}
