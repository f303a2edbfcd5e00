//! How fast the store appends, and what an append costs: `cargo run --release --example append [seconds]`.
//!
//! Printed for one caller and for 64, beside the floor of the disk: a bare write and sync.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on stops")]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_kernel::{
    AgentName, Append, Appended, Effect, Entry, InputHash, JournalKey, JournalKind, Message, MessageRow,
    NodeId, Nonce, Payload, Position, Projection, Role, SessionId, SessionRow, Slot, StepHead, StepKind,
    StepOutcome, StepPath, Store, Subject, TaskId, TaskRow, TaskStatus, TenantId, Timestamp, Writer,
};
use greenroom_store::{MemoryStore, SqliteOptions, SqliteStore};
use tokio::task::JoinSet;

#[derive(Clone, Copy, PartialEq)]
enum Load {
    /// A finished step: a slot and nothing else.
    Slots,
    /// A finished step with its task's row.
    Steps,
    /// A turn: a session's row, a task's row, a message.
    Turns,
    /// A task with a journal of its own: accepted, then ended.
    Tasks,
}

fn append(key: &JournalKey, seq: u64, started: Timestamp, load: Load) -> Append {
    let step = Entry::StepDone {
        task: 0,
        step: StepHead {
            number: u32::try_from(seq).unwrap(),
            path: StepPath::parse("3.1").unwrap(),
            attempt: 1,
            kind: StepKind::Tool,
            name: Some("search".into()),
            effect: Effect::ReadOnly,
            input_hash: InputHash::of(&["input"]),
            version: None,
        },
        outcome: StepOutcome::Done(Payload::inline("{\"hits\":[\"one\",\"two\",\"three\"]}")),
        usage: None,
        started_at: Timestamp::from_millis(1),
        served_by: None,
    };
    let place = |index| Position { seq, index };
    let now = Timestamp::from_millis(i64::try_from(seq).unwrap());
    let subject = Subject::parse("ann").unwrap();
    let mut rows = Projection::default();
    if load != Load::Slots {
        let ordinal = if load == Load::Turns {
            u32::try_from(seq / 2).unwrap()
        } else {
            0
        };
        let ended = seq % 2 == 1 && matches!(load, Load::Turns | Load::Tasks);
        let created_at = match load {
            Load::Tasks => started,
            _ => Timestamp::from_millis(i64::from(ordinal)),
        };
        rows.tasks.push(TaskRow {
            id: TaskId {
                journal: key.journal.clone(),
                ordinal,
            },
            subject: subject.clone(),
            kind: if load == Load::Tasks {
                JournalKind::Task
            } else {
                JournalKind::Session
            },
            turn: load == Load::Turns,
            agent: AgentName::parse("assistant").unwrap(),
            status: if ended {
                TaskStatus::Completed
            } else {
                TaskStatus::Accepted
            },
            input: Payload::inline("{\"text\":\"what is the weather like?\"}"),
            output: None,
            error: None,
            usage: None,
            attempts: 1,
            created_at,
            updated_at: now,
            deadline: None,
            parent: None,
            first: Position {
                seq: if load == Load::Turns { seq - seq % 2 } else { 0 },
                index: 0,
            },
            last: place(0),
            due: None,
        });
    }
    if load == Load::Turns {
        rows.session = Some(SessionRow {
            id: key.journal.clone(),
            subject,
            title: Some("The weather".into()),
            metadata: None,
            created_at: Timestamp::from_millis(0),
            updated_at: now,
            last: place(0),
            deleted: false,
        });
        rows.messages.push(MessageRow {
            session: key.journal.clone(),
            position: place(0),
            at: now,
            message: Message {
                task: 0,
                number: 0,
                role: Role::User,
                content: Payload::inline("what is the weather like in the mountains today?"),
                agent: None,
                usage: None,
                metadata: None,
            },
        });
    }
    Append {
        key: key.clone(),
        slot: Slot {
            seq,
            nonce: Nonce(u128::from(seq)),
            writer: Writer {
                node: NodeId::parse("node-1").unwrap(),
                incarnation: 1,
            },
            at: now,
            entries: vec![step],
        },
        rows,
    }
}

/// Nanoseconds on a CPU so far, of all threads and of the writer.
fn cpu() -> (u64, u64) {
    let (mut all, mut writer) = (0, 0);
    for task in std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ns: u64 = read("schedstat")
            .split(' ')
            .next()
            .and_then(|ns| ns.parse().ok())
            .unwrap_or(0);
        all += ns;
        if read("comm").trim() == "store-writer" {
            writer += ns;
        }
    }
    (all, writer)
}

async fn measure(name: &str, store: Arc<dyn Store>, callers: usize, load: Load, time: Duration) {
    let before = store.stats();
    let (begun, spent) = (Instant::now(), cpu());
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut waits = Vec::new();
            let mut key = JournalKey {
                tenant: TenantId::parse("acme").unwrap(),
                journal: SessionId::parse(&format!("s-{caller}")).unwrap(),
            };
            let mut started = Timestamp::default();
            for number in 0.. {
                if begun.elapsed() >= time {
                    break;
                }
                if load == Load::Tasks && number % 2 == 0 {
                    key.journal = SessionId::parse(&format!("t-{caller}-{number}")).unwrap();
                    started = Timestamp::default().after(begun.elapsed());
                }
                let seq = if load == Load::Tasks { number % 2 } else { number };
                let append = append(&key, seq, started, load);
                let asked = Instant::now();
                assert_eq!(store.append(append).await.unwrap(), Appended::Stored);
                waits.push(asked.elapsed());
            }
            waits
        });
    }
    let mut waits = tasks.join_all().await.concat();
    let took = begun.elapsed().as_secs_f64();
    let now = cpu();
    waits.sort_unstable();
    let after = store.stats();
    let (appends, commits) = (after.appends - before.appends, after.commits - before.commits);
    let each = |ns: u64| ns as f64 / 1_000.0 / appends as f64;
    println!(
        "{name:28} {callers:3} callers {:9.0}/s  p50 {:7.0} us  p99 {:7.0} us  {:5.3} syncs  CPU {:6.1} us, writer {:5.1} us",
        appends as f64 / took,
        waits[waits.len() / 2].as_secs_f64() * 1e6,
        waits[waits.len() * 99 / 100].as_secs_f64() * 1e6,
        commits as f64 / appends as f64,
        each(now.0 - spent.0),
        each(now.1 - spent.1),
    );
}

/// What the disk does with a bare write and sync of two pages.
fn floor(folder: &Path, time: Duration) {
    let mut file = std::fs::File::create(folder.join("floor")).unwrap();
    let (begun, spent, mut waits) = (Instant::now(), cpu().0, Vec::new());
    while begun.elapsed() < time {
        let asked = Instant::now();
        file.write_all(&[7; 8_192]).unwrap();
        file.sync_data().unwrap();
        waits.push(asked.elapsed());
    }
    let each = (cpu().0 - spent) as f64 / 1_000.0 / waits.len() as f64;
    waits.sort_unstable();
    println!(
        "{:28}               {:9.0}/s  p50 {:7.0} us  p99 {:7.0} us               CPU {each:6.1} us",
        "bare write and sync",
        waits.len() as f64 / begun.elapsed().as_secs_f64(),
        waits[waits.len() / 2].as_secs_f64() * 1e6,
        waits[waits.len() * 99 / 100].as_secs_f64() * 1e6,
    );
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);
    let folder = tempfile::tempdir().unwrap();
    floor(folder.path(), time);
    let open = |name: &str, sync_delay| {
        let options = SqliteOptions {
            sync_delay,
            ..SqliteOptions::default()
        };
        SqliteStore::open(folder.path().join(name), options).unwrap()
    };
    for (name, load) in [
        ("slots", Load::Slots),
        ("steps with their task", Load::Steps),
        ("turns with all rows", Load::Turns),
        ("tasks of their own", Load::Tasks),
    ] {
        for callers in [1, 64] {
            measure(
                &format!("memory, {name}"),
                Arc::new(MemoryStore::new()),
                callers,
                load,
                time / 4,
            )
            .await;
            let store = Arc::new(open(&format!("{}-{callers}.db", load as u8), None));
            measure(&format!("sqlite, {name}"), store, callers, load, time).await;
        }
    }
    let slow = Arc::new(open("slow.db", Some(Duration::from_millis(4))));
    measure("sqlite, tasks, sync + 4 ms", slow, 64, Load::Tasks, time).await;
}
