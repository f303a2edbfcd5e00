//! Journals that are elsewhere, supervisors that come and go.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{ErrorCode, Failure, MemberId, RetryBudgetConfig, RetryPolicy, Supervisor};
use greenroom_wire::PoolConfig;
use greenroom_wire::testkit::Fleet;
use tokio::time::Instant;

use super::fleet::{Stand, accept, address, node, order, pool, session, session_of};
use crate::mirror::{Act, Mirror};
use crate::samples::principal;

fn elsewhere(number: usize) -> Act {
    Act::Fail(Failure::elsewhere(address(number)))
}

/// A pool that makes one round and no other.
fn impatient() -> PoolConfig {
    PoolConfig {
        retry: RetryPolicy {
            tries: 1,
            ..RetryPolicy::default()
        },
        ..PoolConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_the_node_that_its_journal_belongs_to() {
    let stand = Stand::of(3, |_| Mirror::full());
    for number in 0..30 {
        let session = session(number);
        stand.pool.session(&principal(), &session).await.unwrap();
        let mut wanted = [0; 3];
        wanted[order(&session, 3)[0]] = 1;
        assert_eq!(stand.counts(), wanted, "{session}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_followed_and_remembered_until_it_is_wrong() {
    let stand = Stand::of(3, |_| Mirror::full());
    let session = session_of(0, 3);
    let call = || async { stand.pool.session(&principal(), &session).await.unwrap() };
    stand.mirrors[0].next([elsewhere(2)]);
    call().await;
    assert_eq!(stand.counts(), [1, 0, 1]);
    call().await;
    assert_eq!(stand.counts(), [0, 0, 1], "it is known where the journal is");
    stand.mirrors[2].next([elsewhere(1)]);
    call().await;
    call().await;
    assert_eq!(stand.counts(), [0, 2, 1]);
    stand.kill(1);
    call().await;
    assert_eq!(stand.counts(), [1, 0, 0], "whoever is gone is asked no more");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_a_wrong_address_finds_its_node_where_the_directory_has_it() {
    let stand = Stand::patient(3, |_| Mirror::full(), impatient());
    for owner in 0..3 {
        let session = session_of(owner, 3);
        for holder in (0..3).filter(|holder| *holder != owner) {
            let told = |node| Failure {
                elsewhere_node: Some(Box::new(node)),
                ..Failure::elsewhere(address(77))
            };
            stand.mirrors[owner].next([Act::Fail(told(node(holder)))]);
            stand.pool.session(&principal(), &session).await.unwrap();
            let mut wanted = [0; 3];
            (wanted[owner], wanted[holder]) = (1, 1);
            assert_eq!(stand.counts(), wanted);
            stand.pool.session(&principal(), &session).await.unwrap();
            wanted[owner] = 0;
            assert_eq!(stand.counts(), wanted, "it is known where the journal is");
            // One that no directory names, or that is asked already, isn't looked for.
            for (asked, other) in [(holder, node(7)), (owner, node(owner))] {
                stand.mirrors[asked].next([Act::Fail(told(other))]);
                let lost = stand.pool.session(&principal(), &session).await.unwrap_err();
                assert_eq!(lost.code, ErrorCode::Unavailable);
                assert_eq!((lost.elsewhere, lost.elsewhere_node), (None, None));
                assert_eq!(stand.counts().iter().sum::<usize>(), 1);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_may_lead_to_one_that_no_directory_names() {
    let stand = Stand::of(2, |_| Mirror::full());
    let stranger = Arc::new(Mirror::full());
    stand.fleet.serve(
        &address(7),
        &node(7),
        Arc::clone(&stranger) as Arc<dyn Supervisor>,
    );
    let session = session_of(1, 2);
    stand.mirrors[1].always(elsewhere(7));
    for _ in 0..2 {
        stand.pool.session(&principal(), &session).await.unwrap();
    }
    assert_eq!((stand.counts(), stranger.heard().len()), (vec![0, 1], 2));
    assert_eq!(stand.pool.supervisors().len(), 2, "it is no member for that");
}

#[tokio::test(start_paused = true)]
async fn redirects_end_where_they_began_or_after_four_hops_and_nothing_is_said_of_them() {
    let stand = Stand::patient(6, |_| Mirror::full(), impatient());
    let session = session_of(0, 6);
    let call = || async {
        let failure = stand.pool.session(&principal(), &session).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.retryable, failure.elsewhere),
            (ErrorCode::Unavailable, true, None)
        );
        stand.counts()
    };
    (0..6).for_each(|number| stand.mirrors[number].always(elsewhere((number + 1) % 6)));
    assert_eq!(call().await, [1, 1, 1, 1, 1, 0]);
    stand.mirrors[1].always(elsewhere(0));
    assert_eq!(call().await, [1, 1, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn one_that_refuses_connections_is_passed_over_at_once_in_the_hash_s_order() {
    let stand = Stand::patient(3, |_| Mirror::full(), impatient());
    let session = session(5);
    let order = order(&session, 3);
    let began = Instant::now();
    for gone in 0..2 {
        stand.kill(order[gone]);
        stand.pool.session(&principal(), &session).await.unwrap();
        let mut wanted = vec![0; 3];
        wanted[order[gone + 1]] = 1;
        assert_eq!(stand.counts(), wanted);
    }
    stand.kill(order[2]);
    let failure = stand.pool.session(&principal(), &session).await.unwrap_err();
    assert_eq!((failure.code, failure.retryable), (ErrorCode::Unavailable, true));
    assert!(
        began.elapsed() < Duration::from_millis(50),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn while_the_others_have_not_noticed_that_an_owner_died_its_callers_wait() {
    let stand = Stand::of(2, |_| Mirror::full());
    let session = session_of(0, 2);
    stand.kill(0);
    // Until its row has been silent for long enough.
    stand.mirrors[1].always(elsewhere(0));
    let taken_over = async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        stand.mirrors[1].always(Act::Play);
    };
    let began = Instant::now();
    let who = principal();
    let call = stand.pool.accept(&who, accept(session, Duration::ZERO));
    let (accepted, ()) = tokio::join!(call, taken_over);
    accepted.unwrap();
    assert!(
        (6..=9).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
    assert!(stand.counts()[1] < 20, "they don't hammer meanwhile");
}

#[tokio::test(start_paused = true)]
async fn being_sent_on_costs_nothing_of_the_budget_for_retries() {
    let config = PoolConfig {
        budget: RetryBudgetConfig {
            ratio: 0.0,
            floor: 0,
            window: Duration::from_secs(10),
        },
        ..PoolConfig::default()
    };
    let stand = Stand::patient(2, |_| Mirror::full(), config);
    let (who, session) = (principal(), session_of(0, 2));
    let call = || stand.pool.accept(&who, accept(session.clone(), Duration::ZERO));
    let noticed = || async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        stand.mirrors[1].always(Act::Play);
    };
    // In circles, while two believe of each other that they have it.
    stand.mirrors[0].always(elsewhere(1));
    stand.mirrors[1].always(elsewhere(0));
    tokio::join!(call(), noticed()).0.unwrap();
    // To one that is gone.
    stand.kill(0);
    stand.mirrors[1].always(elsewhere(0));
    tokio::join!(call(), noticed()).0.unwrap();
    // What one failed to do is another matter.
    stand.mirrors[1].always(Act::Fail(Failure::unavailable("the store is away")));
    tokio::join!(call(), noticed()).0.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn members_that_come_are_called_and_those_that_leave_are_not() {
    let stand = Stand::of(3, |_| Mirror::full());
    stand.list([0]);
    tokio::task::yield_now().await;
    let call = |number| {
        let (pool, session) = (stand.pool.clone(), session(number));
        async move { pool.session(&principal(), &session).await.unwrap() }
    };
    for number in 0..20 {
        call(number).await;
    }
    assert_eq!(stand.counts(), [20, 0, 0]);
    stand.list([1, 2]);
    tokio::task::yield_now().await;
    for number in 0..20 {
        call(number).await;
    }
    let counts = stand.counts();
    assert!(counts[0] == 0 && counts[1] > 0 && counts[2] > 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_first_supervisor_that_a_directory_names() {
    let stand = Stand::of(1, |_| Mirror::full());
    stand.list([]);
    tokio::task::yield_now().await;
    let found = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stand.list([0]);
    };
    let (who, session) = (principal(), session(0));
    let (called, ()) = tokio::join!(stand.pool.session(&who, &session), found);
    called.unwrap();

    stand.list([]);
    tokio::task::yield_now().await;
    let failure = stand.pool.session(&who, &session).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (
            ErrorCode::Unavailable,
            "no supervisor is known: the directory names none"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn nodes_that_a_directory_calls_otherwise_are_placed_by_their_own_names_once_they_have_answered() {
    let fleet = Fleet::new();
    let mirrors: Vec<_> = (0..3).map(|_| Arc::new(Mirror::full())).collect();
    let mut members = Vec::new();
    for (number, mirror) in mirrors.iter().enumerate() {
        let supervisor = Arc::clone(mirror) as Arc<dyn Supervisor>;
        fleet.serve(&address(number), &node(number), supervisor);
        members.push((
            MemberId::parse(&format!("task/{number}")).unwrap(),
            address(number),
        ));
    }
    let pool = pool(&fleet, PoolConfig::default());
    fleet.list(members.iter().map(|(id, address)| (id, address)));
    tokio::task::yield_now().await;
    pool.agents().await.unwrap();
    let names: Vec<_> = pool.supervisors().into_iter().map(|s| s.node).collect();
    assert_eq!(names, [node(0), node(1), node(2)]);
    mirrors.iter().for_each(|mirror| drop(mirror.heard()));
    for number in 0..20 {
        pool.session(&principal(), &session(number)).await.unwrap();
        let owner = order(&session(number), 3)[0];
        assert_eq!(mirrors[owner].heard().len(), 1, "s{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_asked_of_the_less_loaded() {
    let stand = Stand::of(2, |_| Mirror::full());
    stand.mirrors[0].always(Act::Hang);
    let (who, busy) = (principal(), session_of(0, 2));
    let held = (0..10).map(|_| {
        stand
            .pool
            .accept(&who, accept(busy.clone(), Duration::from_secs(60)))
    });
    let held = futures::future::join_all(held);
    let lists = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        stand.counts();
        for _ in 0..20 {
            let query = greenroom_kernel::SessionQuery::default();
            let listed = stand.pool.sessions(&who, query, crate::page());
            let _ = tokio::time::timeout(Duration::from_millis(10), listed).await;
        }
        stand.counts()
    };
    let counts = tokio::select! {
        _ = held => panic!("they are never answered"),
        counts = lists => counts,
    };
    // Two choices may fall on the same one: a quarter of them goes to the busy one all the same.
    assert!(counts[1] > counts[0], "{counts:?}");
    assert!(counts[0] > 0, "both are asked: {counts:?}");
}
