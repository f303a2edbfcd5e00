//! A process is killed while it writes: whatever it acknowledged is there.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use greenroom_kernel::{Appended, Projection, SessionRow, Store};
use greenroom_store::testkit::fixture::{append, at, key, message, session, slot, task};
use greenroom_store::{SqliteOptions, SqliteStore};
use tokio::task::JoinSet;

const FOLDER: &str = "GREENROOM_TEST_STORE";
const WRITERS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the test below kills"]
async fn child_process_that_appends_for_ever() {
    let path = std::env::var(FOLDER).unwrap();
    let options = SqliteOptions {
        checkpoint_pages: 50,
        ..SqliteOptions::default()
    };
    let store = Arc::new(SqliteStore::open(path, options).unwrap());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let key = key(&format!("s{writer}"));
            let begin = store.read(&key, 0, u32::MAX).await.unwrap().len() as u64;
            for seq in begin.. {
                let mut append = append(&key, seq, u128::from(seq));
                let row = session(&key, 5);
                append.rows = Projection {
                    session: Some(SessionRow {
                        updated_at: at(i64::try_from(seq).unwrap()),
                        ..row
                    }),
                    tasks: vec![task(&key, u32::try_from(seq).unwrap(), 5)],
                    messages: vec![message(&key, seq, 0)],
                };
                assert_eq!(store.append(append).await.unwrap(), Appended::Stored);
                // One write, so that no line is torn between writers.
                let line = format!("ack {writer} {seq}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn everything_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.db");
    let mut acknowledged = BTreeMap::<u64, u64>::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "child_process_that_appends_for_ever",
            ])
            .env(FOLDER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 40 + 70 * round;
        for line in lines.map(Result::unwrap) {
            // The test harness may have begun the first line.
            let Some((_, ack)) = line.split_once("ack ") else {
                continue;
            };
            let (writer, seq) = ack.split_once(' ').unwrap();
            acknowledged.insert(writer.parse().unwrap(), seq.parse().unwrap());
            left -= 1;
            if left == 0 {
                // What it still says until it dies is read too.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(left <= 0, "the child ended by itself");

        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        for (writer, last) in &acknowledged {
            let key = key(&format!("s{writer}"));
            let slots = store.read(&key, 0, u32::MAX).await.unwrap();
            assert!(slots.len() as u64 > *last, "s{writer}: {} of {last}", slots.len());
            for (seq, found) in (0..).zip(&slots) {
                assert_eq!(*found, slot(seq, u128::from(seq)));
            }
            // The rows are of the same moment as the log.
            let end = slots.len() as u64 - 1;
            let row = store.session(&key.tenant, &key.journal).await.unwrap().unwrap();
            assert_eq!(row.updated_at, at(i64::try_from(end).unwrap()));
            let all = greenroom_kernel::MessageRange::After(None);
            let messages = store.messages(&key, all, u32::MAX).await.unwrap();
            assert_eq!(messages.len(), slots.len());
        }
    }
    assert_eq!(acknowledged.len() as u64, WRITERS);
}
