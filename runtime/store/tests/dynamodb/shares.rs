//! That no partition key of the table or of an index is written much more often than the others: counted in the requests
//! themselves, of one caller's sessions. A thousand by default, ten thousand by hand (docs/dynamodb.md says how).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::{StreamExt as _, stream};
use greenroom_kernel::{
    Appended, JournalKey, Ledger, LedgerRow, Projection, Records, Store, TaskRow, TaskStatus,
};
use greenroom_store::DynamoStore;
use greenroom_store::testkit::fixture::{Pen, at, key_of, message, session, task};
use greenroom_store::testkit::ledger_contract::row;
use serde_json::Value;

use crate::emulator::Emulator;
use crate::proxy::{Proxy, Trouble};

/// How many sessions, where somebody asks for others than a thousand.
const SESSIONS: &str = "GREENROOM_TEST_SESSIONS";
/// How many tries of models are entered at once.
const TOGETHER: u64 = 20;
/// The table and its indexes: by which attributes.
const INDEXES: [(&str, &str, &str); 4] = [
    ("table", "pk", "sk"),
    ("lists", "listed", "made"),
    ("owners", "owned", "made"),
    ("work", "work", "when"),
];

/// The place of an item in an index: its keys there.
type Place = Option<(String, String)>;

/// How often each key was written.
#[derive(Default)]
struct Writes {
    by_key: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Where each item stands.
    stands: HashMap<(String, String), [Place; 4]>,
    requests: u64,
}

impl Writes {
    fn count(&mut self, operation: &str, request: &Value) {
        self.requests += 1;
        match operation {
            "PutItem" => self.put(&request["Item"]),
            "TransactWriteItems" => {
                for item in request["TransactItems"].as_array().unwrap() {
                    match item.get("Put") {
                        Some(put) => self.put(&put["Item"]),
                        // It changes no key of an index.
                        None => self.wrote("table", item["Update"]["Key"]["pk"]["S"].as_str().unwrap()),
                    }
                }
            }
            other => panic!("{other} is not expected"),
        }
    }

    fn put(&mut self, item: &Value) {
        let part = |name: &str| item[name]["S"].as_str().map(str::to_owned);
        let now = INDEXES.map(|(_, partition, sort)| part(partition).zip(part(sort)));
        let itself = now[0].clone().unwrap();
        let before = self.stands.insert(itself, now.clone()).unwrap_or_default();
        for (place, (index, ..)) in INDEXES.iter().enumerate() {
            // An index is written where an entry comes, goes or moves.
            let (old, new) = (&before[place], &now[place]);
            if *index == "table" || old != new {
                let gone = old.iter().filter(|_| *index != "table");
                for (key, _) in gone.chain(new) {
                    self.wrote(index, key);
                }
            }
        }
    }

    fn wrote(&mut self, index: &'static str, key: &str) {
        *self
            .by_key
            .entry(index)
            .or_default()
            .entry(key.to_owned())
            .or_default() += 1;
    }

    /// The key with the most writes among those that `of` chooses, its share of them, and how many keys there are.
    fn largest(&self, index: &str, of: impl Fn(&str) -> bool) -> (String, f64, usize) {
        let keys: Vec<_> = self.by_key[index].iter().filter(|(key, _)| of(key)).collect();
        let all: u64 = keys.iter().map(|(_, count)| **count).sum();
        let (key, most) = keys.iter().max_by_key(|(_, count)| **count).unwrap();
        ((*key).clone(), **most as f64 / all as f64, keys.len())
    }
}

/// A session with one turn of one step.
async fn turn(store: &DynamoStore, of: JournalKey, now: i64) {
    let accepted = TaskRow {
        status: TaskStatus::Running,
        ..task(&of, 0, now)
    };
    let ended = TaskRow {
        status: TaskStatus::Completed,
        updated_at: at(now + 900),
        ..accepted.clone()
    };
    let mut pen = Pen::new(of.clone());
    for (row, messages) in [
        (&accepted, vec![message(&of, 0, 0)]),
        (&accepted, vec![]),
        (&ended, vec![message(&of, 2, 0)]),
    ] {
        let rows = Projection {
            session: Some(session(&of, now)),
            tasks: vec![row.clone()],
            messages,
        };
        assert_eq!(store.append(pen.with(rows)).await.unwrap(), Appended::Stored);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn no_key_holds_more_than_its_share_of_one_caller_s_sessions_with_a_turn_each() {
    let sessions: u32 = match std::env::var(SESSIONS) {
        Ok(number) => number.parse().unwrap(),
        Err(_) => 1_000,
    };
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::None).await;
    let store = emulator.store(&proxy.url).await;
    let writes = Arc::new(Mutex::new(Writes::default()));
    let counted = Arc::clone(&writes);
    proxy.tell_writes(move |operation, request| counted.lock().unwrap().count(operation, request));
    let begun = Instant::now();
    let mut turns = stream::iter((0..i64::from(sessions)).map(|number| {
        // Time-ordered, as ours are.
        let of = key_of("dev", &format!("01KCXH{number:020}"));
        turn(&store, of, 1_795_000_000_000 + number)
    }))
    .buffer_unordered(32);
    while turns.next().await.is_some() {}
    drop(turns);
    // What their models' tries cost, as it gathers.
    for first in (0..u64::from(sessions)).step_by(20) {
        let tries: Vec<LedgerRow> = (first..first + TOGETHER).map(row).collect();
        let records = Records {
            tries,
            requests: vec![],
        };
        store.record(Arc::new(records)).await.unwrap();
    }
    let writes = writes.lock().unwrap();
    println!(
        "{sessions} sessions, {} write requests, {:.0?}",
        writes.requests,
        begun.elapsed()
    );
    let journals = |key: &str| key.starts_with("dev#");
    let (key, share, keys) = writes.largest("table", journals);
    println!(
        "table, journals: {keys} keys, the largest {key}: {:.4} %",
        share * 100.0
    );
    assert_eq!(keys, sessions as usize);
    // Each the same: nine slots and rows.
    assert!(share <= 1.001 / f64::from(sessions), "{key}: {share}");

    // Chance alone spreads few sessions less evenly: four standard deviations.
    let of_each = f64::from(sessions) / 16.0;
    let bound = (1.0 + 4.0 / of_each.sqrt()).max(1.2);
    for (index, what, even) in [
        ("lists", "s#", 16.0),
        ("lists", "t#", 16.0),
        ("owners", "s#", 16.0),
        ("owners", "t#", 16.0),
        ("work", "open#", 16.0),
    ] {
        let (key, share, keys) = writes.largest(index, |key| key.starts_with(what));
        println!(
            "{index}, {what}: {keys} keys, the largest {key}: {:.2} %, evenly {:.2} %",
            share * 100.0,
            100.0 / even
        );
        assert!(
            share <= bound / even,
            "{index}: {key} has {share}, evenly {}",
            1.0 / even
        );
    }
    let (key, share, keys) = writes.largest("table", |key| !key.starts_with("dev#"));
    println!(
        "table, the ledger: {keys} keys, the largest {key}: {:.2} %",
        share * 100.0
    );
    assert!(keys >= 8 && share < 0.2, "{keys}: {key} has {share}");
}
