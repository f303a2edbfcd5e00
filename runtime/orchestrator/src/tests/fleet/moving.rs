//! Journals that move between processes that live.

use greenroom_kernel::NodeId;

use super::*;

/// A session that `n0` has alone, and that belongs to `n1` when that is there; with the task that works in it.
pub(super) async fn to_be_moved(fleet: &Fleets) -> TaskId {
    let nodes = [NodeId::parse("n0").unwrap(), NodeId::parse("n1").unwrap()];
    let session = loop {
        let session = fleet.session().await;
        let owner = greenroom_kernel::rendezvous(&nodes, &key_of(&session)).unwrap();
        if owner.as_str() == "n1" {
            break session;
        }
    };
    fleet.accept(chat(Some(&session), "go", "k", NOT)).await.task.id
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_runs_stays_where_it_is_when_another_process_comes() {
    let host = careful();
    let mut fleet = Fleets::of(1, [Arc::clone(&host)]).await;
    let told = to_be_moved(&fleet).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fleet.start("n1").await;
    let row = fleet.ended(&told).await;
    assert_eq!((row.status, row.attempts), (TaskStatus::Completed, 1));
    each_once(&host, 5);
    assert_eq!(*fleet.board.asked.lock(), [], "a scan asks nobody to let go");
}

#[tokio::test(start_paused = true)]
async fn a_caller_s_next_call_moves_a_session_at_a_step_boundary_with_nothing_in_doubt() {
    let host = careful();
    let mut fleet = Fleets::of(1, [Arc::clone(&host)]).await;
    let told = to_be_moved(&fleet).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fleet.start("n1").await;
    fleet.settle().await;
    // In the middle of the second step. Who is asked sends the caller to who has it.
    let n1 = fleet.process("n1");
    let next = chat(Some(&told.journal), "more", "k2", NOT);
    let refused = n1.orchestrator.accept(&ann(), next.clone()).await.unwrap_err();
    assert_eq!(refused.elsewhere.as_deref(), Some(&fleet.process("n0").address));
    assert_eq!(fleet.holders(&told.journal), ["n0"]);
    let asked = tokio::time::Instant::now();
    let next = fleet.accept(next).await.task.id;
    fleet.until(&told, |row| row.attempts == 2).await;
    // The rest of the step, and no scan's pause.
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(fleet.holders(&told.journal), ["n1"]);
    assert_eq!(fleet.ended(&told).await.status, TaskStatus::Completed);
    assert_eq!(fleet.ended(&next).await.status, TaskStatus::Completed);
    each_once(&host, 10);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_ends_as_its_session_moves_leaves_the_next_to_the_next_owner() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        if talk.slowly(tool("0", Effect::NonIdempotent), 6).await.is_some() {
            talk.done("done");
        }
    }));
    let mut fleet = Fleets::of(1, [Arc::clone(&host)]).await;
    let told = to_be_moved(&fleet).await;
    fleet.start("n1").await;
    fleet.settle().await;
    let next = chat(Some(&told.journal), "more", "k2", NOT);
    let next = fleet.accept(next).await.task.id;
    // The agent is done with its turn before its step is known to be durable.
    let late = Fault::AnswerLate(Duration::from_millis(200));
    let slow = fleet.process("n0");
    slow.store
        .set_rule(move |asked| matches!(asked, Asked::Append(_)).then_some(late));
    assert_eq!(fleet.ended(&told).await.attempts, 1);
    assert_eq!(fleet.ended(&next).await.status, TaskStatus::Completed);
    assert_eq!(fleet.holders(&told.journal), ["n1"]);
    assert_eq!(host.runs(), 2, "the next turn began once");
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_moves_with_the_next_call() {
    let host = Arc::new(host("h").agent("helper", echo));
    let mut fleet = Fleets::of(1, [host]).await;
    let told = to_be_moved(&fleet).await;
    fleet.ended(&told).await;
    assert_eq!(fleet.holders(&told.journal), ["n0"], "it stays a while");
    fleet.start("n1").await;
    fleet.settle().await;
    let next = fleet.accept(chat(Some(&told.journal), "again", "k2", LONG)).await;
    assert_eq!(next.task.status, TaskStatus::Completed);
    assert_eq!(fleet.holders(&told.journal), ["n1"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_call_is_let_to_end_before_its_session_moves() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        for number in 0..3 {
            if talk.step(model(&number.to_string())).await.is_none() {
                return;
            }
        }
        talk.done("said");
    }));
    let mut fleet = Fleets::of(1, [host]).await;
    *fleet.models.script.lock() = vec![Piece::Text("a"), Piece::Pause(Duration::from_secs(8))];
    let told = to_be_moved(&fleet).await;
    fleet.start("n1").await;
    fleet.settle().await;
    let next = chat(Some(&told.journal), "more", "k2", NOT);
    let refused = fleet
        .process("n1")
        .orchestrator
        .accept(&ann(), next)
        .await
        .unwrap_err();
    assert!(refused.elsewhere.is_some());
    let row = fleet.ended(&told).await;
    assert_eq!((row.status, row.attempts), (TaskStatus::Completed, 2));
    let calls = fleet.models.calls.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(calls, 3, "none was made twice");
    assert!(!row.usage.unwrap().estimated, "none was lost");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_another_process_has_is_waited_for_and_ended_there() {
    let host = Arc::new(
        host("h")
            .agent("helper", |mut talk: Talk| async move {
                if let Some(Ok(_)) = talk.step(hand_off("0", "slow")).await {
                    talk.done("both");
                }
            })
            .agent("slow", |mut talk: Talk| async move {
                for number in 0..20 {
                    let step = tool(&number.to_string(), Effect::NonIdempotent);
                    if talk.slowly(step, 2).await.is_none() {
                        return;
                    }
                }
                talk.done("slow");
            }),
    );
    for cancels in [false, true] {
        let mut fleet = Fleets::of(3, [Arc::clone(&host)]).await;
        host.fired.lock().clear();
        // A parent in one process and its child in another.
        let parent = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
        let child = TaskId {
            journal: SessionId::child(&parent, &path("0")),
            ordinal: 0,
        };
        tokio::time::sleep(Duration::from_secs(3)).await;
        let home = fleet.holders(&parent.journal)[0].to_owned();
        assert_eq!(
            fleet.holders(&child.journal),
            [home.as_str()],
            "children begin where their parents are"
        );
        // The parent alone is asked away.
        let key = key_of(&parent.journal);
        let there = fleet.process(&home);
        let parent_s = Arc::clone(&there.orchestrator);
        parent_s.shared().journals.release(&key).await;
        let other = fleet
            .live
            .iter()
            .find(|process| process.node.as_str() != home)
            .unwrap();
        let taken = other.orchestrator.shared().journals.ask(
            other.orchestrator.shared(),
            &key,
            crate::membership::Way::Inside,
            crate::journal_actor::Operation::Recover,
            None,
        );
        taken.await.unwrap();
        assert_eq!(fleet.holders(&parent.journal), [other.node.as_str()]);
        assert_eq!(fleet.holders(&child.journal), [home.as_str()]);
        if cancels {
            let cancelled = fleet.ask(|show| {
                let parent = parent.clone();
                async move { show.cancel(&ann(), &parent).await }
            });
            assert_eq!(cancelled.await.unwrap().status, TaskStatus::Cancelled);
            assert_eq!(fleet.ended(&child).await.status, TaskStatus::Cancelled);
        } else {
            assert_eq!(fleet.ended(&parent).await.status, TaskStatus::Completed);
            assert_eq!(fleet.row(&child).await.attempts, 1);
            each_once(&host, 20);
        }
        fleet.live.clear();
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggregation_asked_for_again_elsewhere_finds_its_parts() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        if talk.slowly(tool("0", Effect::NonIdempotent), 10).await.is_some() {
            talk.done("part");
        }
    }));
    let fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let request = greenroom_kernel::AggregateRequest {
        targets: vec![(name("helper"), None), (name("helper"), None)],
        input: "{}".into(),
        timeout: Some(Duration::from_secs(40)),
        quorum: None,
        synthesize: false,
        key: IdempotencyKey::parse("a").unwrap(),
        trace: None,
    };
    let (n0, n1, who) = (fleet.process("n0"), fleet.process("n1"), ann());
    let (first, again) = tokio::join!(n0.orchestrator.aggregate(&who, request.clone()), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        n1.orchestrator.aggregate(&who, request.clone()).await
    });
    let (first, again) = (first.unwrap(), again.unwrap());
    assert!(first.complete && again.complete);
    let ids =
        |of: &greenroom_kernel::Aggregate| of.parts.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&again));
    each_once(&host, 2);
}

#[tokio::test(start_paused = true)]
async fn how_a_task_runs_is_told_by_whoever_has_it_while_that_is_there() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        talk.slowly(tool("0", Effect::ReadOnly), 60).await;
    }));
    let mut fleet = Fleets::of(1, [host]).await;
    let told = to_be_moved(&fleet).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fleet.start("n1").await;
    fleet.settle().await;
    // It belongs to `n1`, and `n0` runs it: its first attempt's start stands nowhere else.
    let n0 = fleet.process("n0").address.clone();
    let n1 = Arc::clone(&fleet.process("n1").orchestrator);
    let page = || greenroom_kernel::PageRequest {
        after: None,
        limit: 10,
    };
    let elsewhere = |failure: Failure| failure.elsewhere.map(|at| *at);
    let who = ann();
    let row = n1.task(&who, &told).await.unwrap_err();
    assert_eq!(elsewhere(row), Some(n0.clone()));
    let listed = n1.tasks(&who, Some(told.journal.clone()), None, page()).await;
    assert_eq!(elsewhere(listed.unwrap_err()), Some(n0.clone()));
    let steps = n1.steps(&who, &told).await.unwrap_err();
    assert_eq!(elsewhere(steps), Some(n0));
    let row = fleet.ask(|show| {
        let id = told.clone();
        async move { show.task(&ann(), &id).await }
    });
    assert_eq!(row.await.unwrap().unwrap().status, TaskStatus::Running);
    // When nobody can be asked, what is written is all that is known.
    fleet.kill("n0");
    let row = n1.task(&who, &told).await.unwrap().unwrap();
    assert_eq!(row.status, TaskStatus::Accepted);
    n1.steps(&who, &told).await.unwrap();
}
