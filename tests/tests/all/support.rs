//! The real binary, driven from outside as a client would, and the fake world it works in.

mod agents;
mod client;
mod disk;
mod foreign;
mod model;
mod server;

pub(crate) use agents::{Ledger, ToolHost};
pub(crate) use client::{Client, nodes};
pub(crate) use disk::Disk;
pub(crate) use foreign::{ForeignHost, Language};
pub(crate) use model::{FakeModel, Said};
pub(crate) use server::{Options, Server, binary};

use std::time::Duration;

/// Waits for a condition; fails naming it when it doesn't come true in time.
pub(crate) async fn until<T, F>(what: &str, within: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "waited {within:?} in vain until {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
