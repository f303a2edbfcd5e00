//! Every kind of directory does what the contract says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "all of this is test code: a helper that cannot go on fails its test"
)]

#[cfg(feature = "cloud-map")]
mod cloud_map;
#[cfg(feature = "dns")]
mod dns;

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_discovery::Fixed;
use greenroom_discovery::testkit::{self, Board, Stage, member};
use greenroom_kernel::{Discovery, HealthHint, HostPort, MemberRole};
use parking_lot::Mutex;

/// Tests of a kind: each of the contract's on a stage of its own.
macro_rules! keeps_the_contract {
    ($stage:expr; $($promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                testkit::$promise(&$stage).await;
            }
        )*
    };
}
pub(crate) use keeps_the_contract;

/// The list of a configuration, which nothing changes while it is used.
#[derive(Default)]
struct Listed(Mutex<Vec<HostPort>>);

#[async_trait]
impl Stage for Listed {
    fn discovery(&self) -> Arc<dyn Discovery> {
        Arc::new(Fixed::new(MemberRole::Agent, self.0.lock().clone()))
    }

    async fn set(&self, hosts: &[HostPort]) {
        *self.0.lock() = hosts.to_vec();
    }

    async fn up(&self, _: bool) {}
}

mod fixed {
    use super::*;

    keeps_the_contract!(Listed::default(); everybody_is_listed_once);
}

/// The kit's own directory, so that what is tested with it is tested with something real.
#[derive(Default)]
struct OnABoard(Arc<Board>);

#[async_trait]
impl Stage for OnABoard {
    fn discovery(&self) -> Arc<dyn Discovery> {
        Arc::clone(&self.0) as Arc<dyn Discovery>
    }

    async fn set(&self, hosts: &[HostPort]) {
        let seen = hosts.iter().enumerate().map(|(number, host)| {
            let mut seen = member(&format!("host-{number}"), 1);
            (seen.member.address, seen.hint) = (host.clone(), HealthHint::Healthy);
            seen
        });
        self.0.set(seen.collect());
    }

    async fn up(&self, up: bool) {
        self.0.away(!up);
    }
}

mod board {
    use super::*;

    keeps_the_contract!(
        OnABoard::default();
        everybody_is_listed_once,
        who_comes_or_goes_is_listed_so,
        nobody_is_an_empty_list,
        an_outage_is_an_error_that_can_be_tried_again,
        the_picture_outlives_an_outage_and_says_so,
        who_comes_is_used_within_seconds_and_who_goes_is_not,
        a_member_enters_changes_and_leaves,
    );
}
