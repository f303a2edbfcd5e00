//! Budgets that other processes set. Each process holds its own book; the ledger, where several share one, says which budgets
//! there are.

use std::time::Duration;

use greenroom_kernel::{Budget, Ledger};

use super::Accounts;

/// How often the ledger is asked which budgets there are.
pub(super) const FOLLOW: Duration = Duration::from_secs(5);

impl Accounts {
    /// Takes over what others set and removed since.
    pub(super) async fn follow(&self, ledger: &dyn Ledger) {
        let set_before = self.state.lock().set;
        let kept = match ledger.budgets().await {
            Ok(kept) => kept,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "budgets that other processes set are not known: asked again"
                );
                return;
            }
        };
        {
            let mut state = self.state.lock();
            // What was set here meanwhile may not be in what was read.
            if state.set != set_before {
                return;
            }
            let of = |one: &Budget, other: &Budget| one.tenant == other.tenant && one.id == other.id;
            let own: Vec<Budget> = state.book.each().cloned().collect();
            for gone in own.iter().filter(|own| !own.configured) {
                if !kept.iter().any(|kept| of(kept, gone)) {
                    state.book.remove(&gone.tenant, &gone.id);
                }
            }
            for kept in kept {
                let known = own.iter().find(|own| of(own, &kept));
                if known.is_none_or(|known| !known.configured && *known != kept) {
                    state.book.put(kept);
                }
            }
            state.is_set |= state.book.has_unknown();
        }
        self.budgets_changed();
    }
}
