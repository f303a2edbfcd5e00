//! Who is restarted with whom, and when a supervisor gives up.

use super::*;

/// Three players a, b, c that write one log.
fn trio(script: &Arc<Script>, spec: SupervisorSpec) -> (SupervisorSpec, [Handle<Say>; 3]) {
    let mut handles = Vec::new();
    let mut spec = spec;
    for name in ["a", "b", "c"] {
        let (child, handle) = Player::spec(name, script).build();
        handles.push(handle);
        spec = spec.child(child);
    }
    let handles = handles.try_into().unwrap();
    (spec, handles)
}

async fn incarnations(handles: &[Handle<Say>]) -> Vec<u32> {
    let mut all = Vec::new();
    for handle in handles {
        all.push(soon(handle.call(Say::Incarnation)).await.unwrap());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn one_for_one_restarts_only_the_one_that_failed() {
    let (environment, script) = (environment(), Arc::<Script>::default());
    let mut watch = environment.tree().subscribe();
    let (spec, handles) = trio(&script, supervisor("node"));
    let root = started(&environment, spec).await;
    handles[1].send(Say::Fail(Fault::Panic)).unwrap();
    event(&mut watch, "node/b", SupervisionChange::Restarted).await;
    root.supervisor().ready().await.unwrap();
    assert_eq!(incarnations(&handles).await, [1, 2, 1]);
    assert_eq!(script.logged(), ["a starts", "b starts", "c starts", "b starts"]);
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_stops_the_later_ones_in_reverse_and_starts_all_in_order() {
    let (environment, script) = (environment(), Arc::<Script>::default());
    let mut watch = environment.tree().subscribe();
    let (spec, handles) = trio(&script, supervisor("node").strategy(Strategy::RestForOne));
    let root = started(&environment, spec).await;
    let later = root.supervisor().add(Player::spec("d", &script)).await.unwrap();
    let passing = Player::spec("t", &script).restart(Restart::Temporary);
    let passing = root.supervisor().add(passing).await.unwrap();
    script.log("-- b fails");
    handles[1].send(Say::Fail(Fault::Panic)).unwrap();
    event(&mut watch, "node/d", SupervisionChange::Restarted).await;
    root.supervisor().ready().await.unwrap();
    assert_eq!(incarnations(&handles).await, [1, 2, 2]);
    assert_eq!(later.call(Say::Incarnation).await, Ok(2));
    let log = script.logged();
    let (before, after) = log.split_at(log.iter().position(|line| line == "-- b fails").unwrap());
    assert_eq!(
        before,
        ["a starts", "b starts", "c starts", "d starts", "t starts"]
    );
    assert_eq!(
        after[1..],
        [
            "t stops", "d stops", "c stops", "b starts", "c starts", "d starts"
        ]
    );
    assert!(
        matches!(passing.send(Say::Stop), Err(SendError::Gone { .. })),
        "temporary ones don't come back"
    );
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_starts_again_from_whoever_fails_meanwhile() {
    let (environment, script, of_c) = (environment(), Arc::<Script>::default(), Arc::<Script>::default());
    let mut watch = environment.tree().subscribe();
    let (b, b_handle) = Player::spec("b", &script).build();
    let (c, c_handle) = Player::spec("c", &of_c).build();
    let spec = supervisor("node")
        .strategy(Strategy::RestForOne)
        .child(b)
        .child(c);
    let root = started(&environment, spec).await;
    // b fails, and on its way back fails to start once; then c fails to start once, which is no fault of b's.
    script.faults.lock().push((Hook::PreStart, Fault::Err));
    of_c.faults.lock().push((Hook::PreStart, Fault::Err));
    b_handle.send(Say::Fail(Fault::Panic)).unwrap();
    event(&mut watch, "node/c", SupervisionChange::Restarted).await;
    soon(root.supervisor().ready()).await.unwrap();
    assert_eq!(incarnations(&[b_handle, c_handle]).await, [3, 3]);
}

#[tokio::test(start_paused = true)]
async fn siblings_that_fail_together_come_back_together() {
    for killed in [[1, 2], [2, 1]] {
        let (environment, script) = (environment(), Arc::<Script>::default());
        let mut watch = environment.tree().subscribe();
        let (spec, handles) = trio(&script, supervisor("node").strategy(Strategy::RestForOne));
        let root = started(&environment, spec).await;
        killed.iter().for_each(|at: &usize| handles[*at].kill());
        event(&mut watch, "node/c", SupervisionChange::Restarted).await;
        soon(root.supervisor().ready()).await.unwrap();
        assert_eq!(incarnations(&handles).await, [1, 2, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_while_later_siblings_stop_forgets_nobody() {
    let (environment, script) = (environment(), Arc::<Script>::default());
    let mut watch = environment.tree().subscribe();
    let (spec, handles) = trio(&script, supervisor("node").strategy(Strategy::RestForOne));
    let root = started(&environment, spec).await;
    handles[2].send(Say::Nap(ms(500))).unwrap();
    handles[0].send(Say::Fail(Fault::Err)).unwrap();
    event(&mut watch, "node/a", SupervisionChange::Failed).await;
    // c can't stop before its nap is over; b, whose turn comes after, fails meanwhile.
    handles[1].kill();
    event(&mut watch, "node/b", SupervisionChange::Failed).await;
    event(&mut watch, "node/c", SupervisionChange::Restarted).await;
    soon(root.supervisor().ready()).await.unwrap();
    assert_eq!(incarnations(&handles).await, [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_while_waiting_begins_the_wait_anew() {
    let (environment, script) = (environment(), Arc::<Script>::default());
    let mut watch = environment.tree().subscribe();
    let (spec, handles) = trio(&script, supervisor("node").strategy(Strategy::RestForOne));
    let _root = started(&environment, spec).await;
    handles[1].send(Say::Fail(Fault::Err)).unwrap();
    event(&mut watch, "node/b", SupervisionChange::Failed).await;
    tokio::time::sleep(ms(20)).await;
    handles[0].send(Say::Fail(Fault::Err)).unwrap();
    event(&mut watch, "node/a", SupervisionChange::Failed).await;
    let failed = tokio::time::Instant::now();
    event(&mut watch, "node/a", SupervisionChange::Restarted).await;
    assert!(failed.elapsed() >= ms(50), "{:?}", failed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_stops_its_children_with_itself() {
    for (strategy, stops) in [
        (Strategy::RestForOne, ["c stops", "b stops", "a stops"]),
        (Strategy::OneForOne, ["c stops", "b stops", "a stops"]),
    ] {
        let (environment, script) = (environment(), Arc::<Script>::default());
        let (spec, handles) = trio(&script, supervisor("node").strategy(strategy));
        let root = started(&environment, spec).await;
        assert_eq!(soon(root.stop()).await, Cause::Stopped(None));
        assert_eq!(script.logged()[3..], stops, "{strategy:?}");
        assert!(handles.iter().all(|handle| handle.send(Say::Stop).is_err()));
        environment.tasks().close();
        soon(environment.tasks().wait()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_restarts_are_the_supervisors_own_failure_and_it_comes_back_whole() {
    let (environment, script) = (environment(), Arc::<Script>::default());
    let mut watch = environment.tree().subscribe();
    let below = supervisor("below").intensity(Intensity {
        restarts: 2,
        within: ms(10_000),
    });
    let (below, handles) = trio(&script, below);
    let (child, below) = below.build();
    let root = started(&environment, supervisor("node").child(child)).await;
    soon(below.ready()).await.unwrap();
    let passing = below.add(Player::spec("t", &script)).await.unwrap();

    for _ in 0..2 {
        handles[0].send(Say::Fail(Fault::Err)).unwrap();
        event(&mut watch, "node/below/a", SupervisionChange::Restarted).await;
    }
    handles[1].send(Say::Fail(Fault::Err)).unwrap();
    let cause = "gave up on node/below/b: error: boom";
    let escalated = event(&mut watch, "node/below", SupervisionChange::Escalated).await;
    assert_eq!(escalated.cause.as_deref(), Some(cause));
    let failed = event(&mut watch, "node/below", SupervisionChange::Failed).await;
    assert_eq!(failed.cause.as_deref(), Some(cause));
    event(&mut watch, "node/below", SupervisionChange::Restarted).await;
    soon(below.ready()).await.unwrap();
    assert_eq!(
        incarnations(&handles).await,
        [1, 1, 1],
        "counted by the new supervisor"
    );
    assert_eq!(
        passing.send(Say::Stop),
        Err(SendError::Gone { actor: "t".into() })
    );

    let tree = environment.tree().snapshot();
    let node = &tree[0].children[0];
    assert_eq!(node.last_cause.as_deref(), Some(cause));
    let names: Vec<_> = node
        .children
        .iter()
        .map(|c| (c.path.as_str(), c.restarts))
        .collect();
    assert_eq!(
        names,
        [("node/below/a", 3), ("node/below/b", 1), ("node/below/c", 1)]
    );
    assert!(
        below.add(Player::spec("t", &script)).await.is_ok(),
        "the new one takes children"
    );
    drop(root);
}

#[tokio::test(start_paused = true)]
async fn restarts_that_are_far_apart_are_borne() {
    let (environment, script) = (environment(), Arc::<Script>::default());
    let mut watch = environment.tree().subscribe();
    let spec = supervisor("node").intensity(Intensity {
        restarts: 1,
        within: ms(10_000),
    });
    let (spec, handles) = trio(&script, spec);
    let _root = started(&environment, spec).await;
    for _ in 0..4 {
        handles[0].send(Say::Fail(Fault::Err)).unwrap();
        event(&mut watch, "node/a", SupervisionChange::Restarted).await;
        tokio::time::sleep(ms(10_001)).await;
    }
    assert_eq!(incarnations(&handles).await, [5, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_mend_ends_the_root_with_every_cause_on_the_way() {
    let environment = environment();
    let never = Intensity {
        restarts: 0,
        within: ms(1_000),
    };
    let (child, handle) = Player::spec("p", &Arc::default()).build();
    let (below, _) = supervisor("below").intensity(never).child(child).build();
    let root = started(&environment, supervisor("node").intensity(never).child(below)).await;
    while handle.send(Say::Fail(Fault::Panic)).is_err() {
        tokio::time::sleep(ms(1)).await;
    }
    let cause = soon(root.ended()).await;
    assert_eq!(
        cause.to_string(),
        "gave up on node/below: gave up on node/below/p: panic: boom"
    );
    assert!(matches!(
        handle.call(Say::Incarnation).await,
        Err(CallError::NotSent(SendError::Down { .. }))
    ));
}
