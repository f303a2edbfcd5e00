//! The tree as others see it.

use greenroom_kernel::{ActorNode, ActorState};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_snapshot_shows_what_runs_where() {
    let environment = environment();
    let (p, _) = Player::spec("p", &Arc::default()).build();
    let (q, _) = Player::spec("q", &Arc::default()).build();
    let (below, below_handle) = supervisor("below").child(q).build();
    let _root = started(&environment, supervisor("node").child(p).child(below)).await;
    soon(below_handle.ready()).await.unwrap();
    let node = |path: &str, kind: &str, children: Vec<ActorNode>| ActorNode {
        path: path.into(),
        kind: kind.into(),
        state: ActorState::Running,
        restarts: 0,
        last_cause: None,
        mailbox: 0,
        breaker: None,
        children,
    };
    let below = node(
        "node/below",
        "supervisor",
        vec![node("node/below/q", "player", vec![])],
    );
    let expected = node(
        "node",
        "supervisor",
        vec![below, node("node/p", "player", vec![])],
    );
    assert_eq!(environment.tree().snapshot(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_hears_of_a_life_in_order() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let root = started(&environment, supervisor("node")).await;
    let handle = root
        .supervisor()
        .add(Player::spec("p", &Arc::default()))
        .await
        .unwrap();
    handle.send(Say::Fail(Fault::Panic)).unwrap();
    event(&mut watch, "node/p", SupervisionChange::Started).await;
    let failed = event_where(&mut watch, |_| true).await;
    assert_eq!(
        (failed.path.as_str(), failed.what),
        ("node/p", SupervisionChange::Failed)
    );
    assert_eq!(
        (failed.kind.as_str(), failed.cause.as_deref()),
        ("player", Some("panic: boom"))
    );
    let restarted = event_where(&mut watch, |_| true).await;
    assert_eq!(
        (restarted.what, restarted.cause),
        (SupervisionChange::Restarted, None)
    );
    root.supervisor().remove("p").await.unwrap();
    let stopped = event_where(&mut watch, |_| true).await;
    assert_eq!(
        (stopped.what, stopped.cause.as_deref()),
        (SupervisionChange::Stopped, Some("stopped: removed"))
    );
    root.stop().await;
    event(&mut watch, "node", SupervisionChange::Stopped).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_is_told_how_much_it_missed() {
    let environment = environment();
    let root = started(&environment, supervisor("node")).await;
    let mut watch = environment.tree().subscribe();
    for _ in 0..600 {
        let player = Player {
            name: "p",
            script: Arc::default(),
        };
        root.supervisor()
            .add(ChildSpec::once("p", "player", player))
            .await
            .unwrap();
        root.supervisor().remove("p").await.unwrap();
    }
    assert_eq!(soon(watch.next()).await, Some(TreeNews::Missed(1200 - 1024)));
    assert!(matches!(soon(watch.next()).await, Some(TreeNews::Event(_))));
}

#[tokio::test(start_paused = true)]
async fn two_trees_of_the_same_names_live_in_one_process() {
    let (first, second) = (environment(), environment());
    for environment in [&first, &second] {
        let (child, handle) = Player::spec("p", &Arc::default()).build();
        let _root = started(environment, supervisor("node").child(child)).await;
        assert_eq!(soon(handle.call(Say::Incarnation)).await, Ok(1));
        assert_eq!(environment.tree().snapshot()[0].children.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_dies_with_its_supervisor_is_shown_as_gone() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let (child, _) = Player::spec("p", &Arc::default()).build();
    let root = started(&environment, supervisor("node").child(child)).await;
    root.supervisor().kill();
    assert_eq!(soon(root.ended()).await, Cause::Killed);
    event(&mut watch, "node", SupervisionChange::Failed).await;
    let child_state = || environment.tree().snapshot()[0].children[0].state;
    soon(async {
        while child_state() == ActorState::Running {
            tokio::time::sleep(ms(1)).await;
        }
    })
    .await;
    assert_eq!(child_state(), ActorState::Stopped);
    assert_eq!(environment.tree().snapshot()[0].state, ActorState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_given_once_among_siblings() {
    let environment = environment();
    let root = started(&environment, supervisor("node")).await;
    let first = root
        .supervisor()
        .add(Player::spec("p", &Arc::default()))
        .await
        .unwrap();
    let second = root.supervisor().add(Player::spec("p", &Arc::default())).await;
    assert_eq!(second.unwrap_err(), AddError::NameTaken { name: "p".into() });
    assert_eq!(first.call(Say::Incarnation).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn every_restart_is_told_by_kind_and_no_first_start_is() {
    let told: Arc<parking_lot::Mutex<Vec<String>>> = Arc::default();
    let hook = Arc::clone(&told);
    let environment = Environment::counting(
        Arc::new(Ports),
        Arc::new(Ports),
        Arc::new(move |kind| hook.lock().push(kind.to_owned())),
    );
    let root = started(&environment, supervisor("node")).await;
    let handle = root
        .supervisor()
        .add(Player::spec("p", &Arc::default()))
        .await
        .unwrap();
    assert!(told.lock().is_empty());
    let mut watch = environment.tree().subscribe();
    handle.send(Say::Fail(Fault::Panic)).unwrap();
    let restarted = |event: &SupervisionEvent| event.what == SupervisionChange::Restarted;
    event_where(&mut watch, restarted).await;
    assert_eq!(*told.lock(), ["player"]);
}
