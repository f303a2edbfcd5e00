//! What was spent, and what may be.

use async_graphql::{Enum, InputObject, Result, SimpleObject};
use greenroom_kernel::{
    About, Amount, Budget as Kept, BudgetId, BudgetStanding as Standing, EstimatorError, Failure, Principal,
    SpendQuery, SpendReport, SpendRow, Spent, Timestamp,
};

use super::reach::int;
use super::scalars::DateTime;

/// How many sums one question may bring.
const SUMS: u32 = 1_000;

/// What sums are kept apart by.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "greenroom_kernel::SpendDimension")]
pub(crate) enum SpendGroupBy {
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
    /// Why tries were made: `first`, `retry`, `failover`, `hedge`, `recovery`, `joined`.
    Kind,
}

/// The time that a budget is for.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "greenroom_kernel::BudgetWindow")]
pub(crate) enum BudgetWindow {
    /// A day in UTC.
    Day,
    /// A calendar month in UTC.
    Month,
}

/// What tries of models came to. Tokens are Floats, for there may be more than an Int holds; they are whole.
#[derive(SimpleObject)]
pub(crate) struct SpendSum {
    /// How many tries.
    tries: f64,
    /// How many of them failed.
    failed: f64,
    /// Fresh input tokens.
    input_tokens: f64,
    /// Input tokens read from a cache.
    cached_input_tokens: f64,
    /// Input tokens written to a cache.
    cache_write_tokens: f64,
    /// Visible output tokens.
    output_tokens: f64,
    /// Reasoning tokens.
    reasoning_tokens: f64,
    /// US dollars, of tokens whose price is known.
    cost_usd: f64,
    /// Tokens whose price isn't known.
    unpriced_tokens: f64,
    /// Tokens that are our estimate, where the provider gave no figures.
    estimated_tokens: f64,
}

impl From<Spent> for SpendSum {
    fn from(spent: Spent) -> Self {
        let float = |n: u64| n as f64;
        Self {
            tries: float(spent.tries),
            failed: float(spent.failed),
            input_tokens: float(spent.input),
            cached_input_tokens: float(spent.cached_input),
            cache_write_tokens: float(spent.cache_write),
            output_tokens: float(spent.output),
            reasoning_tokens: float(spent.reasoning),
            cost_usd: Amount::usd_of(spent.cost_nanos),
            unpriced_tokens: float(spent.unpriced),
            estimated_tokens: float(spent.estimated),
        }
    }
}

/// One sum, and of what. What it isn't grouped by is null.
#[derive(SimpleObject)]
pub(crate) struct SpendGroup {
    /// The day, as `2026-11-26`.
    day: Option<String>,
    /// The month, as `2026-11`.
    month: Option<String>,
    /// The caller.
    subject: Option<String>,
    /// The credential; null for calls without one too.
    key: Option<String>,
    /// The provider.
    provider: Option<String>,
    /// The model.
    model: Option<String>,
    /// Why the tries were made.
    kind: Option<String>,
    /// The sum.
    sum: SpendSum,
}

impl From<SpendRow> for SpendGroup {
    fn from(row: SpendRow) -> Self {
        let group = row.group;
        Self {
            day: group.day,
            month: group.month,
            subject: group.subject,
            key: group.key,
            provider: group.provider,
            model: group.model,
            kind: group.kind,
            sum: row.spent.into(),
        }
    }
}

/// How good our own estimates of a model's tokens were of late, as far as this process has both figures.
#[derive(SimpleObject)]
pub(crate) struct Estimator {
    /// The provider.
    provider: String,
    /// Its model.
    model: String,
    /// How many tries it was measured on.
    samples: i32,
    /// Tokens as reported over tokens as estimated, averaged: above 1 we estimate too low.
    ratio: f64,
    /// How far off an estimate is either way, as a share of what was reported, averaged.
    error: f64,
}

impl From<EstimatorError> for Estimator {
    fn from(measured: EstimatorError) -> Self {
        Self {
            provider: measured.provider.to_string(),
            model: measured.model.to_string(),
            samples: int(measured.samples),
            ratio: measured.ratio,
            error: measured.error,
        }
    }
}

/// What the tenant spent.
#[derive(SimpleObject)]
pub(crate) struct Spend {
    /// The sum of all.
    total: SpendSum,
    /// The sums asked for, the dearest first; at most 1000.
    groups: Vec<SpendGroup>,
    /// Whether there are more.
    more: bool,
    /// How good estimates are.
    estimators: Vec<Estimator>,
}

impl From<SpendReport> for Spend {
    fn from(report: SpendReport) -> Self {
        Self {
            total: report.total.into(),
            groups: report.rows.into_iter().map(SpendGroup::from).collect(),
            more: report.more,
            estimators: report.estimators.into_iter().map(Estimator::from).collect(),
        }
    }
}

/// How a budget stands, for one of those that it counts apart.
#[derive(SimpleObject)]
pub(crate) struct BudgetStanding {
    /// The caller that is counted apart.
    subject: Option<String>,
    /// The credential that is counted apart.
    key: Option<String>,
    /// The model that is counted apart, as `provider/model`.
    model: Option<String>,
    /// US dollars spent in this time.
    spent_usd: f64,
    /// Tokens spent in this time.
    spent_tokens: f64,
    /// US dollars that calls under way may still spend.
    held_usd: f64,
    /// Tokens that calls under way may still spend.
    held_tokens: f64,
    /// When it begins anew.
    resets_at: DateTime,
    /// Whether it is used up.
    exceeded: bool,
}

/// What may be spent, by whom, on what, in which time.
#[derive(SimpleObject)]
pub(crate) struct Budget {
    /// Its name within the tenant.
    id: String,
    /// Of this caller; `*`: of each apart; null: of all together.
    subject: Option<String>,
    /// Of this credential; `*`: of each apart; null: of all together.
    key: Option<String>,
    /// Of this model (`model`, `provider/model` or `provider/*`); `*`: of each apart; null: of all together.
    model: Option<String>,
    /// In which time.
    window: BudgetWindow,
    /// US dollars; null: any.
    limit_usd: Option<f64>,
    /// Tokens of all classes; null: any.
    limit_tokens: Option<f64>,
    /// Whether calls that may pass it are refused; else it is only told.
    hard: bool,
    /// Whether the configuration sets it: then it can't be set here.
    configured: bool,
    /// Whether any of its standings is used up.
    exceeded: bool,
    /// Whether what was spent before it was set is known: until then a hard one lets nothing through.
    known: bool,
    /// How it stands: once, or for the dearest 20 of those that it counts apart.
    standings: Vec<BudgetStanding>,
}

/// Budgets with their standings, which come in order.
pub(crate) fn budgets(standings: Vec<Standing>) -> Vec<Budget> {
    let mut budgets: Vec<Budget> = Vec::new();
    for standing in standings {
        let id = standing.budget.id.to_string();
        if budgets.last().is_none_or(|last| last.id != id) {
            budgets.push(Budget::from(&standing.budget));
        }
        if let Some(budget) = budgets.last_mut() {
            budget.exceeded |= standing.exceeded;
            budget.known &= standing.known;
            budget.standings.push(standing.into());
        }
    }
    budgets
}

impl From<&Kept> for Budget {
    fn from(kept: &Kept) -> Self {
        let text = |about: &About| match about {
            About::All => None,
            About::Each => Some("*".to_owned()),
            About::One(text) => Some(text.to_string()),
        };
        Self {
            id: kept.id.to_string(),
            subject: text(&kept.subject),
            key: text(&kept.key),
            model: text(&kept.model),
            window: kept.window.into(),
            limit_usd: kept.limit_nanos.map(Amount::usd_of),
            limit_tokens: kept.limit_tokens.map(|tokens| tokens as f64),
            hard: kept.hard,
            configured: kept.configured,
            exceeded: false,
            known: true,
            standings: Vec::new(),
        }
    }
}

impl From<Standing> for BudgetStanding {
    fn from(standing: Standing) -> Self {
        Self {
            subject: standing.subject.map(|text| text.to_string()),
            key: standing.key.map(|text| text.to_string()),
            model: standing.model.map(|text| text.to_string()),
            spent_usd: Amount::usd_of(standing.spent.nanos),
            spent_tokens: standing.spent.tokens as f64,
            held_usd: Amount::usd_of(standing.held.nanos),
            held_tokens: standing.held.tokens as f64,
            resets_at: DateTime(standing.resets_at),
            exceeded: standing.exceeded,
        }
    }
}

/// Sets a budget in place of the one of its name.
#[derive(InputObject)]
pub(crate) struct SetBudgetInput {
    /// Its name, `[A-Za-z0-9_.-]{1,64}`.
    id: String,
    /// Of this caller; `*`: of each apart; absent: of all together.
    subject: Option<String>,
    /// Of this credential; `*`: of each apart; absent: of all together.
    key: Option<String>,
    /// Of this model (`model`, `provider/model` or `provider/*`); `*`: of each apart; absent: of all together.
    model: Option<String>,
    /// In which time.
    #[graphql(default_with = "Some(BudgetWindow::Month)")]
    window: Option<BudgetWindow>,
    /// US dollars; absent: any.
    limit_usd: Option<f64>,
    /// Tokens of all classes, whole; absent: any.
    limit_tokens: Option<f64>,
    /// Whether calls that may pass it are refused; else it is only told.
    #[graphql(default_with = "Some(true)")]
    hard: Option<bool>,
    /// Removes it instead.
    #[graphql(default_with = "Some(false)")]
    remove: Option<bool>,
}

impl SetBudgetInput {
    /// The budget, none where it is to be removed.
    pub(super) fn read(self, who: &Principal) -> Result<(BudgetId, Option<Kept>), Failure> {
        let id = BudgetId::parse(&self.id)?;
        if self.remove == Some(true) {
            return Ok((id, None));
        }
        if self.limit_usd.is_none() && self.limit_tokens.is_none() {
            return Err(Failure::bad_input(
                "give limitUsd, limitTokens or both, or remove: true",
            ));
        }
        let amount = |what: &str, limit: Option<f64>, most: f64| match limit {
            Some(limit) if !(0.0..=most).contains(&limit) => {
                Err(Failure::bad_input(format!("{what} must be from 0 to {most}")))
            }
            limit => Ok(limit),
        };
        let usd = amount("limitUsd", self.limit_usd, 1e9)?;
        let tokens = amount("limitTokens", self.limit_tokens, 9e15)?;
        if tokens.is_some_and(|tokens| tokens.fract() != 0.0) {
            return Err(Failure::bad_input("limitTokens must be whole"));
        }
        let about = |text: Option<String>| About::from(text.map(std::sync::Arc::from));
        let budget = Kept {
            id: id.clone(),
            tenant: who.tenant.clone(),
            subject: about(self.subject),
            key: about(self.key),
            model: about(self.model),
            window: self.window.unwrap_or(BudgetWindow::Month).into(),
            limit_nanos: usd.map(Amount::nanos_of),
            limit_tokens: tokens.map(|tokens| tokens as u64),
            hard: self.hard.unwrap_or(true),
            configured: false,
        };
        Ok((id, Some(budget)))
    }
}

/// The sums that are asked for.
pub(super) fn query(
    from: Option<&str>,
    to: Option<&str>,
    group_by: Vec<SpendGroupBy>,
    now: Timestamp,
) -> Result<SpendQuery, Failure> {
    let group_by = group_by.into_iter().map(greenroom_kernel::SpendDimension::from);
    SpendQuery::of_days(from, to, group_by.collect(), SUMS, now)
}
