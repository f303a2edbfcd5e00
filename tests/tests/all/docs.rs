//! The documents say what is: every block in them is run, compared or counted, and what they name exists.
//!
//! A page is told as a story: its blocks in order, against a real `greenroom dev` with the agents that the documents
//! show. A block that no part of [`story`] knows fails its page; one that only illustrates is marked `text` and
//! counted in [`pages`].

mod agents;
mod blocks;
mod commands;
mod curl;
mod errors;
mod kit;
mod links;
mod pages;
mod programs;
mod promise;
mod story;
mod world;

pub(crate) use blocks::{blocks, document};
pub(crate) use curl::Curl;
