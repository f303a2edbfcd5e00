//! The store on DynamoDB, against an emulator that is right under races, directly and through what a network and a busy
//! service do.
#![cfg(feature = "dynamodb")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands"
)]

#[path = "dynamodb/emulator.rs"]
mod emulator;

use std::sync::Arc;

use greenroom_kernel::Store;
use greenroom_store::store_contract;

use emulator::Emulator;

store_contract! { in turn, every_case(at: (Emulator, String)) => async |(emulator, url): &(Emulator, String)| {
    (Arc::new(emulator.store(url).await) as Arc<dyn Store>, ())
} }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_contract_holds() {
    let emulator = Emulator::start();
    let url = emulator.url.clone();
    every_case(&(emulator, url)).await;
}
