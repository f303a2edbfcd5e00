//! The book of budgets: who counts what, what is spent and what is held.

use super::kept::{Apart, Kept};
use super::refusal::fits;
use super::{Amount, Budget, BudgetId, BudgetRefusal};
use crate::{TenantId, Timestamp};

/// What a try is charged to.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// Who pays.
    pub tenant: &'a TenantId,
    /// Which caller.
    pub subject: &'a str,
    /// Its credential.
    pub key: Option<&'a str>,
    /// The provider.
    pub provider: &'a str,
    /// Its model.
    pub model: &'a str,
}

/// What a call may spend, held until it is settled.
#[derive(Debug, Default)]
#[must_use = "what is reserved is held until it is settled"]
pub struct Reservation {
    holds: Vec<Hold>,
    amount: Amount,
}

#[derive(Debug)]
struct Hold {
    tenant: TenantId,
    id: BudgetId,
    version: u64,
    apart: Apart,
}

impl Reservation {
    /// How much is held.
    pub fn amount(&self) -> Amount {
        self.amount
    }
}

/// A budget that was passed just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub budget: BudgetId,
    /// Whether it refuses calls from now on.
    pub hard: bool,
    /// What was spent.
    pub spent: Amount,
}

/// A budget whose past isn't known.
#[derive(Debug, Clone)]
pub struct UnknownPast {
    /// The budget.
    pub budget: Budget,
    /// Since when what was spent is to be told.
    pub since: Timestamp,
    version: u64,
}

/// All budgets, and what is spent and held of each.
///
/// A hard budget is never passed by more than what the calls that were under way when the last one was let in have
/// used beyond what they had reserved.
#[derive(Debug, Default)]
pub struct Budgets {
    pub(super) kept: Vec<Kept>,
    versions: u64,
}

impl Budgets {
    /// Whether there is any budget.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many a tenant has.
    pub fn count(&self, tenant: &TenantId) -> usize {
        self.kept
            .iter()
            .filter(|kept| kept.budget.tenant == *tenant)
            .count()
    }

    /// Every budget.
    pub fn each(&self) -> impl Iterator<Item = &Budget> {
        self.kept.iter().map(|kept| &kept.budget)
    }

    /// A tenant's budget.
    pub fn get(&self, tenant: &TenantId, id: &BudgetId) -> Option<&Budget> {
        self.at(tenant, id)
            .and_then(|at| self.kept.get(at))
            .map(|kept| &kept.budget)
    }

    /// Whether a hard budget counts this charge.
    pub fn refuses(&self, charge: &Charge<'_>) -> bool {
        self.kept
            .iter()
            .any(|kept| kept.budget.hard && kept.budget.counts(charge))
    }

    fn at(&self, tenant: &TenantId, id: &BudgetId) -> Option<usize> {
        let is_it = |kept: &Kept| kept.budget.id == *id && kept.budget.tenant == *tenant;
        self.kept.iter().position(is_it)
    }

    /// Sets a budget in place of the one of its name. Says whether it begins at nothing: then it lets nobody through
    /// where it is hard, until what was spent already is told (see [`Budgets::unknown`]).
    pub fn put(&mut self, budget: Budget) -> bool {
        self.versions += 1;
        let kept = Kept::new(budget, self.versions);
        let at = self.at(&kept.budget.tenant, &kept.budget.id);
        match at.and_then(|at| self.kept.get_mut(at)) {
            Some(before) if before.budget.counts_the_same(&kept.budget) => {
                before.budget = kept.budget;
                before
                    .counters
                    .values_mut()
                    .for_each(|counter| counter.told = false);
                false
            }
            Some(before) => {
                *before = kept;
                true
            }
            None => {
                self.kept.push(kept);
                true
            }
        }
    }

    /// Removes a budget; says whether it was there.
    pub fn remove(&mut self, tenant: &TenantId, id: &BudgetId) -> bool {
        match self.at(tenant, id) {
            Some(at) => {
                self.kept.remove(at);
                true
            }
            None => false,
        }
    }

    /// Whether a hard budget counts this charge whose past isn't known.
    pub fn waits(&self, charge: &Charge<'_>) -> bool {
        let waits = |kept: &Kept| kept.budget.hard && !kept.is_known && kept.budget.counts(charge);
        self.kept.iter().any(waits)
    }

    /// Whether the past of any budget isn't known.
    pub fn has_unknown(&self) -> bool {
        self.kept.iter().any(|kept| !kept.is_known)
    }

    /// Whether the past of this one is known.
    pub fn is_known(&self, tenant: &TenantId, id: &BudgetId) -> bool {
        let at = self.at(tenant, id);
        at.and_then(|at| self.kept.get(at))
            .is_some_and(|kept| kept.is_known)
    }

    /// The budgets whose past isn't known. Each counts from nothing again from here on, so that what was settled until now
    /// may be read from where it is written down, and told by [`Budgets::spent_already`] and [`Budgets::known`].
    pub fn unknown(&mut self, now: Timestamp) -> Vec<UnknownPast> {
        let unknown = self.kept.iter_mut().filter(|kept| !kept.is_known);
        let begin = |kept: &mut Kept| {
            let counters = kept.counters.values_mut();
            counters.for_each(|counter| counter.spent = Amount::default());
            UnknownPast {
                budget: kept.budget.clone(),
                since: kept.budget.window.start(now),
                version: kept.version,
            }
        };
        unknown.map(begin).collect()
    }

    fn of(&mut self, unknown: &UnknownPast) -> Option<&mut Kept> {
        let at = self.at(&unknown.budget.tenant, &unknown.budget.id)?;
        let kept = self.kept.get_mut(at)?;
        (kept.version == unknown.version).then_some(kept)
    }

    /// Adds to a budget what was spent in its window before [`Budgets::unknown`] told of it. Where another window has begun
    /// since, that is past.
    pub fn spent_already(&mut self, unknown: &UnknownPast, charge: &Charge<'_>, spent: Amount) {
        if let Some(kept) = self.of(unknown)
            && kept.budget.counts(charge)
        {
            let apart = Apart::of(&kept.budget, charge);
            let counter = kept.counter(apart, unknown.since);
            if counter.since == unknown.since {
                counter.spent = counter.spent.plus(spent);
            }
        }
    }

    /// All of its past was told.
    pub fn known(&mut self, unknown: &UnknownPast) {
        if let Some(kept) = self.of(unknown) {
            kept.is_known = true;
        }
    }

    /// Holds what a try may spend in every hard budget that counts it, or in none. `asked` is what it may come to;
    /// without a price budgets in dollars refuse it.
    ///
    /// # Errors
    /// The first budget that has not so much left.
    pub fn reserve(
        &mut self,
        charge: &Charge<'_>,
        asked: Amount,
        is_priced: bool,
        now: Timestamp,
    ) -> Result<Reservation, BudgetRefusal> {
        let counted = |kept: &&mut Kept| kept.budget.hard && kept.budget.counts(charge);
        for kept in self.kept.iter_mut().filter(counted) {
            let id = &kept.budget.id;
            if !kept.is_known {
                return Err(BudgetRefusal::Unknown { budget: id.clone() });
            }
            if !is_priced && kept.budget.limit_nanos.is_some() {
                return Err(BudgetRefusal::Unpriced {
                    budget: id.clone(),
                    target: format!("{}/{}", charge.provider, charge.model),
                });
            }
            let limit = kept.limit();
            let (budget, window) = (id.clone(), kept.budget.window);
            let apart = Apart::of(&kept.budget, charge);
            let counter = kept.counter(apart, now);
            // One token more must fit, whatever little is asked.
            let least = Amount {
                nanos: asked.nanos,
                tokens: asked.tokens.max(1),
            };
            let used = counter.spent.plus(counter.held);
            let is_full = limit
                .0
                .is_some_and(|nanos| used.nanos >= nanos && asked.nanos > 0);
            if is_full || !fits(limit, used.plus(least)) {
                return Err(BudgetRefusal::Over {
                    budget,
                    window,
                    limit,
                    spent: counter.spent,
                    held: counter.held,
                    asked: least,
                    resets_at: window.end(now),
                });
            }
        }
        let mut reservation = Reservation {
            holds: Vec::new(),
            amount: asked,
        };
        for kept in self.kept.iter_mut().filter(counted) {
            let apart = Apart::of(&kept.budget, charge);
            let hold = Hold {
                tenant: charge.tenant.clone(),
                id: kept.budget.id.clone(),
                version: kept.version,
                apart: apart.clone(),
            };
            let counter = kept.counter(apart, now);
            counter.held = counter.held.plus(asked);
            reservation.holds.push(hold);
        }
        Ok(reservation)
    }

    /// Gives back what was held and counts what was spent, in every budget that counts it. Tells which were passed by
    /// it.
    pub fn settle(
        &mut self,
        reservation: Reservation,
        charge: &Charge<'_>,
        spent: Amount,
        now: Timestamp,
    ) -> Vec<Passed> {
        for hold in reservation.holds {
            let at = self.at(&hold.tenant, &hold.id);
            if let Some(kept) = at.and_then(|at| self.kept.get_mut(at))
                && kept.version == hold.version
                && let Some(counter) = kept.counters.get_mut(&hold.apart)
            {
                counter.held = counter.held.minus(reservation.amount);
            }
        }
        let mut passed = Vec::new();
        for kept in self.kept.iter_mut().filter(|kept| kept.budget.counts(charge)) {
            let limit = kept.limit();
            let apart = Apart::of(&kept.budget, charge);
            let counter = kept.counter(apart, now);
            counter.spent = counter.spent.plus(spent);
            if !counter.told && is_passed(limit, counter.spent) {
                counter.told = true;
                let spent = counter.spent;
                passed.push(Passed {
                    tenant: kept.budget.tenant.clone(),
                    budget: kept.budget.id.clone(),
                    hard: kept.budget.hard,
                    spent,
                });
            }
        }
        passed
    }
}

/// Whether a budget is used up.
pub(super) fn is_passed(limit: (Option<u64>, Option<u64>), spent: Amount) -> bool {
    limit.0.is_some_and(|nanos| spent.nanos >= nanos) || limit.1.is_some_and(|tokens| spent.tokens >= tokens)
}
