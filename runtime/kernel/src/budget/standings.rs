//! How budgets stand.

use super::book::is_passed;
use super::kept::{Apart, Counter};
use super::{Amount, BudgetStanding, Budgets};
use crate::{TenantId, Timestamp};

impl Budgets {
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
                    known: kept.is_known,
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
