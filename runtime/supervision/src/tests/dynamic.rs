//! Children that come and go by the thousand.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_short_lives_leave_nothing_behind() {
    let environment = environment();
    let root = started(&environment, supervisor("node")).await;
    let mut lives = tokio::task::JoinSet::new();
    for n in 0..2_000u32 {
        let supervisor = root.supervisor().clone();
        lives.spawn(async move {
            let player = Player {
                name: "s",
                script: Arc::default(),
            };
            let name = format!("s-{n}");
            let handle = supervisor
                .add(ChildSpec::once(name.as_str(), "session", player))
                .await
                .unwrap();
            assert_eq!(handle.call(|reply| Say::Echo(n, reply)).await, Ok(n));
            handle
        });
    }
    let handles = soon(lives.join_all()).await;
    assert_eq!(environment.tree().snapshot()[0].children.len(), 2_000);
    for (n, handle) in handles.iter().enumerate() {
        let _ = if n % 2 == 0 {
            handle.send(Say::Stop)
        } else {
            handle.send(Say::Fail(Fault::Err))
        };
    }
    soon(async {
        while !environment.tree().snapshot()[0].children.is_empty() {
            tokio::time::sleep(ms(1)).await;
        }
    })
    .await;
    for handle in &handles {
        let gone = handle.send(Say::Stop).unwrap_err();
        assert!(!gone.is_retryable(), "{gone}");
    }
    assert_eq!(
        root.supervisor().ready().await,
        Ok(()),
        "their failures are not the supervisor's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_supervisor_takes_its_children_with_it_and_comes_back() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let script = Arc::<Script>::default();
    let (fixed, fixed_handle) = Player::spec("fixed", &script).build();
    let (below, sessions) = supervisor("sessions").child(fixed).build();
    let _root = started(&environment, supervisor("node").child(below)).await;
    soon(sessions.ready()).await.unwrap();
    let session = sessions.add(Player::spec("s", &script)).await.unwrap();
    let waiting = session.clone();
    let mut call = tokio::task::JoinSet::new();
    call.spawn(async move { waiting.call(|reply| Say::Work(Arc::default(), reply)).await });
    while session.depth() == 0 {
        tokio::time::sleep(ms(1)).await;
    }
    sessions.kill();
    let answer = soon(call.join_next()).await.unwrap().unwrap();
    assert_eq!(answer, Err(CallError::Unanswered { actor: "s".into() }));
    event(&mut watch, "node/sessions", SupervisionChange::Restarted).await;
    soon(sessions.ready()).await.unwrap();
    assert_eq!(
        session.send(Say::Stop),
        Err(SendError::Gone { actor: "s".into() })
    );
    assert_eq!(soon(fixed_handle.call(|reply| Say::Echo(3, reply))).await, Ok(3));
}
