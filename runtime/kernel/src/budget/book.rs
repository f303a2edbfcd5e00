//! The book of budgets: who counts what, what is spent and what is held.

use std::collections::HashMap;
use std::sync::Arc;

use super::refusal::fits;
use super::{About, Amount, Budget, BudgetId, BudgetRefusal, BudgetStanding};
use crate::{TenantId, Timestamp};

/// How many of those that a budget counts apart are remembered at once. Beyond it, those of past windows that nobody
/// holds anything of are forgotten first, which loses nothing.
const COUNTERS_TIDIED_AT: usize = 4_096;

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

/// What is counted apart in one budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Apart {
    subject: Option<Arc<str>>,
    key: Option<Arc<str>>,
    model: Option<Arc<str>>,
}

impl Apart {
    fn of(budget: &Budget, charge: &Charge<'_>) -> Self {
        let each = |about: &About| *about == About::Each;
        Self {
            subject: each(&budget.subject).then(|| charge.subject.into()),
            key: charge.key.filter(|_| each(&budget.key)).map(Arc::from),
            model: each(&budget.model).then(|| format!("{}/{}", charge.provider, charge.model).into()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    /// The window that `spent` is of.
    since: Timestamp,
    spent: Amount,
    /// Held by calls under way, whenever they began.
    held: Amount,
    /// It was told that it is passed, in this window.
    told: bool,
}

/// One budget and its counters.
#[derive(Debug)]
struct Kept {
    budget: Budget,
    /// Which one of its name this is: what an earlier one held isn't given back to a later one.
    version: u64,
    counters: HashMap<Apart, Counter>,
}

impl Kept {
    fn counter(&mut self, apart: Apart, now: Timestamp) -> &mut Counter {
        let since = self.budget.window.start(now);
        if self.counters.len() >= COUNTERS_TIDIED_AT && !self.counters.contains_key(&apart) {
            self.counters
                .retain(|_, counter| counter.since >= since || counter.held != Amount::default());
        }
        let counter = self.counters.entry(apart).or_insert(Counter {
            since,
            spent: Amount::default(),
            held: Amount::default(),
            told: false,
        });
        // A clock that was set back opens no window anew.
        if counter.since < since {
            counter.since = since;
            counter.spent = Amount::default();
            counter.told = false;
        }
        counter
    }

    fn limit(&self) -> (Option<u64>, Option<u64>) {
        (self.budget.limit_nanos, self.budget.limit_tokens)
    }
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

/// All budgets, and what is spent and held of each.
///
/// A hard budget is never passed by more than what the calls that were under way when the last one was let in have
/// used beyond what they had reserved.
#[derive(Debug, Default)]
pub struct Budgets {
    kept: Vec<Kept>,
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

    /// Sets a budget in place of the one of its name. Says whether it begins at nothing: then what was spent already is
    /// to be told by [`Budgets::spent_already`].
    pub fn put(&mut self, budget: Budget) -> bool {
        self.versions += 1;
        let kept = Kept {
            budget,
            version: self.versions,
            counters: HashMap::new(),
        };
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

    /// Adds to a budget what was spent in its present window before it was set.
    pub fn spent_already(&mut self, id: &BudgetId, charge: &Charge<'_>, spent: Amount, now: Timestamp) {
        let at = self.at(charge.tenant, id);
        if let Some(kept) = at.and_then(|at| self.kept.get_mut(at))
            && kept.budget.counts(charge)
        {
            let apart = Apart::of(&kept.budget, charge);
            let counter = kept.counter(apart, now);
            counter.spent = counter.spent.plus(spent);
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

    /// How a tenant's budgets stand. One that counts many apart stands once for each of them, the dearest first, at
    /// most `each` of them, and once for nobody where it hasn't met any.
    pub fn standings(&self, tenant: &TenantId, each: usize, now: Timestamp) -> Vec<BudgetStanding> {
        let mut standings = Vec::new();
        for kept in self.kept.iter().filter(|kept| kept.budget.tenant == *tenant) {
            let since = kept.budget.window.start(now);
            let standing = |apart: &Apart, counter: Option<&Counter>| {
                let current = counter.filter(|counter| counter.since >= since);
                let spent = current.map_or(Amount::default(), |counter| counter.spent);
                BudgetStanding {
                    budget: kept.budget.clone(),
                    subject: apart.subject.clone(),
                    key: apart.key.clone(),
                    model: apart.model.clone(),
                    spent,
                    held: counter.map_or(Amount::default(), |counter| counter.held),
                    resets_at: kept.budget.window.end(now),
                    exceeded: is_passed(kept.limit(), spent),
                }
            };
            if kept.counters.is_empty() {
                standings.push(standing(&Apart::default(), None));
                continue;
            }
            let all = kept.counters.iter();
            let mut all: Vec<_> = all
                .map(|(apart, counter)| standing(apart, Some(counter)))
                .collect();
            all.sort_by(|a, b| {
                let key = |s: &BudgetStanding| (s.spent.nanos, s.spent.tokens);
                let name = |s: &BudgetStanding| (s.subject.clone(), s.key.clone(), s.model.clone());
                key(b).cmp(&key(a)).then_with(|| name(a).cmp(&name(b)))
            });
            all.truncate(each.max(1));
            standings.append(&mut all);
        }
        standings.sort_by(|a, b| a.budget.id.cmp(&b.budget.id));
        standings
    }
}

/// Whether a budget is used up.
fn is_passed(limit: (Option<u64>, Option<u64>), spent: Amount) -> bool {
    limit.0.is_some_and(|nanos| spent.nanos >= nanos) || limit.1.is_some_and(|tokens| spent.tokens >= tokens)
}
