//! Subscriptions go on where they broke.

use std::time::Duration;

use futures::StreamExt as _;
use greenroom_kernel::{
    ChatEvent, ChatEventBody, Cursor, ErrorCode, EventScope, EventStream, Failure, Position,
    RetryBudgetConfig, Supervisor,
};
use greenroom_wire::PoolConfig;
use tokio::time::Instant;

use super::fleet::{Stand, address, session_of};
use crate::mirror::{Act, Mirror};
use crate::samples::{self, principal, task_id};

/// The event of a slot, with one entry a slot.
fn event(seq: u64) -> ChatEvent {
    ChatEvent {
        cursor: Cursor::behind(Position { seq, index: 0 }),
        body: ChatEventBody::Message(samples::message(false)),
        ..samples::events().remove(0)
    }
}

/// Text of the attempt that runs behind a slot.
fn text(seq: u64, offset: u64) -> ChatEvent {
    ChatEvent {
        cursor: Cursor {
            attempt: 1,
            offset: offset + 1,
            ..event(seq).cursor
        },
        body: ChatEventBody::Delta {
            task: task_id(),
            attempt: 1,
            offset,
            delta: "x".into(),
        },
        ..event(seq)
    }
}

fn broken() -> Result<ChatEvent, Failure> {
    Err(Failure::unavailable("the supervisor is stopping"))
}

fn moved(to: usize) -> Result<ChatEvent, Failure> {
    Err(Failure::elsewhere(address(to)))
}

async fn subscribe(stand: &Stand, after: Option<Cursor>) -> EventStream {
    let scope = EventScope::Session(session_of(0, 2));
    stand.pool.events(&principal(), scope, after).await.unwrap()
}

async fn told(stream: &mut EventStream, count: usize) -> Vec<Result<ChatEvent, Failure>> {
    let told = stream.take(count).collect();
    tokio::time::timeout(Duration::from_secs(300), told)
        .await
        .unwrap()
}

/// The cursors that a node was asked for events behind.
fn asked(stand: &Stand, number: usize) -> Vec<String> {
    let heard = stand.mirrors[number].heard().into_iter();
    let events = heard.filter(|heard| heard.starts_with("(\"events\""));
    events
        .map(|heard| heard.split_once("Some(Cursor").unwrap().1.to_owned())
        .collect()
}

fn behind(cursor: Cursor) -> String {
    format!("{:?})", Some(cursor))
        .split_once("Some(Cursor")
        .unwrap()
        .1
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_broken_subscription_goes_on_behind_its_last_event_and_tells_nothing_twice() {
    let stand = Stand::of(2, |_| Mirror::full());
    stand.mirrors[0].tape(vec![Ok(event(1)), Ok(event(2)), Ok(text(2, 0)), broken()]);
    // One that knows less than it was asked for.
    stand.mirrors[0].tape(vec![Ok(event(2)), Ok(text(2, 0)), Ok(event(3)), broken()]);
    stand.mirrors[0].tape(vec![Ok(event(4))]);
    let mut stream = subscribe(&stand, Some(Cursor::START)).await;
    let wanted = [event(1), event(2), text(2, 0), text(2, 0), event(3), event(4)].map(Ok);
    assert_eq!(told(&mut stream, 6).await, wanted);
    let cursors = [Cursor::START, text(2, 0).cursor, event(3).cursor];
    assert_eq!(asked(&stand, 0), cursors.map(behind));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_follows_its_journal_at_once() {
    let stand = Stand::of(2, |_| Mirror::full());
    stand.mirrors[0].tape(vec![Ok(event(1)), moved(1)]);
    stand.mirrors[1].tape(vec![Ok(event(2))]);
    let mut stream = subscribe(&stand, Some(Cursor::START)).await;
    let began = Instant::now();
    assert_eq!(told(&mut stream, 2).await, [event(1), event(2)].map(Ok));
    assert!(began.elapsed() < Duration::from_millis(50));
    assert_eq!(asked(&stand, 1), [behind(event(1).cursor)]);
    assert_eq!(asked(&stand, 0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_breaks_and_a_supervisor_that_dies_are_healed_too() {
    let stand = Stand::of(2, |_| Mirror::full());
    stand.mirrors[0].tape(vec![Ok(event(1))]);
    stand.mirrors[0].tape(vec![Ok(event(2))]);
    stand.mirrors[1].tape(vec![Ok(event(3))]);
    let mut stream = subscribe(&stand, Some(Cursor::START)).await;
    assert_eq!(told(&mut stream, 1).await, [Ok(event(1))]);
    stand.fleet.cut(&address(0));
    assert_eq!(told(&mut stream, 1).await, [Ok(event(2))]);
    stand.kill(0);
    assert_eq!(told(&mut stream, 1).await, [Ok(event(3))]);
    assert_eq!(asked(&stand, 1), [behind(event(2).cursor)]);
}

#[tokio::test(start_paused = true)]
async fn from_now_is_a_place_that_a_break_before_the_first_event_does_not_move() {
    let stand = Stand::of(2, |_| Mirror::full());
    stand.mirrors[0].tape(vec![broken()]);
    stand.mirrors[0].tape(vec![Ok(event(20))]);
    let mut stream = subscribe(&stand, None).await;
    assert_eq!(told(&mut stream, 1).await, [Ok(event(20))]);
    let now = behind(Cursor::behind(samples::session(true).last));
    assert_eq!(asked(&stand, 0), [now.clone(), now]);

    // Of what isn't there, there is no now.
    let stand = Stand::of(1, |_| Mirror::bare());
    for (scope, what) in [
        (EventScope::Session(samples::session_id()), "no such session"),
        (EventScope::Task(task_id()), "no such task"),
    ] {
        let refused = stand.pool.events(&principal(), scope, None).await.err().unwrap();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (ErrorCode::NotFound, what)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_other_supervisor_could_mend_ends_a_subscription() {
    let stand = Stand::of(2, |_| Mirror::full());
    let gone = Failure::not_found("session");
    stand.mirrors[0].tape(vec![Ok(event(1)), Err(gone.clone())]);
    let mut stream = subscribe(&stand, Some(Cursor::START)).await;
    assert_eq!(told(&mut stream, 9).await, [Ok(event(1)), Err(gone.clone())]);

    stand.mirrors[0].tape(vec![Ok(event(1)), broken()]);
    let mut stream = subscribe(&stand, Some(Cursor::START)).await;
    stand.mirrors[0].always(Act::Fail(gone.clone()));
    assert_eq!(told(&mut stream, 9).await, [Ok(event(1)), Err(gone)]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_breaks_again_and_again_gives_up_with_its_last_failure() {
    let stand = Stand::of(2, |_| Mirror::full());
    (0..200).for_each(|_| stand.mirrors[0].tape(vec![moved(1)]));
    (0..200).for_each(|_| stand.mirrors[1].tape(vec![moved(0)]));
    let began = Instant::now();
    let mut stream = subscribe(&stand, Some(Cursor::START)).await;
    let told = told(&mut stream, 9).await;
    let [Err(failure)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (failure.code, failure.retryable, &failure.elsewhere),
        (ErrorCode::Unavailable, true, &None)
    );
    let tries: usize = stand.counts().into_iter().sum();
    assert!(tries < 20 && began.elapsed() < Duration::from_secs(31), "{tries}");
}

/// As many as a gateway's readers of idle sessions at least, each with the first event read long ago.
async fn readers(stand: &Stand, then: impl Fn() -> Vec<Result<ChatEvent, Failure>>) -> Vec<EventStream> {
    let mut readers = Vec::new();
    for _ in 0..200 {
        stand.mirrors[0].tape([vec![Ok(event(1))], then()].concat());
        stand.mirrors[1].tape(vec![Ok(event(2))]);
        readers.push(subscribe(stand, Some(Cursor::START)).await);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    readers
}

/// All of them go on at the second node, which knows after `noticed` that it has the journals.
async fn go_on(stand: &Stand, readers: &mut [EventStream], noticed: Duration) {
    stand.mirrors[1].always(Act::Fail(Failure::elsewhere(address(0))));
    let notices = async {
        tokio::time::sleep(noticed).await;
        stand.mirrors[1].always(Act::Play);
    };
    let all = futures::future::join_all(readers.iter_mut().map(|reader| told(reader, 1)));
    let (all, ()) = tokio::join!(all, notices);
    let lost = all.iter().filter(|told| **told != [Ok(event(2))]).count();
    assert_eq!(lost, 0, "of {}", all.len());
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_subscriptions_go_on_when_a_supervisor_drains_and_the_next_has_not_noticed() {
    let stand = Stand::of(2, |_| Mirror::full());
    let mut readers = readers(&stand, || vec![moved(1)]).await;
    for reader in &mut readers {
        assert_eq!(told(reader, 1).await, [Ok(event(1))]);
    }
    stand.mirrors[0].always(Act::Fail(Failure::elsewhere(address(1))));
    go_on(&stand, &mut readers, Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_subscriptions_go_on_when_a_supervisor_dies_and_the_others_have_not_noticed() {
    let stand = Stand::of(2, |_| Mirror::full());
    let mut readers = readers(&stand, Vec::new).await;
    for reader in &mut readers {
        assert_eq!(told(reader, 1).await, [Ok(event(1))]);
    }
    stand.kill(0);
    go_on(&stand, &mut readers, Duration::from_secs(7)).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_nobody_lets_be_opened_waits_and_tries_again_with_no_budget_left() {
    let config = PoolConfig {
        budget: RetryBudgetConfig {
            ratio: 0.0,
            floor: 0,
            window: Duration::from_secs(10),
        },
        ..PoolConfig::default()
    };
    let stand = Stand::patient(1, |_| Mirror::full(), config);
    let away = Act::Fail(Failure::unavailable("the store is away"));
    stand.mirrors[0].tape(vec![Ok(event(1)), broken()]);
    stand.mirrors[0].tape(vec![Ok(event(2)), broken()]);
    let mut stream = subscribe(&stand, Some(Cursor::START)).await;
    stand.mirrors[0].next([away.clone(), away.clone(), away.clone()]);
    assert_eq!(told(&mut stream, 2).await, [event(1), event(2)].map(Ok));
    // Not for ever.
    let began = Instant::now();
    stand.counts();
    stand.mirrors[0].always(away);
    let told = told(&mut stream, 9).await;
    let [Err(failure)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!((failure.code, failure.retryable), (ErrorCode::Unavailable, true));
    let tries = stand.counts()[0];
    assert!(
        (4..20).contains(&tries) && began.elapsed() < Duration::from_secs(31),
        "{tries}"
    );
}
