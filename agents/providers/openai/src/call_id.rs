//! Ids of tool calls for servers that give none.
//!
//! A conversation holds the calls of many answers, and a result names its call: a number that begins anew in each answer
//! would name several.

use std::hash::{BuildHasher, Hasher, RandomState};

/// An id that no other call has.
pub(crate) fn made_up() -> String {
    format!("call_{:016x}", RandomState::new().build_hasher().finish())
}
