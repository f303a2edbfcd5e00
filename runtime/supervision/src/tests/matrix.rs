//! Every kind of failure in every hook: the actor is restarted, the cause is told, and nobody waits for ever.

use super::*;

/// Fails once in `hook`, and must come back.
async fn fails_once(hook: Hook, fault: Fault, cause: &str) {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let script = Script::failing(hook, fault);
    let (child, handle) = Player::spec("p", &script).build();
    let root = Root::start(&environment, supervisor("node").child(child)).unwrap();

    let unanswered = match hook {
        Hook::PreStart | Hook::PostStart => None,
        Hook::Handle => {
            soon(root.supervisor().ready()).await.unwrap();
            let caller = handle.clone();
            Some(tokio::task::JoinSet::from_iter([async move {
                caller.call(|r| Say::Echo(1, r)).await
            }]))
        }
        Hook::PostStop => {
            soon(root.supervisor().ready()).await.unwrap();
            handle.send(Say::Stop).unwrap();
            None
        }
    };
    if fault == Fault::Kill {
        soon(script.awaiting_kill.notified()).await;
        handle.kill();
    }
    let failed = event(&mut watch, "node/p", SupervisionChange::Failed).await;
    assert_eq!(failed.cause.as_deref(), Some(cause), "{hook:?} {fault:?}");
    assert_eq!(failed.at, Timestamp::from_millis(7));
    event(&mut watch, "node/p", SupervisionChange::Restarted).await;
    if let Some(mut unanswered) = unanswered {
        let answer = soon(unanswered.join_next()).await.unwrap().unwrap();
        assert_eq!(
            answer,
            Err(CallError::Unanswered { actor: "p".into() }),
            "{fault:?}"
        );
        assert!(answer.unwrap_err().is_retryable());
    }
    assert_eq!(
        soon(handle.call(|r| Say::Echo(5, r))).await,
        Ok(5),
        "{hook:?} {fault:?}"
    );

    let node = environment.tree().snapshot().remove(0).children.remove(0);
    assert_eq!((node.restarts, node.last_cause.as_deref()), (1, Some(cause)));
    root.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_comes_back_from_every_failure_in_every_hook() {
    use Fault::{Err, Hang, Kill, Panic};
    use Hook::{Handle, PostStart, PostStop, PreStart};
    let not_started = "not started within 5000 ms";
    let table = [
        (PreStart, Panic, "panic: boom"),
        (PreStart, Err, "error: boom"),
        (PreStart, Kill, "killed"),
        (PreStart, Hang, not_started),
        (PostStart, Panic, "panic: boom"),
        (PostStart, Err, "error: boom"),
        (PostStart, Kill, "killed"),
        (PostStart, Hang, not_started),
        (Handle, Panic, "panic: boom"),
        (Handle, Err, "error: boom"),
        (Handle, Kill, "killed"),
        (Handle, Hang, "no progress for 3000 ms"),
        (PostStop, Panic, "panic: boom"),
        (PostStop, Err, "error: boom"),
        (PostStop, Kill, "killed"),
        (PostStop, Hang, "no progress for 3000 ms"),
    ];
    for (hook, fault, cause) in table {
        fails_once(hook, fault, cause).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_added_later_that_does_not_start_is_told_and_not_kept() {
    use Fault::{Err, Hang, Panic};
    let environment = environment();
    let root = started(&environment, supervisor("node")).await;
    for (hook, fault) in [
        (Hook::PreStart, Panic),
        (Hook::PreStart, Err),
        (Hook::PreStart, Hang),
        (Hook::PostStart, Panic),
        (Hook::PostStart, Hang),
    ] {
        let script = Script::failing(hook, fault);
        let error = soon(root.supervisor().add(Player::spec("p", &script)))
            .await
            .unwrap_err();
        let AddError::NotStarted { cause, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(matches!(cause, Cause::StartTimeout(_)), fault == Hang);
        assert!(environment.tree().snapshot()[0].children.is_empty());
    }
    let handle = root
        .supervisor()
        .add(Player::spec("p", &Arc::default()))
        .await
        .unwrap();
    assert_eq!(
        handle.call(|r| Say::Echo(5, r)).await,
        Ok(5),
        "the name is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_restarted_depends_on_how_it_ended() {
    for (restart, after_stop, after_failure) in [
        (Restart::Permanent, true, true),
        (Restart::Transient, false, true),
        (Restart::Temporary, false, false),
    ] {
        for (fails, comes_back) in [(false, after_stop), (true, after_failure)] {
            let environment = environment();
            let mut watch = environment.tree().subscribe();
            let root = started(&environment, supervisor("node")).await;
            let spec = Player::spec("p", &Arc::default()).restart(restart);
            let handle = root.supervisor().add(spec).await.unwrap();
            handle
                .send(if fails { Say::Fail(Fault::Err) } else { Say::Stop })
                .unwrap();
            let what = if fails {
                SupervisionChange::Failed
            } else {
                SupervisionChange::Stopped
            };
            event(&mut watch, "node/p", what).await;
            if comes_back {
                event(&mut watch, "node/p", SupervisionChange::Restarted).await;
                assert_eq!(soon(handle.call(Say::Incarnation)).await, Ok(2));
            } else {
                // A round trip through the supervisor: what it had to do about the end is done.
                root.supervisor().ready().await.unwrap();
                assert_eq!(handle.send(Say::Stop), Err(SendError::Gone { actor: "p".into() }));
                assert!(
                    environment.tree().snapshot()[0].children.is_empty(),
                    "{restart:?} {fails}"
                );
            }
        }
    }
}
