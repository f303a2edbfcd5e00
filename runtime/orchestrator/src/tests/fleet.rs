//! Several processes on one store: who owns what, and that nobody is robbed.

mod leaving;
mod moving;
mod pooled;
mod readers;
mod scaling;
mod unreached;

use std::sync::Arc;
use std::time::Duration;

use super::*;

/// Five steps of two seconds each that must not be repeated, reported by the agent when they are done.
fn careful() -> Arc<Host> {
    Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        for number in 0..5 {
            if talk
                .slowly(tool(&number.to_string(), Effect::NonIdempotent), 2)
                .await
                .is_none()
            {
                return;
            }
        }
        talk.done("careful");
    }))
}

/// What ran, each once?
fn each_once(host: &Host, steps: usize) {
    let mut fired = host.fired.lock().clone();
    fired.sort();
    let all = fired.len();
    fired.dedup();
    assert_eq!((all, fired.len()), (steps, steps), "{fired:?}");
}

#[tokio::test(start_paused = true)]
async fn a_journal_belongs_to_one_of_three_and_the_others_send_callers_there() {
    let fleet = Fleets::of(3, [careful()]).await;
    let mut owners = std::collections::BTreeSet::new();
    for number in 0..12 {
        let session = fleet.session().await;
        let owner = fleet.owner(&session);
        owners.insert(owner.node.clone());
        let request = chat(Some(&session), "go", &format!("k{number}"), NOT);
        let refused = fleet
            .stranger(&session)
            .orchestrator
            .accept(&ann(), request.clone())
            .await;
        let refused = refused.unwrap_err();
        assert_eq!((refused.code, refused.retryable), (ErrorCode::Unavailable, true));
        assert_eq!(refused.elsewhere.as_deref(), Some(&owner.address));
        owner.orchestrator.accept(&ann(), request).await.unwrap();
        assert_eq!(fleet.holders(&session), [owner.node.as_str()]);
    }
    assert_eq!(owners.len(), 3, "each has some");
    // The scans of the others have left them alone.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(*fleet.board.asked.lock(), []);
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_s_sessions_go_on_elsewhere_when_it_has_been_silent_for_long_enough() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        for number in 0..5 {
            let step = tool(&number.to_string(), Effect::Idempotent);
            if talk.slowly(step, 4).await.is_none() {
                return;
            }
        }
        talk.done("walked");
    }));
    let mut fleet = Fleets::of(3, [Arc::clone(&host)]).await;
    let mut tasks = Vec::new();
    for number in 0..9 {
        let request = chat(None, "go", &format!("k{number}"), NOT);
        tasks.push(fleet.accept(request).await.task.id);
    }
    let of_n0 = |fleet: &Fleets| {
        let of = |id: &&TaskId| fleet.holders(&id.journal) == ["n0"];
        tasks.iter().filter(of).cloned().collect::<Vec<_>>()
    };
    let lost = of_n0(&fleet);
    assert!(!lost.is_empty());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let killed = tokio::time::Instant::now();
    fleet.kill("n0");
    // Not before its silence is noticed.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(lost.iter().all(|id| fleet.holders(&id.journal).is_empty()));
    for id in &lost {
        fleet.until(id, |row| row.attempts == 2).await;
    }
    assert!(
        killed.elapsed() < Duration::from_secs(9),
        "{:?}",
        killed.elapsed()
    );
    for id in &tasks {
        let row = fleet.ended(id).await;
        assert_eq!(row.status, TaskStatus::Completed, "{row:?}");
        assert_eq!(row.attempts, if lost.contains(id) { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_start_of_a_node_takes_what_the_older_had_at_once() {
    let mut fleet = Fleets::of(2, [careful()]).await;
    let session = loop {
        let session = fleet.session().await;
        if fleet.owner(&session).node.as_str() == "n1" {
            break session;
        }
    };
    let waiting = fleet.accept(chat(Some(&session), "go", "k", NOT)).await.task.id;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let old = fleet.cut_off("n1");
    let begun = tokio::time::Instant::now();
    fleet.start("n1").await;
    fleet
        .until(&waiting, |row| row.status == TaskStatus::OutcomeUnknown)
        .await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // The older one reaches the store again, and learns that it was replaced.
    old.store.heal();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(old.orchestrator.fleet().unwrap().borrow().is_deposed());
    assert!(!old.orchestrator.shared().journals.is_live(&key_of(&session)));
    let refused = old
        .orchestrator
        .accept(&ann(), chat(Some(&session), "more", "k2", NOT))
        .await;
    assert_eq!(
        refused.unwrap_err().elsewhere.as_deref(),
        Some(&fleet.process("n1").address)
    );
    assert_eq!(fleet.holders(&session), ["n1"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_cut_off_takes_nothing_and_sends_callers_on() {
    let mut fleet = Fleets::of(2, [careful()]).await;
    let session = loop {
        let session = fleet.session().await;
        if fleet.owner(&session).node.as_str() == "n0" {
            break session;
        }
    };
    // Its actor goes.
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(fleet.holders(&session), Vec::<&str>::new());
    let lost = fleet.cut_off("n0");
    tokio::time::sleep(Duration::from_secs(30)).await;
    // The store answers it again, but not yet for its row.
    lost.store
        .set_rule(|asked| matches!(asked, Asked::Write("beat")).then_some(Fault::RequestLost));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let request = chat(Some(&session), "go", "k", NOT);
    let refused = lost
        .orchestrator
        .accept(&ann(), request.clone())
        .await
        .unwrap_err();
    assert_eq!((refused.code, refused.retryable), (ErrorCode::Unavailable, true));
    assert!(refused.not_begun, "{refused:?}");
    assert!(!lost.orchestrator.shared().journals.is_live(&key_of(&session)));
    let told = fleet.accept(request).await;
    assert_eq!(fleet.ended(&told.task.id).await.status, TaskStatus::Completed);
    // Its row is renewed again: it is one of them as before.
    lost.store.heal();
    lost.orchestrator.joined(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_slow_to_beat_but_answers_is_not_robbed() {
    let host = careful();
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
    let holder = fleet.holders(&told.journal)[0].to_owned();
    let slow = fleet.process(&holder);
    slow.store
        .set_rule(|asked| matches!(asked, Asked::Write("beat")).then_some(Fault::RequestLost));
    let row = fleet.ended(&told).await;
    assert_eq!((row.status, row.attempts), (TaskStatus::Completed, 1));
    each_once(&host, 5);
    fleet.kill(&holder);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_take_a_dead_one_s_journal_at_once_one_does_and_isnt_robbed_by_the_other() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        for number in 0..20 {
            let step = tool(&number.to_string(), Effect::Idempotent);
            if talk.slowly(step, 2).await.is_none() {
                return;
            }
        }
        talk.done("walked");
    }));
    let mut fleet = Fleets::of(3, [Arc::clone(&host)]).await;
    let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
    let holder = fleet.holders(&told.journal)[0].to_owned();
    fleet.kill(&holder);
    // Both fold the same, and both then append behind it.
    for process in &fleet.live {
        let late = Fault::StartLate(Duration::from_secs(2));
        process
            .store
            .set_rule(move |asked| matches!(asked, Asked::Append(_)).then_some(late));
    }
    let key = key_of(&told.journal);
    let takes = |process: &Process| {
        let (shared, key) = (Arc::clone(process.orchestrator.shared()), key.clone());
        async move {
            for _ in 0..200 {
                let (way, recover) = (
                    crate::membership::Way::Inside,
                    crate::journal_actor::Operation::Recover,
                );
                match shared.journals.ask(&shared, &key, way, recover, None).await {
                    Err(failure) if failure.elsewhere.is_none() => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    outcome => return outcome.is_ok(),
                }
            }
            panic!("it was never freed")
        }
    };
    let (one, other) = tokio::join!(takes(&fleet.live[0]), takes(&fleet.live[1]));
    assert_ne!(one, other, "one takes it, and the other is told who has it");
    for process in &fleet.live {
        process.store.heal();
    }
    let row = fleet.ended(&told).await;
    assert_eq!((row.status, row.attempts), (TaskStatus::Completed, 2));
}

#[tokio::test(start_paused = true)]
async fn an_idle_owner_that_was_robbed_while_it_was_cut_off_looks_and_learns_of_it() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        if talk
            .step(approval("0", "{\"prompt\":\"may I?\"}"))
            .await
            .is_some()
        {
            talk.linger().await;
        }
    }));
    let mut fleet = Fleets::of(2, [host]).await;
    let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
    fleet.until(&told, |row| row.status == TaskStatus::Waiting).await;
    let holder = fleet.holders(&told.journal)[0].to_owned();
    let lost = fleet.cut_off(&holder);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let taken = fleet.ask(|show| {
        let id = told.clone();
        async move {
            show.resolve(&ann(), &id, 0, None, ResolveAction::Approve(None), None)
                .await
        }
    });
    taken.await.unwrap();
    let key = key_of(&told.journal);
    assert!(
        lost.orchestrator.shared().journals.is_live(&key),
        "it is idle, and believes"
    );
    lost.store.heal();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(!lost.orchestrator.shared().journals.is_live(&key));
    assert_eq!(fleet.holders(&told.journal).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_task_is_cancelled_by_its_owner_and_when_that_is_dead_by_whoever_takes_it() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move { talk.linger().await }));
    for dies in [false, true] {
        let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
        let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
        let holder = fleet.holders(&told.journal)[0].to_owned();
        if dies {
            fleet.kill(&holder);
        }
        let begun = tokio::time::Instant::now();
        let cancelled = fleet.ask(|show| {
            let id = told.clone();
            async move { show.cancel(&ann(), &id).await }
        });
        assert_eq!(cancelled.await.unwrap().status, TaskStatus::Cancelled);
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
}
