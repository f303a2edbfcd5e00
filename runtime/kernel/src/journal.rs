//! The journal: the ordered truth about one session, or about one task without a session.
//!
//! [`Entry`] says what can be written, [`Journal`] folds entries into state, [`Projection`] holds the rows that
//! lists are read from, and [`Owner`] decides what is written and done next. All of it is pure: the
//! orchestrator, the simulator and the agents' test kit share it.

mod action;
mod answer;
mod cursor;
mod entry;
mod export;
mod fold;
mod owner;
mod protocol;
mod rows;
#[cfg(test)]
mod simulator;
mod task;
#[cfg(test)]
mod tests;

pub use action::*;
pub use cursor::*;
pub use entry::*;
pub use export::*;
pub use fold::{HISTORY_BYTES, HISTORY_MESSAGES, Journal, KEY_RETENTION, KeyUse, OutOfOrder, Said};
pub use owner::{DEATH_BOUND, OWNER_LOSS_BOUND, Owner, QUEUE_BOUND, StepCost};
pub use protocol::*;
pub use rows::*;
pub use task::{OpenTask, StepRecord, StepState};
