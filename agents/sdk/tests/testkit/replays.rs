use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use greenroom_agent_sdk::testkit::{Bench, End, Replay, Reply};
use greenroom_agent_sdk::{
    Agent, AgentError, Context, Effect, HistoryMessage, ModelMessage, ModelRequest, ModelRole, Output, Role,
};
use serde_json::json;

use crate::support::{Scripted, scripted};

/// How a changed agent differs.
#[derive(Clone, Copy, PartialEq)]
enum Change {
    None,
    Name,
    Prompt,
    More,
    Less,
    Words,
}

async fn program(ctx: Context, paid: &AtomicU32, change: Change) -> Result<Output, AgentError> {
    let (said, now) = (ctx.history()[0].content.clone(), ctx.now().await?);
    let polite = if change == Change::Prompt { "please" } else { "now" };
    let request = ModelRequest {
        messages: vec![ModelMessage::text(
            ModelRole::User,
            format!("{said} {polite}: {}", ctx.random()),
        )],
        ..ModelRequest::default()
    };
    let answer = ctx.model(request).await?;
    ctx.sleep(Duration::from_secs(60)).await?;
    if change != Change::Less {
        let approval = ctx.approval(json!("pay?")).await?;
        let name = if change == Change::Name { "send" } else { "pay" };
        let pay = async {
            paid.fetch_add(1, Ordering::Relaxed);
            Ok(approval.value)
        };
        ctx.step(name, Effect::NonIdempotent, pay).await?;
    }
    if change == Change::More {
        ctx.step("brag", Effect::NonIdempotent, async { Ok(()) }).await?;
    }
    let end = if change == Change::Words { "!" } else { "." };
    Output::text(answer.content + end).with_data(&now)
}

fn agent(paid: &Arc<AtomicU32>, change: Change) -> Scripted {
    let paid = Arc::clone(paid);
    scripted(move |_, ctx| {
        let paid = Arc::clone(&paid);
        async move { program(ctx, &paid, change).await }
    })
}

fn bench(paid: &Arc<AtomicU32>) -> Bench {
    let said = HistoryMessage {
        role: Role::User,
        content: "before".into(),
    };
    Bench::new(agent(paid, Change::None))
        .history([said])
        .reply(Reply::text("Done"))
}

async fn replayed(journal: &str, change: Change) -> Result<greenroom_agent_sdk::testkit::Replayed, String> {
    let paid = Arc::default();
    let agent: Arc<dyn Agent> = Arc::new(agent(&paid, change));
    let outcome = Replay::from_json(journal).unwrap().of(agent).await;
    assert_eq!(paid.load(Ordering::Relaxed), 0, "a replay runs no effects");
    outcome.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_journal_is_replayed_and_each_change_of_the_agent_is_named() {
    let paid = Arc::default();
    let ran = bench(&paid).approve(json!(9)).run().await;
    assert_eq!(ran.content(), Some("Done."));
    let journal = ran.journal_json();
    let same = replayed(&journal, Change::None).await.unwrap();
    assert_eq!(
        (same.steps, same.end.as_ref(), same.next),
        (5, Some(ran.end()), None)
    );

    let says = |outcome: Result<_, String>| {
        outcome
            .map(|_: greenroom_agent_sdk::testkit::Replayed| ())
            .unwrap_err()
    };
    let why = says(replayed(&journal, Change::Name).await);
    assert!(
        why.contains("step 4 is an effect (pay) in the journal, but the replay asks for an effect (send)"),
        "{why}"
    );
    assert!(why.contains("replays.rs:"), "{why}");
    let why = says(replayed(&journal, Change::Prompt).await);
    assert!(
        why.contains("step 1 is a model call") && why.contains("before please"),
        "{why}"
    );
    let why = says(replayed(&journal, Change::More).await);
    assert!(
        why.contains("ends with step 4 (effect pay), but the replay asks for step 5 (effect brag)"),
        "{why}"
    );
    let why = says(replayed(&journal, Change::Less).await);
    assert!(why.contains("the journal holds step 3 (approval)"), "{why}");
    let why = says(replayed(&journal, Change::Words).await);
    assert!(why.contains("Done.") && why.contains("Done!"), "{why}");
}

#[tokio::test]
async fn an_unfinished_tasks_journal_is_replayed_up_to_its_end() {
    let paid = Arc::default();
    let ran = bench(&paid).run().await;
    assert_eq!(*ran.end(), End::Waiting);
    let replayed = replayed(&ran.journal_json(), Change::None).await.unwrap();
    assert_eq!((replayed.steps, replayed.end), (3, None));
    assert_eq!(replayed.next.as_deref(), Some("step 3 (approval)"));
}

#[test]
fn documents_that_are_none_are_told_apart() {
    let why = |text: &str| Replay::from_json(text).unwrap_err().to_string();
    assert!(why("{}").contains("greenroom tasks export ID"));
    let other = r#"{ "format": "greenroom.task-journal", "version": 9 }"#;
    assert!(why(other).contains("of version 9"), "{}", why(other));
    let empty = r#"{ "format": "greenroom.task-journal", "version": 1, "task": "s.0", "tenant": "t", "entries": [] }"#;
    assert!(
        why(empty).contains("does not hold its acceptance"),
        "{}",
        why(empty)
    );
    let missing = Replay::from_file("nowhere.json").unwrap_err();
    assert_eq!(missing.to_string(), "can't read nowhere.json");
}
