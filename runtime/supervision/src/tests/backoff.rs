//! When a failed actor is started again, on a clock that stands still unless everybody waits.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn waits_grow_with_failures_in_a_row_up_to_their_bound_and_shrink_after_calm() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let (child, handle) = Player::spec("p", &Arc::default()).build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    let mut waits = Vec::new();
    for calm in [0, 0, 0, 0, 0, 60_000, 0] {
        tokio::time::sleep(ms(calm)).await;
        handle.send(Say::Fail(Fault::Err)).unwrap();
        event(&mut watch, "node/p", SupervisionChange::Failed).await;
        let failed = Instant::now();
        event(&mut watch, "node/p", SupervisionChange::Restarted).await;
        waits.push(failed.elapsed());
    }
    // Half the ceiling, because chance always says 0; a tokio timer may be a millisecond late.
    let expected = [50, 100, 200, 400, 400, 50, 100].map(ms);
    for (wait, expected) in waits.iter().zip(expected) {
        assert!(*wait >= expected && *wait <= expected + ms(2), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_are_told_how_long_it_is_down() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let (child, handle) = Player::spec("p", &Arc::default()).busy_retry_after(ms(1)).build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    handle.send(Say::Fail(Fault::Err)).unwrap();
    event(&mut watch, "node/p", SupervisionChange::Failed).await;
    tokio::time::sleep(ms(1)).await;
    let refused = handle.send(Say::Stop).unwrap_err();
    assert_eq!(
        refused,
        SendError::Down {
            actor: "p".into(),
            retry_after: ms(50)
        }
    );
    assert!(refused.is_retryable());
    assert_eq!(
        environment.tree().snapshot()[0].children[0].state,
        greenroom_kernel::ActorState::Backoff
    );
    event(&mut watch, "node/p", SupervisionChange::Restarted).await;
    assert_eq!(
        soon(handle.call(Say::Incarnation)).await,
        Ok(2),
        "the same handle"
    );
}

#[tokio::test(start_paused = true)]
async fn a_child_that_waits_for_its_restart_can_be_removed() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let root = started(&environment, supervisor("node")).await;
    let handle = root
        .supervisor()
        .add(Player::spec("p", &Arc::default()))
        .await
        .unwrap();
    handle.send(Say::Fail(Fault::Err)).unwrap();
    event(&mut watch, "node/p", SupervisionChange::Failed).await;
    soon(root.supervisor().remove("p")).await.unwrap();
    assert_eq!(handle.send(Say::Stop), Err(SendError::Gone { actor: "p".into() }));
    tokio::time::sleep(ms(1_000)).await;
    assert!(environment.tree().snapshot()[0].children.is_empty());
    assert_eq!(
        root.supervisor().remove("p").await,
        Err(RemoveError::Unknown { name: "p".into() })
    );
}
