//! What only the inside can show: migrations that don't exist yet, a connection that can't write, query plans.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use greenroom_kernel::{SessionQuery, TaskQuery, TaskStatus};
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::lists::{DUE, FULL, List, OPEN, session_list, task_list};
use super::schema::{MIGRATIONS, Migration, open_writer};
use super::*;
use crate::testkit::fixture::{append, at, key, slot, subject, task_id, tenant};

const CHILD: &str = "GREENROOM_TEST_STORE";

/// This binary's version of the schema.
const NOW: u32 = MIGRATIONS.len() as u32;

/// A migration that touches every slot.
fn with_next_version() -> Vec<Migration> {
    let mut migrations = MIGRATIONS.to_vec();
    let next = "ALTER TABLE slots ADD COLUMN note TEXT; UPDATE slots SET note = 'moved';";
    migrations.push(Migration::Sql(next));
    migrations
}

fn stops_in_migration() -> SqliteOptions {
    SqliteOptions {
        failpoint: Some(Arc::new(|point| {
            assert_eq!(point, FailPoint::InMigration);
            println!("in migration");
            loop {
                std::thread::park();
            }
        })),
        ..SqliteOptions::default()
    }
}

#[test]
#[ignore = "the process that the test below kills"]
fn child_process_that_migrates() {
    let path = std::env::var(CHILD).unwrap();
    let _lock = StoreLock::take(Path::new(&path)).unwrap();
    open_writer(Path::new(&path), &stops_in_migration(), &with_next_version()).unwrap();
}

#[test]
#[ignore = "the process that the test below kills"]
fn child_process_that_creates() {
    SqliteStore::open(std::env::var(CHILD).unwrap(), stops_in_migration()).unwrap();
}

/// Runs one of the above until it is inside a migration, and kills it there.
fn killed_in_migration(path: &Path, child: &str) {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg(format!("sqlite::tests::{child}"))
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reached = lines
        .map(Result::unwrap)
        .any(|line| line.contains("in migration"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reached, "the child ended before the migration");
}

#[tokio::test]
async fn a_process_killed_inside_a_migration_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    for seq in 0..200 {
        store.append(append(&key("s"), seq, 1)).await.unwrap();
    }
    drop(store);
    for _ in 0..3 {
        killed_in_migration(&path, "child_process_that_migrates");
        let version: u32 = Connection::open(&path)
            .unwrap()
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(version, NOW);
        // The old binary still finds everything.
        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let slots = store.read(&key("s"), 0, 1_000).await.unwrap();
        assert_eq!(slots, (0..200).map(|seq| slot(seq, 1)).collect::<Vec<_>>());
    }
    let (connection, report) = open_writer(&path, &SqliteOptions::default(), &with_next_version()).unwrap();
    assert_eq!(
        report,
        MigrationReport {
            from: NOW,
            to: NOW + 1
        }
    );
    let moved: u32 = connection
        .query_row("SELECT count(*) FROM slots WHERE note = 'moved'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(moved, 200);
    drop(connection);
    let newer = SqliteStore::open(&path, SqliteOptions::default()).err().unwrap();
    let StoreError::Newer { found, known, .. } = newer else {
        panic!("{newer:?}")
    };
    assert_eq!((found, known), (NOW + 1, NOW));
}

#[test]
fn a_process_killed_while_it_creates_the_store_leaves_one_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.db");
    killed_in_migration(&path, "child_process_that_creates");
    assert_eq!(
        SqliteStore::migrate(&path).unwrap(),
        MigrationReport { from: 0, to: NOW }
    );
    assert_eq!(
        SqliteStore::migrate(&path).unwrap(),
        MigrationReport { from: NOW, to: NOW }
    );
}

#[tokio::test]
async fn a_file_that_became_read_only_refuses_writes_and_still_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    store.append(append(&key("s"), 0, 1)).await.unwrap();

    let fatal = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&fatal);
    let options = SqliteOptions {
        on_fatal: Arc::new(move |_| seen.store(true, Ordering::SeqCst)),
        ..SqliteOptions::default()
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let (checkpoint, _woken) = CheckpointSignal::new(1_000);
    let writer = Writer {
        connection: Connection::open_with_flags(&path, flags).unwrap(),
        path: path.clone(),
        options,
        counters: Arc::default(),
        writing: Arc::default(),
        checkpoint,
    };
    let (jobs, queue) = mpsc::channel(8);
    let thread = std::thread::spawn(move || writer.run(queue));
    for _ in 0..2 {
        let prepared = Prepared::new(append(&key("s"), 1, 2)).unwrap();
        let (job, answer) = job("append", move |connection| prepared.run(connection));
        assert!(jobs.send(job).await.is_ok());
        let error = answer.await.unwrap().unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::ReadOnly {
                    operation: "append",
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.is_definite());
    }
    drop(jobs);
    thread.join().unwrap();
    assert!(!fatal.load(Ordering::SeqCst));
    assert_eq!(store.read(&key("s"), 0, 9).await.unwrap(), [slot(0, 1)]);
}

/// How SQLite goes about a list.
fn plan_of_list(connection: &Connection, list: List) -> String {
    let mut values = list.values;
    values.push(Value::Integer(10));
    plan(connection, &list.sql, values)
}

fn plan(connection: &Connection, sql: &str, values: Vec<Value>) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement
        .query_map(params_from_iter(values), |row| row.get::<_, String>(3))
        .unwrap();
    steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_history_of_agents_goes_by_its_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.db");
    let (connection, _) = open_writer(&path, &SqliteOptions::default(), MIGRATIONS).unwrap();
    let plan = |sql: &str| {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let values = std::iter::repeat_n(Value::Integer(1), count);
        let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        steps.join("; ")
    };
    let newest = plan(history::NEWEST);
    assert_eq!(
        newest,
        "SEARCH agent_history USING PRIMARY KEY (agent=? AND since>? AND (since,node,instance)<(?,?,?))"
    );
    let sweep = plan(history::SWEEP);
    assert!(
        sweep.contains("agent_history_since (since<?)") && !sweep.contains("SCAN"),
        "{sweep}"
    );
}

#[test]
fn every_list_goes_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.db");
    let (connection, _) = open_writer(&path, &SqliteOptions::default(), MIGRATIONS).unwrap();
    let of = tenant("acme");
    let tasks = |query: TaskQuery, no| {
        let after = Some((at(5), task_id(&key("s"), 1)));
        plan_of_list(&connection, task_list(&of, &query, no, after))
    };
    let sessions = |query: SessionQuery| {
        let after = Some((at(5), key("s").journal));
        plan_of_list(&connection, session_list(&of, &query, after))
    };
    let resting = TaskQuery {
        status: Some(TaskStatus::Waiting),
        ..TaskQuery::default()
    };
    let running = TaskQuery {
        status: Some(TaskStatus::Running),
        ..TaskQuery::default()
    };
    let of_ann = TaskQuery {
        subject: Some(subject("ann")),
        ..TaskQuery::default()
    };
    let children = TaskQuery {
        parent: Some(task_id(&key("s"), 0)),
        ..TaskQuery::default()
    };
    let of_session = TaskQuery {
        journal: Some(key("s").journal),
        ..TaskQuery::default()
    };
    let sessions_of_ann = SessionQuery {
        subject: Some(subject("ann")),
        ..SessionQuery::default()
    };
    for (plan, index) in [
        (sessions(SessionQuery::default()), "sessions_by_creation"),
        (sessions(sessions_of_ann), "sessions_by_subject"),
        (tasks(TaskQuery::default(), None), "tasks_by_creation"),
        (tasks(of_ann, None), "tasks_by_subject"),
        (tasks(children, None), "tasks_by_parent"),
        (tasks(resting, None), "tasks_resting"),
        (tasks(running, None), "tasks_open"),
        (tasks(of_session, Some(1)), "INTEGER PRIMARY KEY"),
        (
            plan(&connection, OPEN, vec![Value::Integer(1); 3]),
            "COVERING INDEX tasks_open",
        ),
        (
            plan(&connection, DUE, vec![Value::Integer(1); 4]),
            "COVERING INDEX tasks_due",
        ),
        (
            plan(&connection, FULL, vec![Value::Integer(1); 3]),
            "COVERING INDEX sessions_full",
        ),
    ] {
        assert!(
            plan.starts_with("SEARCH") && plan.contains(index),
            "{index}: {plan}"
        );
    }
}

#[test]
fn no_write_of_a_task_makes_a_temporary_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let (connection, _) = open_writer(&path, &SqliteOptions::default(), MIGRATIONS).unwrap();
    for write in [
        "INSERT INTO tasks (id, tenant, journal, subject, own, status, created_at, updated_at, row)
         VALUES (1, 'a', 'b', 'c', 1, ?1, 1, 1, '') ON CONFLICT DO NOTHING",
        "UPDATE tasks SET status = ?1, due = 1, updated_at = 1, row = '' WHERE id = 1",
    ] {
        let mut program = connection.prepare(&format!("EXPLAIN {write}")).unwrap();
        let steps: Vec<String> = program
            .query_map(["COMPLETED"], |row| row.get(1))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(steps.iter().any(|step| step == "OpenWrite"), "{steps:?}");
        assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{steps:?}");
    }
}
