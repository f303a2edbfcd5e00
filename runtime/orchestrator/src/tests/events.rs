//! Subscriptions: text that assembles to the final message, and journaled events exactly once from any cursor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use proptest::prelude::*;

use super::*;

/// The text a client holds: by task and attempt.
#[derive(Default)]
struct Client {
    texts: HashMap<(TaskId, u32), Vec<u16>>,
    latest: HashMap<TaskId, u32>,
}

impl Client {
    fn hear(&mut self, event: &ChatEvent) {
        match &event.body {
            ChatEventBody::Attempt { task, attempt } => {
                self.latest.insert(task.clone(), *attempt);
            }
            ChatEventBody::Delta {
                task,
                attempt,
                offset,
                delta,
            } => {
                let text = self.texts.entry((task.clone(), *attempt)).or_default();
                let offset = usize::try_from(*offset).unwrap();
                assert!(
                    offset <= text.len(),
                    "a delta leaves a gap: {offset} of {}",
                    text.len()
                );
                text.truncate(offset);
                text.extend(delta.encode_utf16());
                let latest = self.latest.entry(task.clone()).or_default();
                *latest = (*latest).max(*attempt);
            }
            _ => {}
        }
    }

    fn text(&self, task: &TaskId) -> String {
        let attempt = self.latest.get(task).copied().unwrap_or(1);
        let units = self
            .texts
            .get(&(task.clone(), attempt))
            .cloned()
            .unwrap_or_default();
        String::from_utf16(&units).unwrap()
    }
}

/// What of an event is journaled: a delta and a start that is a live hint are not.
fn journaled(event: &ChatEvent) -> Option<String> {
    match &event.body {
        ChatEventBody::Delta { .. } => None,
        ChatEventBody::Step { step, .. } if step.status == StepStatus::Started => None,
        ChatEventBody::Step { task, step } => Some(format!("step {task} {}", step.number)),
        ChatEventBody::Message(row) => Some(format!("message {}", row.id())),
        ChatEventBody::Attempt { task, attempt } => Some(format!("attempt {task} {attempt}")),
        ChatEventBody::Waiting { task, step } => Some(format!("waiting {} {}", task.id, step.number)),
        ChatEventBody::Ended(row) => Some(format!("ended {}", row.id)),
    }
}

/// Reads until nothing more comes for a while.
async fn read(stage: &Stage, scope: EventScope, after: Cursor) -> Vec<ChatEvent> {
    let mut stream = stage.show.events(&ann(), scope, Some(after)).await.unwrap();
    let mut events = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(30), stream.next()).await {
        events.push(event.unwrap());
    }
    events
}

/// A session in which everything happened: turns, steps, an approval, a death, an unknown outcome, a failure.
async fn eventful(door: Door) -> (Stage, SessionId, Vec<ChatEvent>) {
    let helper = host("h").agent("helper", |mut talk: Talk| async move {
        match (talk.start.task.ordinal, talk.start.attempt) {
            (0, _) => return speaker(talk).await,
            (1, 1) => return talk.say(FromAgent::Panicked("boom".into())),
            (2, 1) => {
                talk.say(FromAgent::Call(tool("0", Effect::NonIdempotent)));
                tokio::time::sleep(Duration::from_secs(1)).await;
                return;
            }
            (3, _) => return talk.say(FromAgent::Failed(Failure::internal("no"))),
            _ => {}
        }
        if talk.step(tool("0", Effect::NonIdempotent)).await.is_none() {
            return;
        }
        if let Some(Ok(_)) = talk.step(approval("1", "{\"prompt\":1}")).await {
            speaker_at(talk, "2").await;
        }
    });
    let stage = Stage::with(door, [Arc::new(helper)]).await;
    let gap = Duration::from_millis(100);
    *stage.models.script.lock() = vec![
        Piece::Text("Grüße 🎭 "),
        Piece::Pause(gap),
        Piece::Text("an"),
        Piece::Pause(gap),
        Piece::Text(" alle"),
    ];
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let mut live = stage
        .show
        .events(&ann(), EventScope::Session(session.clone()), Some(Cursor::START))
        .await
        .unwrap();
    let listener = async {
        let mut heard = Vec::new();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(30), live.next()).await {
            heard.push(event.unwrap());
        }
        heard
    };
    let player = async {
        for number in 0..4u32 {
            let told = stage
                .chat(Some(&session), "hello", &format!("k{number}"), LONG)
                .await;
            let id = told.task.id;
            for step in 0..2 {
                let row = stage.until(&id, |row| !row.status.needs_owner()).await;
                match row.status {
                    TaskStatus::Waiting => {
                        stage
                            .show
                            .resolve(&ann(), &id, 1, None, ResolveAction::Approve(None), None)
                            .await
                    }
                    TaskStatus::OutcomeUnknown => {
                        stage
                            .show
                            .resolve(&ann(), &id, step, None, ResolveAction::SettleNotDone, None)
                            .await
                    }
                    _ => break,
                }
                .unwrap();
            }
            stage.ended(&id).await;
        }
    };
    let (heard, ()) = tokio::join!(listener, player);
    (stage, session, heard)
}

async fn speaker_at(mut talk: Talk, place: &str) {
    if let Some(Ok(answer)) = talk.step(model(place)).await {
        let answer: greenroom_kernel::ModelAnswer = serde_json::from_str(&answer).unwrap();
        talk.done(&answer.content);
    }
}

async fn a_live_subscriber_hears_everything_once_in_order_and_assembles_every_text(door: Door) {
    let (stage, session, heard) = eventful(door).await;
    let told: Vec<String> = heard.iter().filter_map(journaled).collect();
    let s = &session;
    let expected = [
        format!("message {s}.0.0"),
        format!("step {s}.0 0"),
        format!("message {s}.0.1"),
        format!("ended {s}.0"),
        format!("message {s}.1.0"),
        format!("attempt {s}.1 2"),
        format!("step {s}.1 0"),
        format!("waiting {s}.1 1"),
        format!("step {s}.1 1"),
        format!("attempt {s}.1 3"),
        format!("step {s}.1 2"),
        format!("message {s}.1.1"),
        format!("ended {s}.1"),
        format!("message {s}.2.0"),
        format!("step {s}.2 0"),
        format!("waiting {s}.2 0"),
    ];
    assert_eq!(told[..expected.len()], expected);
    assert_eq!(told.last().unwrap(), &format!("ended {s}.3"));
    let mut client = Client::default();
    heard.iter().for_each(|event| client.hear(event));
    for ordinal in 0..3 {
        let id = TaskId {
            journal: session.clone(),
            ordinal,
        };
        assert_eq!(client.text(&id), "Grüße 🎭 an alle", "{id}");
        let attempts = stage.row(&id).await.attempts;
        assert!(heard.iter().any(|event| matches!(&event.body,
            ChatEventBody::Delta { task, attempt, .. } if *task == id && *attempt == attempts)));
    }
    let deltas = heard
        .iter()
        .filter(|event| matches!(event.body, ChatEventBody::Delta { .. }))
        .count();
    assert!(deltas >= 9, "the text came in pieces: {deltas}");
}

async fn from_every_cursor_the_rest_comes_exactly_once_and_the_texts_stay_whole(door: Door) {
    let (stage, session, heard) = eventful(door).await;
    for cut in 0..=heard.len() {
        let after = if cut == 0 {
            Cursor::START
        } else {
            heard[cut - 1].cursor
        };
        assert_eq!(Cursor::parse(&after.to_string()).unwrap(), after);
        let rest = read(&stage, EventScope::Session(session.clone()), after).await;
        let expected: Vec<String> = heard[cut..].iter().filter_map(journaled).collect();
        let told: Vec<String> = rest.iter().filter_map(journaled).collect();
        assert_eq!(told, expected, "from event {cut}");
        let mut client = Client::default();
        heard[..cut]
            .iter()
            .chain(&rest)
            .for_each(|event| client.hear(event));
        for ordinal in 0..3 {
            let id = TaskId {
                journal: session.clone(),
                ordinal,
            };
            assert_eq!(client.text(&id), "Grüße 🎭 an alle", "{id} from event {cut}");
        }
    }
}

async fn a_tasks_subscriber_hears_that_task_alone_from_every_cursor_of_its_own(door: Door) {
    let (stage, session, _) = eventful(door).await;
    let id = TaskId {
        journal: session,
        ordinal: 1,
    };
    let scope = EventScope::Task(id.clone());
    let whole = read(&stage, scope.clone(), Cursor::START).await;
    assert!(
        whole
            .iter()
            .filter_map(journaled)
            .all(|told| told.contains(&id.to_string()))
    );
    for cut in 1..=whole.len() {
        let rest = read(&stage, scope.clone(), whole[cut - 1].cursor).await;
        let expected: Vec<String> = whole[cut..].iter().filter_map(journaled).collect();
        assert_eq!(rest.iter().filter_map(journaled).collect::<Vec<_>>(), expected);
    }
}

async fn a_tasks_stream_ends_behind_its_end_and_its_sessions_goes_on(door: Door) {
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", speaker))]).await;
    *stage.models.script.lock() = vec![
        Piece::Text("a"),
        Piece::Pause(Duration::from_secs(3)),
        Piece::Text("b"),
    ];
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let told = stage.chat(Some(&session), "hello", "k", NOT).await;
    let scope = EventScope::Task(told.task.id.clone());
    let whole = |after: Option<Cursor>| {
        let (stage, scope) = (&stage, scope.clone());
        async move {
            let stream = stage.show.events(&ann(), scope, after).await.unwrap();
            let heard = tokio::time::timeout(LONG, stream.collect::<Vec<_>>());
            let heard = heard.await.expect("the stream ends by itself");
            heard.into_iter().map(Result::unwrap).collect::<Vec<_>>()
        }
    };
    let live = whole(Some(told.cursor)).await;
    assert!(matches!(live.last().unwrap().body, ChatEventBody::Ended(_)));
    let later = whole(Some(Cursor::START)).await;
    assert!(matches!(later.last().unwrap().body, ChatEventBody::Ended(_)));
    for (index, event) in live.iter().enumerate() {
        let rest = whole(Some(event.cursor)).await;
        let ended = rest
            .last()
            .is_some_and(|last| matches!(last.body, ChatEventBody::Ended(_)));
        assert_eq!(ended, index + 1 < live.len(), "behind event {index}: {rest:?}");
    }
    assert_eq!(whole(None).await, [], "nothing follows from now on");

    let all = EventScope::Session(session.clone());
    let mut open = stage.show.events(&ann(), all, Some(Cursor::START)).await.unwrap();
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_secs(30), open.next()).await {}
    stage.chat(Some(&session), "more", "k2", NOT).await;
    let more = tokio::time::timeout(LONG, open.next()).await;
    assert!(
        more.unwrap().unwrap().is_ok(),
        "the session's stream is still open"
    );
}

async fn a_cursor_of_a_running_tasks_text_stays_good_though_its_session_went_on(door: Door) {
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", speaker))]).await;
    *stage.models.script.lock() = vec![
        Piece::Text("a"),
        Piece::Pause(Duration::from_secs(3)),
        Piece::Text("b"),
    ];
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let told = stage.chat(Some(&session), "hello", "k", NOT).await;
    for number in 0..5 {
        stage
            .chat(Some(&session), "queued", &format!("q{number}"), NOT)
            .await;
    }
    let scope = EventScope::Task(told.task.id.clone());
    let mut stream = stage
        .show
        .events(&ann(), scope.clone(), Some(told.cursor))
        .await
        .unwrap();
    let delta = loop {
        let event = stream.next().await.unwrap().unwrap();
        if matches!(event.body, ChatEventBody::Delta { .. }) {
            break event;
        }
    };
    drop(stream);
    let rest = read(&stage, scope, delta.cursor).await;
    assert!(matches!(rest.last().unwrap().body, ChatEventBody::Ended(_)));
    let mut client = Client::default();
    client.hear(&delta);
    rest.iter().for_each(|event| client.hear(event));
    assert_eq!(client.text(&told.task.id), "ab");
}

async fn a_process_that_dies_in_the_middle_of_a_text_starts_it_over_in_a_new_attempt(door: Door) {
    let mut stage = Stage::with(door, [Arc::new(host("h").agent("helper", speaker))]).await;
    *stage.models.script.lock() = vec![
        Piece::Text("once "),
        Piece::Pause(Duration::from_secs(5)),
        Piece::Text("more"),
    ];
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let scope = EventScope::Session(session.clone());
    let told = stage.chat(Some(&session), "hello", "k", NOT).await;
    let mut stream = stage
        .show
        .events(&ann(), scope.clone(), Some(told.cursor))
        .await
        .unwrap();
    let mut client = Client::default();
    let mut before = Vec::new();
    while client.text(&told.task.id).is_empty() {
        let event = stream.next().await.unwrap().unwrap();
        client.hear(&event);
        before.push(event);
    }
    drop(stream);
    stage.crash_and_restart().await;
    stage.ended(&told.task.id).await;
    let after = read(&stage, scope, before.last().unwrap().cursor).await;
    after.iter().for_each(|event| client.hear(event));
    assert_eq!(client.text(&told.task.id), "once more");
    let all: Vec<String> = before.iter().chain(&after).filter_map(journaled).collect();
    let mut once = all.clone();
    once.dedup();
    assert_eq!(all, once);
    assert!(all.contains(&format!("attempt {} 2", told.task.id)), "{all:?}");
}

async fn an_unknown_cursor_is_refused_and_a_deleted_sessions_stream_ends(door: Door) {
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", echo))]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let scope = EventScope::Session(session.clone());
    let beyond = Cursor::before(greenroom_kernel::Position { seq: 99, index: 0 });
    let refused = stage
        .show
        .events(&ann(), scope.clone(), Some(beyond))
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code, ErrorCode::BadUserInput);
    let mut stream = stage.show.events(&ann(), scope, None).await.unwrap();
    let (ended, deleted) = tokio::join!(tokio::time::timeout(LONG, stream.next()), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.show.delete_session(&ann(), &session).await
    });
    assert!(deleted.is_ok() && ended.unwrap().is_none());
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        5 => prop::sample::select(vec!["a", "ab", "🎭", "ü ", "\n", "xyz"]).prop_map(Piece::Text),
        2 => Just(Piece::Restart),
        3 => (1..40u64).prop_map(|ms| Piece::Pause(Duration::from_millis(ms))),
    ];
    prop::collection::vec(piece, 0..24)
}

async fn a_reader_that_comes_and_goes(door: Door, script: Vec<Piece>, drops: Vec<usize>) {
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", speaker))]).await;
    *stage.models.script.lock() = script;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let told = stage.chat(Some(&session), "hello", "k", NOT).await;
    let scope = EventScope::Session(session);
    let (mut client, mut cursor, mut drops) = (Client::default(), told.cursor, drops.into_iter());
    // The reader comes back now and then, and holds what it had.
    loop {
        let mut stream = stage
            .show
            .events(&ann(), scope.clone(), Some(cursor))
            .await
            .unwrap();
        let mut left = drops.next().unwrap_or(usize::MAX);
        let ended = loop {
            let next = tokio::time::timeout(LONG, stream.next()).await;
            let event = next.expect("the turn ends").unwrap().unwrap();
            client.hear(&event);
            cursor = event.cursor;
            left -= 1;
            if matches!(event.body, ChatEventBody::Ended(_)) {
                break true;
            }
            if left == 0 {
                break false;
            }
        };
        if ended {
            break;
        }
    }
    let row = stage.ended(&told.task.id).await;
    assert_eq!(client.text(&told.task.id), stage.text(&row).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_taken_back_and_said_again_assembles_to_the_final_message(
        door in prop::sample::select(vec![Door::Local, Door::Remote]),
        script in pieces(),
        drops in prop::collection::vec(1..6usize, 0..6),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(a_reader_that_comes_and_goes(door, script, drops));
    }
}

through_every_door! {
    a_live_subscriber_hears_everything_once_in_order_and_assembles_every_text,
    from_every_cursor_the_rest_comes_exactly_once_and_the_texts_stay_whole,
    a_tasks_subscriber_hears_that_task_alone_from_every_cursor_of_its_own,
    a_tasks_stream_ends_behind_its_end_and_its_sessions_goes_on,
    a_cursor_of_a_running_tasks_text_stays_good_though_its_session_went_on,
    a_process_that_dies_in_the_middle_of_a_text_starts_it_over_in_a_new_attempt,
    an_unknown_cursor_is_refused_and_a_deleted_sessions_stream_ends,
}
