//! JSON Schemas of strangers: the one place where they are compiled, and documents judged by them.
//!
//! A schema comes from an agent's host or a caller and must not keep a server busy. So it is bounded in bytes, in
//! depth, in what following its references comes to, and in its patterns, which are matched in linear time. Nothing
//! it refers to is fetched.

mod bounds;
mod judge;
mod weight;

pub use judge::{Refusal, Schema};
