//! The journal: the ordered truth about one session, or about one task without a session.
//!
//! [`Entry`] says what can be written, [`Journal`] folds entries into state, [`Projection`] derives the rows
//! that lists are read from. The protocol that writes slots is [`Owner`]'s.

mod cursor;
mod entry;
mod rows;

pub use cursor::*;
pub use entry::*;
pub use rows::*;
