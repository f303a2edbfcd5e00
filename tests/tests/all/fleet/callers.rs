//! Callers who chat while processes come and go. Each keeps to its session and goes to the next gateway when one doesn't
//! answer, with the same key; each session has a reader, who takes its stream up again where it broke.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Client, FakeModel, until};

/// How long one call may take, all its repetitions together.
const CALL: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Which gateways there are.
#[derive(Clone, Default)]
pub(super) struct Gateways(Arc<Mutex<Vec<String>>>);

impl Gateways {
    pub(super) fn add(&self, url: &str) {
        self.0.lock().push(url.to_owned());
    }

    pub(super) fn remove(&self, url: &str) {
        self.0.lock().retain(|known| known != url);
    }

    /// One of them.
    fn client(&self, turn: usize) -> Client {
        let all = self.0.lock();
        Client::new(&all[turn % all.len()])
    }
}

/// What was seen.
#[derive(Default)]
struct Seen {
    /// Turns that were acknowledged: whose, which task, and how long each took.
    turns: Mutex<Vec<(usize, String, Duration)>>,
    repeated: AtomicU32,
    reopened: AtomicU32,
    stop: AtomicBool,
    /// How many turns a conversation had that is over.
    over: Mutex<BTreeMap<String, usize>>,
}

/// Several callers at work.
pub(super) struct Callers {
    gateways: Gateways,
    seen: Arc<Seen>,
    count: usize,
    calling: JoinSet<Conversation>,
    reading: JoinSet<Read>,
}

/// A session and how many turns it has had.
struct Conversation {
    session: String,
    turns: usize,
}

/// What a reader has read.
struct Read {
    session: String,
    messages: Vec<(String, String)>,
    texts: BTreeMap<(String, i64), Vec<u16>>,
}

fn content(session: &str, turn: usize) -> String {
    format!("{session} turn {turn}")
}

impl Callers {
    /// One for each of these agents begins.
    pub(super) async fn begin(agents: &[&str], gateways: &Gateways) -> Self {
        let count = agents.len();
        let mut callers = Self {
            gateways: gateways.clone(),
            seen: Arc::default(),
            count,
            calling: JoinSet::new(),
            reading: JoinSet::new(),
        };
        for (number, agent) in agents.iter().enumerate() {
            let query = "mutation($id: ID!) { createSession(id: $id) { id } }";
            let client = gateways.client(number);
            let made = client.call(query, json!({ "id": session(number) })).await;
            made.data();
            let (gateways, seen) = (gateways.clone(), Arc::clone(&callers.seen));
            callers
                .calling
                .spawn(converse(number, (*agent).to_owned(), gateways, seen));
            let (gateways, seen) = (callers.gateways.clone(), Arc::clone(&callers.seen));
            callers.reading.spawn(read(number, gateways, seen));
        }
        callers
    }

    /// How many turns were acknowledged.
    pub(super) fn turns(&self) -> usize {
        self.seen.turns.lock().len()
    }

    /// Lets two more turns of everybody pass: one that may have begun before, and one that began after. Tells how long
    /// the longest of them took.
    pub(super) async fn go_on(&self) -> Duration {
        let from = self.turns();
        let of_everybody = || {
            let turns = self.seen.turns.lock();
            let since = &turns[from..];
            (0..self.count).all(|caller| since.iter().filter(|(who, ..)| *who == caller).count() >= 2)
        };
        until("everybody's turns go on", CALL, || async {
            of_everybody().then_some(())
        })
        .await;
        let turns = self.seen.turns.lock();
        turns[from..]
            .iter()
            .map(|(.., took)| *took)
            .max()
            .unwrap_or_default()
    }

    /// How often streams were taken up again.
    pub(super) fn reopened(&self) -> u32 {
        self.seen.reopened.load(Ordering::Relaxed)
    }

    /// Ends the conversations and judges them: every acknowledged turn is there once, in order and whole, and was read
    /// so. Tells how many there were.
    pub(super) async fn judge(mut self) -> usize {
        self.seen.stop.store(true, Ordering::Relaxed);
        let client = self.gateways.client(0);
        let mut conversations = BTreeMap::new();
        while let Some(ended) = self.calling.join_next().await {
            let Conversation { session, turns } = ended.unwrap();
            let mut expected = Vec::new();
            for turn in 0..turns {
                let said = content(&session, turn);
                expected.push(("USER".to_owned(), said.clone()));
                expected.push(("ASSISTANT".to_owned(), FakeModel::answer(&said)));
            }
            let messages = client.messages(&session).await;
            let held: Vec<_> = messages.iter().map(of_message).collect();
            assert_eq!(held, expected, "{session}");
            conversations.insert(session, expected);
        }
        while let Some(ended) = self.reading.join_next().await {
            let Read {
                session,
                messages,
                texts,
            } = ended.unwrap();
            assert_eq!(messages, conversations[&session], "what was read of {session}");
            let answers: Vec<Vec<u16>> = messages
                .iter()
                .map(|(_, text)| text.encode_utf16().collect())
                .collect();
            for ((task, attempt), text) in texts {
                let whole = answers.iter().any(|answer| answer.starts_with(&text));
                assert!(
                    whole,
                    "attempt {attempt} of {task}: {}",
                    String::from_utf16_lossy(&text)
                );
            }
        }
        let turns = self.seen.turns.lock().clone();
        for (_, task, _) in &turns {
            assert_eq!(client.task(task).await["status"], "COMPLETED", "{task}");
        }
        println!(
            "{} turns; calls repeated: {}; streams taken up again: {}",
            self.turns(),
            self.seen.repeated.load(Ordering::Relaxed),
            self.reopened()
        );
        self.turns()
    }
}

fn of_message(message: &Value) -> (String, String) {
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    (text("role"), text("content"))
}

async fn converse(number: usize, agent: String, gateways: Gateways, seen: Arc<Seen>) -> Conversation {
    let session = session(number);
    let mut turns = 0;
    while !seen.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let input = json!({ "sessionId": session, "agent": agent, "content": content(&session, turns),
            "idempotencyKey": format!("{session}-{turns}") });
        let task = acknowledged(&input, number + turns, &gateways, &seen).await;
        assert_eq!(task["status"], "COMPLETED", "{task}");
        let id = task["id"].as_str().unwrap().to_owned();
        seen.turns.lock().push((number, id, began.elapsed()));
        turns += 1;
    }
    seen.over.lock().insert(session.clone(), turns);
    Conversation { session, turns }
}

/// The task of a turn, once it has ended: asked for again and again, with its key, until somebody says so.
async fn acknowledged(input: &Value, mut turn: usize, gateways: &Gateways, seen: &Seen) -> Value {
    const QUERY: &str = "mutation($input: SendChatInput!) { sendChat(input: $input) { task { id status error { code message } } } }";
    let began = Instant::now();
    let mut last = String::new();
    loop {
        let client = gateways.client(turn);
        if let Some(answer) = client.try_call(QUERY, json!({ "input": input })).await {
            let task = answer.body["data"]["sendChat"]["task"].clone();
            if matches!(
                task["status"].as_str(),
                Some("COMPLETED" | "FAILED" | "CANCELLED" | "OUTCOME_UNKNOWN")
            ) {
                return task;
            }
            last = answer.body.to_string();
            let refused =
                !task.is_object() && !matches!(answer.code(), "UNAVAILABLE" | "RESOURCE_EXHAUSTED" | "none");
            assert!(!refused, "{input}: {last}");
        }
        assert!(began.elapsed() < CALL, "{input} was not answered: {last}");
        seen.repeated.fetch_add(1, Ordering::Relaxed);
        turn += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

fn session(number: usize) -> String {
    format!("caller-{number}")
}

/// Reads a session from its beginning until every turn of it was read.
async fn read(number: usize, gateways: Gateways, seen: Arc<Seen>) -> Read {
    let session = session(number);
    let mut read = Read {
        session: session.clone(),
        messages: Vec::new(),
        texts: BTreeMap::new(),
    };
    let (mut after, mut turn) = ("0".to_owned(), number);
    loop {
        let client = gateways.client(turn);
        if let Some(mut events) = client.on_chat(&session, Some(&after)).await {
            loop {
                let event = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
                match event {
                    Ok(Some(event)) if event.is_object() => {
                        after = event["cursor"].as_str().unwrap().to_owned();
                        took(&mut read, &event);
                    }
                    // An error, or the end of the stream.
                    Ok(_) => break,
                    // Nothing more is said, and nothing more will be.
                    Err(_) if has_all(&read, &seen) => return read,
                    Err(_) => {}
                }
            }
            seen.reopened.fetch_add(1, Ordering::Relaxed);
        }
        turn += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

fn has_all(read: &Read, seen: &Seen) -> bool {
    let over = seen.over.lock().get(&read.session).copied();
    over.is_some_and(|turns| read.messages.len() == 2 * turns)
}

fn took(read: &mut Read, event: &Value) {
    if event["kind"] == "MESSAGE" {
        read.messages.push(of_message(&event["message"]));
    }
    if let Some(delta) = event["delta"].as_str() {
        let (task, attempt) = (
            event["taskId"].as_str().unwrap(),
            event["attempt"].as_i64().unwrap(),
        );
        let text = read.texts.entry((task.to_owned(), attempt)).or_default();
        let offset = usize::try_from(event["offset"].as_i64().unwrap()).unwrap();
        assert!(offset <= text.len(), "a gap in {task}: {event}");
        text.truncate(offset);
        text.extend(delta.encode_utf16());
    }
}
