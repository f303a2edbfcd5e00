//! What every directory must do. Panics where one doesn't.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "part of a test kit"
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    AgentName, Discovery, HealthHint, HostPort, Member, MemberId, MemberListing, MemberRole, Membership,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::StandingClock;
use crate::{Watch, WatchConfig};

/// A directory and the world that it tells of.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The directory. Members on the stage are agent hosts.
    fn discovery(&self) -> Arc<dyn Discovery>;

    /// Lets hosts be at exactly these addresses.
    async fn set(&self, hosts: &[HostPort]);

    /// Takes the directory away, or brings it back with those who were there last.
    async fn up(&self, up: bool);
}

/// Everything real takes less.
const PATIENCE: Duration = Duration::from_secs(20);
/// What "within seconds" may mean at most, on a busy machine.
const SECONDS: Duration = Duration::from_secs(10);

fn hosts(ends: &[u8]) -> Vec<HostPort> {
    ends.iter()
        .map(|end| format!("127.0.0.{end}:7071").parse().unwrap())
        .collect()
}

fn addresses(listing: &MemberListing) -> Vec<HostPort> {
    let mut all: Vec<HostPort> = listing
        .members
        .iter()
        .map(|seen| seen.member.address.clone())
        .collect();
    all.sort();
    all
}

/// Waits until the list is what a look says that it should be. Directories may take a moment.
async fn listed(
    discovery: &Arc<dyn Discovery>,
    what: &str,
    look: impl Fn(&MemberListing) -> bool,
) -> MemberListing {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let listing = discovery.list().await;
        match &listing {
            Ok(listing) if look(listing) => return listing.clone(),
            _ => assert!(
                tokio::time::Instant::now() < until,
                "{what}: in vain, at last {listing:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Each member is listed once, with its address and its role, in the same order each time.
pub async fn everybody_is_listed_once(stage: &dyn Stage) {
    stage.set(&hosts(&[3, 1, 2])).await;
    let discovery = stage.discovery();
    let listing = listed(&discovery, "all three are listed", |listing| {
        listing.members.len() == 3
    })
    .await;
    assert_eq!(addresses(&listing), hosts(&[1, 2, 3]));
    assert!(
        listing
            .members
            .iter()
            .all(|seen| seen.member.role == MemberRole::Agent),
        "{listing:?}"
    );
    assert!(
        listing
            .members
            .iter()
            .all(|seen| seen.hint != HealthHint::Unhealthy),
        "{listing:?}"
    );
    assert_eq!(listing.notes, Vec::<String>::new());
    assert_eq!(discovery.list().await.unwrap(), listing);
    assert!(!discovery.place().is_empty());
}

/// The list follows the world, and so does the revision where there is one.
pub async fn who_comes_or_goes_is_listed_so(stage: &dyn Stage) {
    stage.set(&hosts(&[1])).await;
    let discovery = stage.discovery();
    listed(&discovery, "the first is listed", |listing| {
        addresses(listing) == hosts(&[1])
    })
    .await;
    for next in [hosts(&[1, 2]), hosts(&[2])] {
        let before = discovery.revision().await.unwrap();
        stage.set(&next).await;
        listed(&discovery, "the change is listed", |listing| {
            addresses(listing) == next
        })
        .await;
        let after = discovery.revision().await.unwrap();
        assert!(
            before.is_none() || before != after,
            "the revision stood still: {after:?}"
        );
    }
}

/// That nobody is there is an answer.
pub async fn nobody_is_an_empty_list(stage: &dyn Stage) {
    stage.set(&hosts(&[1])).await;
    let discovery = stage.discovery();
    listed(&discovery, "the first is listed", |listing| {
        listing.members.len() == 1
    })
    .await;
    stage.set(&[]).await;
    listed(&discovery, "nobody is listed", |listing| {
        listing.members.is_empty()
    })
    .await;
}

/// An error that names the place and is worth trying again, then answers again.
pub async fn an_outage_is_an_error_that_can_be_tried_again(stage: &dyn Stage) {
    stage.set(&hosts(&[1])).await;
    let discovery = stage.discovery();
    listed(&discovery, "the first is listed", |listing| {
        listing.members.len() == 1
    })
    .await;
    stage.up(false).await;
    let error = tokio::time::timeout(PATIENCE, discovery.list())
        .await
        .expect("it ends")
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().starts_with(&discovery.place()), "{error}");
    stage.up(true).await;
    listed(&discovery, "it answers again", |listing| {
        addresses(listing) == hosts(&[1])
    })
    .await;
}

/// A watch that looks ten times as often as by default.
fn watched(
    stage: &dyn Stage,
) -> (
    watch::Receiver<Membership>,
    CancellationToken,
    tokio::task::JoinSet<()>,
) {
    let config = WatchConfig {
        poll: Duration::from_millis(100),
        refresh: Duration::from_millis(500),
        answer_within: Duration::from_secs(3),
        ..WatchConfig::default()
    };
    let (watch, seen) = Watch::new(stage.discovery(), None, Arc::new(StandingClock), config);
    let (until, mut tasks) = (CancellationToken::new(), tokio::task::JoinSet::new());
    tasks.spawn(watch.run(until.clone()));
    (seen, until, tasks)
}

async fn seen(
    picture: &mut watch::Receiver<Membership>,
    within: Duration,
    what: &str,
    look: impl Fn(&Membership) -> bool,
) -> Membership {
    let found = tokio::time::timeout(within, picture.wait_for(look))
        .await
        .map(|found| found.unwrap().clone());
    found.unwrap_or_else(|_| panic!("{what}: in vain, at last {:?}", *picture.borrow()))
}

fn usable(picture: &Membership) -> Vec<HostPort> {
    let mut all: Vec<HostPort> = picture.usable().map(|member| member.address.clone()).collect();
    all.sort();
    all
}

/// A watch's picture follows the world.
pub async fn who_comes_is_used_within_seconds_and_who_goes_is_not(stage: &dyn Stage) {
    stage.set(&hosts(&[1])).await;
    let (mut picture, until, mut tasks) = watched(stage);
    seen(&mut picture, PATIENCE, "the first is seen", |now| {
        usable(now) == hosts(&[1])
    })
    .await;
    for next in [hosts(&[1, 2]), hosts(&[2]), vec![]] {
        stage.set(&next).await;
        let now = seen(&mut picture, SECONDS, "the change is seen", |now| {
            usable(now) == next
        })
        .await;
        assert_eq!((now.stale_since, now.why), (None, None));
    }
    until.cancel();
    while tasks.join_next().await.is_some() {}
}

/// The last known members stay through an outage, which is told; a change that it hid is seen behind it.
pub async fn the_picture_outlives_an_outage_and_says_so(stage: &dyn Stage) {
    stage.set(&hosts(&[1, 2])).await;
    let (mut picture, until, mut tasks) = watched(stage);
    seen(&mut picture, PATIENCE, "both are seen", |now| {
        usable(now) == hosts(&[1, 2])
    })
    .await;
    stage.up(false).await;
    let old = seen(&mut picture, PATIENCE, "the outage is told", |now| {
        now.stale_since.is_some()
    })
    .await;
    assert_eq!(usable(&old), hosts(&[1, 2]), "the last known ones stay");
    let why = old.why.unwrap();
    assert!(why.starts_with(&stage.discovery().place()), "{why}");
    stage.up(true).await;
    stage.set(&hosts(&[2, 3])).await;
    let fresh = |now: &Membership| now.stale_since.is_none() && usable(now) == hosts(&[2, 3]);
    seen(&mut picture, PATIENCE, "it is fresh again", fresh).await;
    until.cancel();
    while tasks.join_next().await.is_some() {}
}

/// For directories that members enter themselves into.
pub async fn a_member_enters_changes_and_leaves(stage: &dyn Stage) {
    stage.set(&[]).await;
    let discovery = stage.discovery();
    let registry = discovery.registry().expect("members enter themselves");
    let mut member = Member {
        version: Some("1.2.3".to_owned()),
        incarnation: Some(17),
        agents: ["a", "b"].map(|name| AgentName::parse(name).unwrap()).to_vec(),
        attributes: [("zone".to_owned(), "one".to_owned())].into(),
        ..Member::at(
            MemberId::parse("host-1").unwrap(),
            MemberRole::Supervisor,
            hosts(&[1]).remove(0),
        )
    };
    let is = |member: &Member| {
        let member = member.clone();
        move |listing: &MemberListing| matches!(&listing.members[..], [only] if only.member == member)
    };
    registry.register(&member).await.unwrap();
    listed(&discovery, "it is listed with all that it said", is(&member)).await;
    registry.register(&member).await.expect("twice is once");
    // The next start of the same process.
    (member.incarnation, member.address) = (Some(18), hosts(&[2]).remove(0));
    registry.register(&member).await.unwrap();
    listed(&discovery, "it is listed as it is now", is(&member)).await;
    for (well, hint) in [(false, HealthHint::Unhealthy), (true, HealthHint::Healthy)] {
        registry.publish(&member.id, well).await.unwrap();
        listed(&discovery, "its health is told", |listing| {
            listing.members[0].hint == hint
        })
        .await;
    }
    registry.deregister(&member.id).await.unwrap();
    listed(&discovery, "it is gone", |listing| listing.members.is_empty()).await;
    registry.deregister(&member.id).await.expect("gone is gone");
}
