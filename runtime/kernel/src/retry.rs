//! Whether to try again and when: the policy of one call, and the budget all calls of a process share.
//!
//! Randomness and time are arguments. A retry needs both: the policy says *when*, the budget says *whether*.

mod budget;
mod policy;

pub use budget::{RetryBudget, RetryBudgetConfig};
pub use policy::{Backoff, RetryDecision, RetryPolicy, RetryStop};
