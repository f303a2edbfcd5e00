//! Approvals and unknown outcomes, end to end.

use std::sync::Arc;

use super::*;

const ASK: &str = "{\"prompt\":\"may I?\"}";

fn asking(input: &'static str) -> Arc<Host> {
    Arc::new(host("h").agent("helper", move |mut talk: Talk| async move {
        if talk.step(tool("0", Effect::NonIdempotent)).await.is_none() {
            return;
        }
        if let Some(Ok(answer)) = talk.step(approval("1", input)).await {
            talk.done(&answer);
        }
    }))
}

async fn an_approval_outlives_its_process_and_its_answer_reaches_the_agent_once(door: Door) {
    let host = asking(ASK);
    let mut stage = Stage::with(door, [Arc::clone(&host)]).await;
    let told = stage.chat(None, "hello", "k", LONG).await;
    assert_eq!(
        told.task.status,
        TaskStatus::Waiting,
        "a wait ends when a person is asked"
    );
    let id = told.task.id;
    stage.crash_and_restart().await;
    tokio::time::sleep(LONG).await;
    assert_eq!(
        (stage.row(&id).await.status, host.runs()),
        (TaskStatus::Waiting, 1),
        "nobody is asked again"
    );
    let steps = stage.show.steps(&ann(), &id).await.unwrap();
    assert_eq!(
        (steps[1].status, steps[1].prompt.as_ref().unwrap().as_inline()),
        (StepStatus::Waiting, Some("\"may I?\""))
    );
    let approve = || ResolveAction::Approve(Some("5".into()));
    stage
        .show
        .resolve(&ann(), &id, 1, None, approve(), None)
        .await
        .unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!(
        stage.text(&ended).await,
        "{\"approved\":true,\"timedOut\":false,\"value\":5,\"note\":null}"
    );
    assert_eq!(host.fired.lock().len(), 1, "the step before was replayed");
    let again = stage.show.resolve(&ann(), &id, 1, None, approve(), None).await;
    assert_eq!(
        again.unwrap().status,
        TaskStatus::Completed,
        "the same answer, after the end"
    );
    let other = stage
        .show
        .resolve(&ann(), &id, 1, None, ResolveAction::Reject, None)
        .await;
    assert_eq!(other.unwrap_err().code, ErrorCode::Conflict);
}

async fn nobody_answering_in_time_is_told_to_the_agent_also_after_a_restart(door: Door) {
    for crash in [false, true] {
        let mut stage = Stage::with(door, [asking("{\"prompt\":1,\"timeoutMs\":60000}")]).await;
        let told = stage.chat(None, "hello", "k", LONG).await;
        if crash {
            stage.crash_and_restart().await;
        }
        let ended = stage.ended(&told.task.id).await;
        assert_eq!(
            stage.text(&ended).await,
            "{\"approved\":false,\"timedOut\":true,\"value\":null,\"note\":null}"
        );
    }
}

async fn an_effect_under_way_when_the_process_dies_is_unknown_until_a_person_says(door: Door) {
    for (action, fired) in [
        (ResolveAction::SettleDone(Some("7".into())), 0),
        (ResolveAction::SettleNotDone, 1),
    ] {
        let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
            if talk.start.attempt == 1 {
                talk.say(FromAgent::Call(tool("0", Effect::NonIdempotent)));
                return talk.linger().await;
            }
            if let Some(Ok(answer)) = talk.step(tool("0", Effect::NonIdempotent)).await {
                talk.done(&answer);
            }
        }));
        let mut stage = Stage::with(door, [Arc::clone(&host)]).await;
        let told = stage
            .chat(None, "hello", "k", std::time::Duration::from_secs(1))
            .await;
        let session = told.session.unwrap().id;
        let later = stage.chat(Some(&session), "later", "l", NOT).await;
        stage.crash_and_restart().await;
        let unknown = stage.at(&told.task.id, TaskStatus::OutcomeUnknown).await;
        stage
            .until(&later.task.id, |row| row.status == TaskStatus::Running)
            .await;
        stage.show.cancel(&ann(), &later.task.id).await.unwrap();
        stage
            .show
            .resolve(&ann(), &unknown.id, 0, None, action, None)
            .await
            .unwrap();
        assert_eq!(stage.ended(&unknown.id).await.status, TaskStatus::Completed);
        assert_eq!(host.fired.lock().len(), fired);
    }
}

through_every_door! {
    an_approval_outlives_its_process_and_its_answer_reaches_the_agent_once,
    nobody_answering_in_time_is_told_to_the_agent_also_after_a_restart,
    an_effect_under_way_when_the_process_dies_is_unknown_until_a_person_says,
}
