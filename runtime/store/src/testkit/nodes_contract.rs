//! The contract suite of the rows that processes keep of themselves, one named case each.
//!
//! [`nodes_contract!`](crate::nodes_contract) makes a test of every case. Each begins without rows.
#![allow(missing_docs, reason = "a case's name says what it shows")]

use std::sync::Arc;

use greenroom_kernel::{Beat, HostPort, NodeId, NodeRow, NodeState, Nodes};
use tokio::task::JoinSet;

/// What the cases see.
pub type Subject = Arc<dyn Nodes>;

/// The row of a node that serves.
pub fn node_row(node: &str, incarnation: u64, beat: u64) -> NodeRow {
    NodeRow {
        node: NodeId::parse(node).unwrap(),
        incarnation,
        state: NodeState::Serving,
        address: HostPort::new("10.0.0.1", 7070).unwrap(),
        beat,
    }
}

pub async fn beats_are_seen_at_once_whole_and_by_node(nodes: &Subject) {
    assert_eq!(nodes.nodes().await.unwrap(), []);
    let left = NodeRow {
        state: NodeState::Left,
        address: "[2001:db8::1]:1".parse().unwrap(),
        ..node_row("b.example:7", u64::MAX, u64::MAX)
    };
    let draining = NodeRow {
        state: NodeState::Draining,
        address: "supervisor-2.internal:65535".parse().unwrap(),
        ..node_row("c", 0, 0)
    };
    let serving = node_row("a", 1, 2);
    for row in [&draining, &left, &serving] {
        assert_eq!(nodes.beat(row).await.unwrap(), Beat::Kept);
    }
    assert_eq!(nodes.nodes().await.unwrap(), [serving, left, draining]);
}

pub async fn a_newer_incarnation_replaces_the_older_which_learns_of_it(nodes: &Subject) {
    nodes.beat(&node_row("a", 5, 900)).await.unwrap();
    let newer = node_row("a", 6, 1);
    assert_eq!(nodes.beat(&newer).await.unwrap(), Beat::Kept);
    assert_eq!(nodes.beat(&node_row("a", 5, 901)).await.unwrap(), Beat::Deposed);
    assert_eq!(nodes.nodes().await.unwrap(), [newer]);
}

pub async fn a_beat_that_comes_late_takes_nothing_back(nodes: &Subject) {
    let left = NodeRow {
        state: NodeState::Left,
        ..node_row("a", 5, 9)
    };
    nodes.beat(&left).await.unwrap();
    assert_eq!(nodes.beat(&node_row("a", 5, 8)).await.unwrap(), Beat::Kept);
    assert_eq!(nodes.nodes().await.unwrap(), std::slice::from_ref(&left));
    assert_eq!(nodes.beat(&left).await.unwrap(), Beat::Kept);
    assert_eq!(nodes.nodes().await.unwrap(), [left]);
}

pub async fn a_row_is_forgotten_only_of_the_incarnation_that_is_meant(nodes: &Subject) {
    for row in [node_row("a", 5, 1), node_row("b", 5, 1)] {
        nodes.beat(&row).await.unwrap();
    }
    let (a, b) = (NodeId::parse("a").unwrap(), NodeId::parse("b").unwrap());
    nodes.forget(&a, 4).await.unwrap();
    nodes.forget(&b, 5).await.unwrap();
    nodes.forget(&b, 5).await.unwrap();
    assert_eq!(nodes.nodes().await.unwrap(), [node_row("a", 5, 1)]);
    // It comes back with its next beat.
    nodes.beat(&node_row("b", 5, 2)).await.unwrap();
    assert_eq!(nodes.nodes().await.unwrap().len(), 2);
}

pub async fn of_64_incarnations_at_once_the_newest_stays(nodes: &Subject) {
    let mut beats = JoinSet::new();
    for incarnation in 1..=64 {
        let nodes = Arc::clone(nodes);
        beats.spawn(async move {
            for beat in 0..3 {
                let row = node_row("a", incarnation, beat);
                if nodes.beat(&row).await.unwrap() == Beat::Deposed {
                    return false;
                }
            }
            incarnation == 64
        });
    }
    let stayed = beats.join_all().await;
    assert!(stayed.contains(&true), "the newest was never deposed");
    assert_eq!(nodes.nodes().await.unwrap(), [node_row("a", 64, 2)]);
}

/// Makes a module `$name` with one test for every case, or with `in turn` a function that runs all of them: as
/// [`store_contract!`](crate::store_contract) does.
#[macro_export]
macro_rules! nodes_contract {
    ($name:ident => $make:expr) => {
        $crate::nodes_contract! { @list (each $name, $make) }
    };
    (in turn, $name:ident($from:ident: $of:ty) => $make:expr) => {
        $crate::nodes_contract! { @list (turn $name, $from, $of, $make) }
    };
    (@list ($($how:tt)*)) => {
        $crate::nodes_contract! { @($($how)*)
            beats_are_seen_at_once_whole_and_by_node
            a_newer_incarnation_replaces_the_older_which_learns_of_it
            a_beat_that_comes_late_takes_nothing_back
            a_row_is_forgotten_only_of_the_incarnation_that_is_meant
            of_64_incarnations_at_once_the_newest_stays
        }
    };
    (@(each $name:ident, $make:expr) $($case:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (nodes, _guard) = ($make)().await;
                    $crate::testkit::nodes_contract::$case(&nodes).await;
                }
            )*
        }
    };
    (@(turn $name:ident, $from:ident, $of:ty, $make:expr) $($case:ident)*) => {
        async fn $name($from: &$of) {
            let mut failed: Vec<&str> = Vec::new();
            $(
                let (nodes, _guard) = ($make)($from).await;
                let case = ::std::panic::AssertUnwindSafe($crate::testkit::nodes_contract::$case(&nodes));
                if ::futures::FutureExt::catch_unwind(case).await.is_err() {
                    failed.push(stringify!($case));
                }
            )*
            assert!(failed.is_empty(), "these cases failed: {failed:#?}");
        }
    };
}
