//! Permits before casts: a mailbox is bounded, and whoever waits for an answer gets one or learns that there is
//! none.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_at_once_and_takes_again_when_work_is_done() {
    let environment = environment();
    let (child, handle) = Player::spec("p", &Arc::default())
        .capacity(3)
        .busy_retry_after(ms(40))
        .build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    let end = Arc::new(Notify::new());
    let mut working = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (handle, end) = (handle.clone(), Arc::clone(&end));
        working.spawn(async move { handle.call(|reply| Say::Work(end, reply)).await });
    }
    // The tasks hold their permits though the handler is done with the messages.
    while handle.depth() < 3 {
        tokio::time::sleep(ms(1)).await;
    }
    tokio::time::sleep(ms(1)).await;
    assert_eq!(environment.tree().snapshot()[0].children[0].mailbox, 3);
    let busy = SendError::Busy {
        actor: "p".into(),
        retry_after: ms(40),
    };
    assert_eq!(handle.send(Say::Stop), Err(busy.clone()));
    assert_eq!(handle.call(Say::Incarnation).await, Err(CallError::NotSent(busy)));

    end.notify_one();
    assert_eq!(soon(working.join_next()).await.unwrap().unwrap(), Ok(()));
    assert_eq!(soon(handle.call(Say::Incarnation)).await, Ok(1));
    assert_eq!(handle.depth(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_actors_end_frees_all_permits_and_tells_all_callers() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let (child, handle) = Player::spec("p", &Arc::default()).capacity(8).build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    let mut calls = tokio::task::JoinSet::new();
    for at in 0..6 {
        let handle = handle.clone();
        // Three wait in tasks of the actor, three in its mailbox behind a nap.
        calls.spawn(async move {
            tokio::time::sleep(ms(at)).await;
            match at {
                0..3 => handle.call(|reply| Say::Work(Arc::default(), reply)).await,
                _ => handle.call(Say::Incarnation).await.map(drop),
            }
        });
    }
    tokio::time::sleep(Duration::from_micros(2_500)).await;
    handle.send(Say::Nap(ms(1_000))).unwrap();
    while handle.depth() < 7 {
        tokio::time::sleep(ms(1)).await;
    }
    handle.kill();
    while let Some(answer) = soon(calls.join_next()).await {
        assert_eq!(answer.unwrap(), Err(CallError::Unanswered { actor: "p".into() }));
    }
    event(&mut watch, "node/p", SupervisionChange::Restarted).await;
    assert_eq!(handle.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_limit_ends_at_its_limit() {
    let environment = environment();
    let (child, handle) = Player::spec("p", &Arc::default()).build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    handle.send(Say::Nap(ms(500))).unwrap();
    let answer = handle.call_within(ms(100), Say::Incarnation).await;
    assert_eq!(
        answer,
        Err(CallError::Timeout {
            actor: "p".into(),
            within: ms(100)
        })
    );
    assert_eq!(soon(handle.call(Say::Incarnation)).await, Ok(1), "it lives");
}

#[tokio::test]
async fn concurrent_senders_never_exceed_the_bound() {
    let environment = environment();
    let (child, handle) = Player::spec("p", &Arc::default()).capacity(4).build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    let end = Arc::new(Notify::new());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (handle, end) = (handle.clone(), Arc::clone(&end));
        callers.spawn(async move { handle.call(|reply| Say::Work(end, reply)).await });
    }
    let mut refused = 0;
    while refused < 60 {
        let answer = soon(callers.join_next()).await.unwrap().unwrap();
        assert!(
            matches!(answer, Err(CallError::NotSent(SendError::Busy { .. }))),
            "{answer:?}"
        );
        refused += 1;
    }
    assert_eq!(handle.depth(), 4);
    // The four in work were admitted; each is released by one notification, now or when it comes to wait.
    let mut answered = 0;
    while answered < 4 {
        end.notify_one();
        if let Ok(Some(answer)) = tokio::time::timeout(ms(10), callers.join_next()).await {
            assert_eq!(answer.unwrap(), Ok(()));
            answered += 1;
        }
    }
}
