//! What is tried again, how often, and what is not.

use std::time::Duration;

use greenroom_kernel::{
    AcceptRequest, BreakerState, ErrorCode, Failure, Health, ResolveAction, RetryBudgetConfig, Supervisor,
    TaskId, TaskStatus,
};
use greenroom_wire::PoolConfig;
use tokio::time::Instant;

use super::fleet::{Stand, accept, address, session};
use crate::mirror::{Act, Mirror};
use crate::samples::{self, principal, session_id, task_id};

fn unavailable() -> Act {
    Act::Fail(Failure::unavailable("the store is away"))
}

/// Makes a call whose first try is heard, and loses its answer.
async fn losing_the_first<T>(stand: &Stand, call: impl Future<Output = T>) -> T {
    losing_after(stand, Duration::from_millis(500), call).await
}

async fn losing_after<T>(stand: &Stand, after: Duration, call: impl Future<Output = T>) -> T {
    stand.mirrors[0].next([Act::Hang]);
    let lost = async {
        tokio::time::sleep(after).await;
        stand.fleet.cut(&address(0));
    };
    tokio::join!(call, lost).0
}

#[tokio::test(start_paused = true)]
async fn a_call_that_carries_a_key_is_sent_again_with_what_is_left_of_its_times() {
    let stand = Stand::of(1, |_| Mirror::full());
    let request = AcceptRequest {
        timeout: Some(Duration::from_secs(60)),
        ..accept(session(0), Duration::from_secs(10))
    };
    let who = principal();
    losing_the_first(&stand, stand.pool.accept(&who, request))
        .await
        .unwrap();
    let heard = stand.mirrors[0].heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].contains("wait: 10s") && heard[0].contains("timeout: Some(60s)"));
    assert!(
        heard[1].contains("wait: 9.") && heard[1].contains("timeout: Some(59."),
        "{}",
        heard[1]
    );
    let key = format!("{:?}", samples::key());
    assert!(heard.iter().all(|heard| heard.contains(&key)));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_lost_late_is_tried_again_as_long_as_another() {
    let stand = Stand::of(1, |_| Mirror::full());
    let who = principal();
    let call = stand
        .pool
        .accept(&who, accept(session(0), Duration::from_secs(300)));
    let away = async {
        tokio::time::sleep(Duration::from_secs(99)).await;
        stand.mirrors[0].next(vec![unavailable(); 4]);
    };
    let call = async { tokio::join!(call, away).0 };
    losing_after(&stand, Duration::from_secs(100), call)
        .await
        .unwrap();
    assert_eq!(stand.counts(), [6]);
    // And no longer.
    stand.mirrors[0].always(unavailable());
    let began = Instant::now();
    let call = stand
        .pool
        .accept(&who, accept(session(0), Duration::from_secs(300)));
    call.await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_task_waits_on_when_a_supervisor_lets_go_of_him() {
    let stand = Stand::of(1, |_| Mirror::full());
    let (who, mirror) = (principal(), &stand.mirrors[0]);
    let began = Instant::now();
    mirror.unfinished(3);
    let accepted = stand
        .pool
        .accept(&who, accept(session(0), Duration::from_secs(60)));
    assert_eq!(accepted.await.unwrap().task.status, TaskStatus::Completed);
    let heard = mirror.heard();
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert!(
        heard[3].contains("wait: 59.") || heard[3].contains("wait: 58."),
        "{}",
        heard[3]
    );
    assert!(began.elapsed() < Duration::from_secs(3));

    // No longer than he wished, and what was accepted is never refused for that.
    mirror.unfinished(1000);
    let accepted = stand
        .pool
        .accept(&who, accept(session(0), Duration::from_secs(9)));
    assert_eq!(accepted.await.unwrap().task.status, TaskStatus::Running);
    assert!(
        (9..12).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
    assert!(stand.counts()[0] < 15);
    mirror.next([Act::Play, Act::Fail(Failure::internal("broken"))]);
    let accepted = stand
        .pool
        .accept(&who, accept(session(0), Duration::from_secs(9)));
    assert_eq!(accepted.await.unwrap().task.status, TaskStatus::Running);
    assert_eq!(stand.counts(), [2]);
    let accepted = stand.pool.accept(&who, accept(session(0), Duration::ZERO));
    assert_eq!(accepted.await.unwrap().task.status, TaskStatus::Running);
    assert_eq!(stand.counts(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_happen_twice_is_not_sent_twice() {
    let (who, task) = (principal(), task_id());
    let stand = Stand::of(1, |_| Mirror::full());
    let failure = losing_the_first(&stand, stand.pool.retry(&who, &task))
        .await
        .unwrap_err();
    assert_eq!((failure.code, failure.retryable), (ErrorCode::Unavailable, true));
    assert_eq!(stand.counts(), [1]);
    let named = stand.pool.create_session(&who, Some(session_id()), None);
    losing_the_first(&stand, named).await.unwrap_err();
    assert_eq!(stand.counts(), [1]);
    for action in [
        ResolveAction::SettleDone(None),
        ResolveAction::Approve(None),
        ResolveAction::Reject,
    ] {
        let stand = Stand::of(1, |_| Mirror::full());
        let settled = stand.pool.resolve(&who, &task, 1, None, action, None);
        losing_the_first(&stand, settled).await.unwrap();
        assert_eq!(stand.counts(), [2]);
    }

    // Where nothing was sent, it is.
    let stand = Stand::of(2, |_| Mirror::full());
    stand.kill(0);
    for number in 0..8 {
        let id = TaskId {
            journal: session(number),
            ordinal: 1,
        };
        stand.pool.retry(&who, &id).await.unwrap();
    }
    assert_eq!(stand.counts(), [0, 8]);
}

#[tokio::test(start_paused = true)]
async fn that_a_step_was_not_done_is_said_again_and_only_of_the_attempt_that_was_in_doubt_then() {
    let (who, task) = (principal(), task_id());
    for named in [None, Some(1)] {
        let stand = Stand::of(1, |_| Mirror::full());
        // Where none is named, it is the one that the step's row shows.
        stand.mirrors[0].next(vec![Act::Play; usize::from(named.is_none())]);
        let not_done = stand
            .pool
            .resolve(&who, &task, 2, named, ResolveAction::SettleNotDone, None);
        losing_the_first(&stand, not_done).await.unwrap();
        let mut heard = stand.mirrors[0].heard();
        heard.retain(|heard| heard.contains("resolve"));
        assert_eq!(heard.len(), 2, "{heard:?}");
        let of_the_first = |heard: &String| heard.contains("2, Some(1), SettleNotDone");
        assert!(heard.iter().all(of_the_first), "{heard:?}");
    }
    // Of a step that isn't there nothing is known: it may come to be.
    let stand = Stand::of(1, |_| Mirror::full());
    stand.mirrors[0].next([Act::Play]);
    let not_done = stand
        .pool
        .resolve(&who, &task, 7, None, ResolveAction::SettleNotDone, None);
    losing_the_first(&stand, not_done).await.unwrap_err();
    assert_eq!(stand.counts(), [2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_certainly_not_begun_is_asked_for_again_whatever_it_is() {
    let (who, task) = (principal(), task_id());
    let stand = Stand::of(1, |_| Mirror::full());
    let leaving = Failure::unavailable("this supervisor is leaving").not_begun();
    let refuse = || stand.mirrors[0].next(vec![Act::Fail(leaving.clone()); 3]);
    refuse();
    stand.pool.retry(&who, &task).await.unwrap();
    assert_eq!(stand.counts(), [4]);
    refuse();
    let named = stand.pool.create_session(&who, Some(session_id()), None);
    named.await.unwrap();
    assert_eq!(stand.counts(), [4]);
    // Nor does such a refusal make a name that is taken one's own.
    refuse();
    let taken = Failure::new(ErrorCode::Conflict, "taken");
    stand.mirrors[0].next([Act::Fail(taken.clone())]);
    let refused = stand.pool.create_session(&who, None, None).await.unwrap_err();
    assert_eq!((refused, stand.counts()), (taken, vec![4]));
    // What may have been begun is not, and those outside are not told the difference.
    stand.mirrors[0].next([unavailable()]);
    stand.pool.retry(&who, &task).await.unwrap_err();
    assert_eq!(stand.counts(), [1]);
    stand.mirrors[0].always(Act::Fail(leaving.clone()));
    let refused = stand.pool.retry(&who, &task).await.unwrap_err();
    assert!(refused.retryable && !refused.not_begun, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_a_lost_try_has_opened_or_deleted_is_found_so() {
    let who = principal();
    let stand = Stand::of(1, |_| Mirror::full());
    let taken = Failure::new(ErrorCode::Conflict, "taken");
    let created = losing_the_first(&stand, async {
        let call = stand.pool.create_session(&who, None, Some("t".into()));
        let refused = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stand.mirrors[0].next([Act::Fail(taken.clone())]);
        };
        tokio::join!(call, refused).0
    });
    assert_eq!(created.await.unwrap(), samples::session(true));
    let heard = stand.mirrors[0].heard();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[0].starts_with("(\"create_session\"") && heard[1] == heard[0]);
    assert!(heard[2].starts_with("(\"session\""));

    let deleted = losing_the_first(&stand, async {
        let (who, id) = (principal(), session_id());
        let call = stand.pool.delete_session(&who, &id);
        let refused = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stand.mirrors[0].next([Act::Fail(Failure::not_found("session"))]);
        };
        tokio::join!(call, refused).0
    });
    deleted.await.unwrap();
    // One that was never there is not.
    stand.mirrors[0].next([Act::Fail(Failure::not_found("session"))]);
    let gone = stand.pool.delete_session(&who, &session_id()).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::NotFound);
    stand.mirrors[0].next([Act::Fail(taken)]);
    let taken = stand.pool.create_session(&who, None, None).await.unwrap_err();
    assert_eq!(taken.code, ErrorCode::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_behind_a_lost_try_does_not_say_that_nothing_was_accepted() {
    let stand = Stand::of(1, |_| Mirror::full());
    let full = Failure::new(ErrorCode::ResourceExhausted, "full").retry_after(Duration::from_secs(60));
    let who = principal();
    let failure = losing_the_first(&stand, async {
        let call = stand.pool.accept(&who, accept(session(0), Duration::ZERO));
        let refused = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stand.mirrors[0].always(Act::Fail(full.clone()));
        };
        tokio::join!(call, refused).0
    });
    assert_eq!(failure.await.unwrap_err().code, ErrorCode::Unavailable);
    // Without one it does, and is the caller's to wait for.
    stand.counts();
    let failure = stand.pool.accept(&who, accept(session(0), Duration::ZERO)).await;
    assert_eq!(failure.unwrap_err(), full);
    assert_eq!(stand.counts(), [1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_once_its_time_is_over() {
    let stand = Stand::of(1, |_| Mirror::full());
    let later = Failure::unavailable("later").retry_after(Duration::from_secs(5));
    stand.mirrors[0].always(Act::Fail(later));
    let request = AcceptRequest {
        timeout: Some(Duration::from_secs(5)),
        ..accept(session(0), Duration::from_secs(60))
    };
    let began = Instant::now();
    let who = principal();
    stand.pool.accept(&who, request).await.unwrap_err();
    assert_eq!((stand.counts(), began.elapsed().as_secs()), (vec![1], 0));

    // What never answers is left when the call's own time is over, and no later.
    stand.mirrors[0].always(Act::Hang);
    stand.pool.cancel(&who, &task_id()).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(stand.counts(), [1]);
    // A read doesn't wait that long for one of several answers.
    stand.mirrors[0].next([Act::Hang, Act::Play]);
    stand.pool.task(&who, &task_id()).await.unwrap();
    assert!(
        (40..43).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_that_one_does_not_answer_is_asked_of_the_next() {
    let stand = Stand::of(2, |_| Mirror::full());
    let session = super::fleet::session_of(0, 2);
    stand.mirrors[0].always(Act::Hang);
    let began = Instant::now();
    stand.pool.session(&principal(), &session).await.unwrap();
    assert_eq!((stand.counts(), began.elapsed().as_secs()), (vec![1, 1], 10));
}

#[tokio::test(start_paused = true)]
async fn all_calls_together_retry_no_more_than_their_budget() {
    let config = PoolConfig {
        budget: RetryBudgetConfig {
            ratio: 0.5,
            floor: 5,
            window: Duration::from_secs(60),
        },
        ..PoolConfig::default()
    };
    let stand = Stand::patient(1, |_| Mirror::full(), config);
    stand.mirrors[0].always(unavailable());
    let (who, session) = (principal(), session(0));
    for _ in 0..40 {
        stand.pool.session(&who, &session).await.unwrap_err();
    }
    let tries = stand.counts()[0];
    assert!((60..=40 + 20 + 5).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn one_that_never_answers_is_left_alone_and_taken_back_by_a_question_for_its_health() {
    let stand = Stand::of(2, |_| Mirror::full());
    let (who, session) = (principal(), super::fleet::session_of(0, 2));
    stand.mirrors[0].always(Act::Hang);
    let breaker = || stand.pool.supervisors()[0].breaker;
    for _ in 0..8 {
        let read = stand.pool.session(&who, &session);
        let _ = tokio::time::timeout(Duration::from_secs(11), read).await;
    }
    assert_eq!(stand.pool.supervisors()[0].in_flight, 0);
    // It says that it serves, and is asked again, now and then; nobody waits for it for long.
    let status = &stand.pool.supervisors()[0];
    assert!(status.last_error.is_some(), "{status:?}");

    // Gone for good, it is not even dialled while its breaker is open.
    stand.kill(0);
    while breaker() != BreakerState::Open {
        stand.pool.session(&who, &session).await.unwrap();
    }
    assert_eq!(stand.pool.supervisors()[0].health, Health::Unhealthy);
    stand.mirrors[0].always(Act::Play);
    stand.serve_again(0);
    stand.counts();
    stand.pool.session(&who, &session).await.unwrap();
    assert_eq!(stand.counts(), [0, 1]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    // The first call that is let through waits for long, and keeps nobody out.
    stand.mirrors[0].next([Act::Hang, Act::Play]);
    let long = stand
        .pool
        .accept(&who, accept(session.clone(), Duration::from_secs(60)));
    let next = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stand.pool.session(&who, &session).await.unwrap();
    };
    let (long, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(2), long), next);
    assert!(long.is_err());
    assert_eq!((stand.counts(), breaker()), (vec![2, 0], BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_ready_as_long_as_one_supervisor_says_that_it_serves() {
    let stand = Stand::of(2, |_| Mirror::full());
    let patience = Duration::from_secs(1);
    stand.pool.check(patience).await.unwrap();
    stand.kill(0);
    stand.pool.check(patience).await.unwrap();
    stand.kill(1);
    assert!(stand.pool.check(patience).await.unwrap_err().retryable);
}
