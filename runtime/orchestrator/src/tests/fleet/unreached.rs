//! Journals whose last writer lives and can't be reached from where they belong, though callers reach it: a wrong address, a
//! certificate that ran out.

use super::moving::to_be_moved;
use super::*;

/// `n1` can't reach `n0`.
fn tear(fleet: &Fleets) {
    let torn = ["n1", "n0"].map(|node| fleet.process(node).address.clone());
    fleet.board.torn.lock().insert(torn.into());
}

#[tokio::test(start_paused = true)]
async fn what_its_new_owner_can_t_ask_for_is_taken_back_by_whoever_had_it() {
    let host = Arc::new(host("h").agent("helper", echo));
    let mut fleet = Fleets::of(1, [host]).await;
    let told = to_be_moved(&fleet).await;
    fleet.ended(&told).await;
    fleet.start("n1").await;
    tear(&fleet);
    fleet.settle().await;
    let say = |key: &str, wait| chat(Some(&told.journal), "more", key, wait);
    // It has an actor there, and then it has none any more.
    for (key, holders) in [("a", vec!["n0"]), ("b", vec![])] {
        assert_eq!(fleet.holders(&told.journal), holders);
        let n1 = Arc::clone(&fleet.process("n1").orchestrator);
        let sent = n1.accept(&ann(), say(key, NOT)).await.unwrap_err();
        assert_eq!(sent.elsewhere.as_deref(), Some(&fleet.process("n0").address));
        assert!(sent.retryable && sent.not_begun, "{sent:?}");
        // Those who call it by another address than it says may find it.
        assert_eq!(sent.elsewhere_node.as_deref(), Some(&fleet.process("n0").node));
        let began = tokio::time::Instant::now();
        let said = fleet.accept(say(key, LONG)).await.task;
        assert_eq!(said.status, TaskStatus::Completed);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(fleet.holders(&told.journal), ["n0"]);
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    // What it never had it doesn't take, however often callers come.
    let n0 = Arc::clone(&fleet.process("n0").orchestrator);
    for _ in 0..4 {
        let fresh = chat(Some(&fresh_of_n1(&fleet).await), "hi", "k", NOT);
        for _ in 0..3 {
            let sent = n0.accept(&ann(), fresh.clone()).await.unwrap_err();
            assert_eq!(sent.elsewhere.as_deref(), Some(&fleet.process("n1").address));
        }
    }
    // Mended, it moves with the next call.
    fleet.board.torn.lock().clear();
    fleet.accept(say("c", LONG)).await;
    assert_eq!(fleet.holders(&told.journal), ["n1"]);
}

/// A session that `n1` made.
async fn fresh_of_n1(fleet: &Fleets) -> SessionId {
    loop {
        let session = fleet.session().await;
        if fleet.owner(&session).node.as_str() == "n1" {
            return session;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_and_its_new_owner_can_t_ask_for_is_taken_back_too() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        let asks = approval("0", "{\"prompt\":\"may I?\",\"timeoutMs\":200000}");
        if talk.step(asks).await.is_some() {
            talk.done("never");
        }
    }));
    let mut fleet = Fleets::of(1, [host]).await;
    let told = to_be_moved(&fleet).await;
    fleet.until(&told, |row| row.status == TaskStatus::Waiting).await;
    fleet.start("n1").await;
    tear(&fleet);
    tokio::time::sleep(Duration::from_secs(190)).await;
    assert_eq!(fleet.holders(&told.journal), [""; 0]);
    let ended = tokio::time::timeout(Duration::from_secs(60), fleet.ended(&told)).await;
    assert_eq!(ended.unwrap().status, TaskStatus::Completed);
    assert_eq!(fleet.holders(&told.journal), ["n0"]);
}
