//! What the SQLite store promises beyond the contract: durability, groups, refusals.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use greenroom_kernel::{Appended, BlobId, Store, StoreError, StoreStats};
use greenroom_store::testkit::fixture::{append, at, key, slot};
use greenroom_store::{FailPoint, MigrationReport, SqliteOptions, SqliteStore};
use parking_lot::{Condvar, Mutex};
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(20);

fn refused(path: &Path) -> StoreError {
    SqliteStore::open(path, SqliteOptions::default()).err().unwrap()
}

fn new_path(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("greenroom.db")
}

/// Stops the writer before each commit while shut.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    moved: Condvar,
    waiting: AtomicUsize,
}

impl Gate {
    fn options(self: &Arc<Self>) -> SqliteOptions {
        let gate = Arc::clone(self);
        SqliteOptions {
            failpoint: Some(Arc::new(move |point| {
                if point == FailPoint::BeforeCommit {
                    gate.pass();
                }
                Ok(())
            })),
            ..SqliteOptions::default()
        }
    }

    fn pass(&self) {
        let mut shut = self.shut.lock();
        while *shut {
            self.waiting.store(1, Ordering::SeqCst);
            self.moved.wait(&mut shut);
        }
        self.waiting.store(0, Ordering::SeqCst);
    }

    fn set(&self, shut: bool) {
        *self.shut.lock() = shut;
        self.moved.notify_all();
    }

    async fn writer_waits(&self) {
        tokio::time::timeout(SOON, async {
            while self.waiting.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}

/// Queues an append of slot 0 for each number and returns when all are queued, none answered.
async fn queue(
    store: &Arc<SqliteStore>,
    numbers: std::ops::Range<u32>,
) -> JoinSet<Result<Appended, StoreError>> {
    let mut answers = JoinSet::new();
    for number in numbers {
        let mut asked = Box::pin({
            let store = Arc::clone(store);
            async move { store.append(append(&key(&format!("s{number}")), 0, 1)).await }
        });
        // The first poll queues it.
        assert!(futures_poll(&mut asked).await.is_none());
        answers.spawn(asked);
    }
    answers
}

async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_queues_during_a_commit_shares_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let store = Arc::new(SqliteStore::open(new_path(&folder), gate.options()).unwrap());
    gate.set(true);
    let mut first = queue(&store, 0..1).await;
    gate.writer_waits().await;
    let company = queue(&store, 1..65).await;
    assert_eq!(store.stats(), StoreStats::default());
    gate.set(false);
    for answer in company.join_all().await {
        assert_eq!(answer.unwrap(), Appended::Stored);
    }
    first.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(
        store.stats(),
        StoreStats {
            appends: 65,
            commits: 2
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_wait_for_no_writer_and_see_nothing_uncommitted() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let store = Arc::new(SqliteStore::open(new_path(&folder), gate.options()).unwrap());
    store.append(append(&key("s"), 0, 1)).await.unwrap();
    gate.set(true);
    let mut asked = Box::pin(store.append(append(&key("s"), 1, 2)));
    assert!(futures_poll(&mut asked).await.is_none());
    gate.writer_waits().await;
    let read = tokio::time::timeout(SOON, store.read(&key("s"), 0, 9)).await;
    assert_eq!(read.unwrap().unwrap(), [slot(0, 1)]);
    gate.set(false);
    assert_eq!(asked.await.unwrap(), Appended::Stored);
    assert_eq!(
        store.read(&key("s"), 0, 9).await.unwrap(),
        [slot(0, 1), slot(1, 2)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once_and_what_is_queued_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let options = SqliteOptions {
        queue: 2,
        ..gate.options()
    };
    let store = Arc::new(SqliteStore::open(new_path(&folder), options).unwrap());
    gate.set(true);
    let first = queue(&store, 0..1).await;
    gate.writer_waits().await;
    let queued = queue(&store, 1..3).await;
    let error = store.append(append(&key("s3"), 0, 1)).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Busy { operation: "append" }),
        "{error:?}"
    );
    gate.set(false);
    for answer in first.join_all().await.into_iter().chain(queued.join_all().await) {
        assert_eq!(answer.unwrap(), Appended::Stored);
    }
    assert_eq!(store.read(&key("s3"), 0, 9).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_caller_left_is_still_written() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let path = new_path(&folder);
    let store = Arc::new(SqliteStore::open(&path, gate.options()).unwrap());
    gate.set(true);
    let mut asked = queue(&store, 0..1).await;
    asked.shutdown().await;
    gate.set(false);
    drop(store);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    assert_eq!(store.read(&key("s0"), 0, 9).await.unwrap(), [slot(0, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_ends_the_store_and_answers_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_path(&folder);
    let fatal = Arc::new(Mutex::new(Vec::new()));
    let (seen, calls) = (Arc::clone(&fatal), AtomicUsize::new(0));
    let options = SqliteOptions {
        on_fatal: Arc::new(move |error| seen.lock().push(error.to_string())),
        failpoint: Some(Arc::new(move |point| {
            let second = point == FailPoint::BeforeCommit && calls.fetch_add(1, Ordering::SeqCst) == 1;
            if second {
                return Err(io::Error::other("the disk is gone"));
            }
            Ok(())
        })),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&path, options).unwrap();
    store.append(append(&key("s"), 0, 1)).await.unwrap();
    for seq in [1, 1] {
        let error = store.append(append(&key("s"), seq, 2)).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Unanswered {
                    operation: "append",
                    source: Some(_)
                }
            ),
            "{error:?}"
        );
        assert!(!error.is_definite());
    }
    drop(store);
    assert_eq!(*fatal.lock(), ["store: commit was not answered"]);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    assert_eq!(store.read(&key("s"), 0, 9).await.unwrap(), [slot(0, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_does_not_fit_and_keeps_what_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        max_pages: Some(100),
        on_fatal: Arc::new(|error| panic!("{error}")),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(new_path(&folder), options).unwrap();
    let content = "x".repeat(8 * 1024);
    let mut kept = 0;
    let error = loop {
        let mut large = append(&key("s"), kept, 1);
        large.slot.entries = vec![
            greenroom_kernel::Entry::Deleted,
            greenroom_kernel::Entry::Retitled {
                title: Some(content.clone()),
            },
        ];
        match store.append(large).await {
            Ok(answer) => assert_eq!(answer, Appended::Stored),
            Err(error) => break error,
        }
        kept += 1;
    };
    assert!(
        matches!(
            error,
            StoreError::Full {
                operation: "append",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_definite() && kept > 10);
    let said = store.writable().await.unwrap_err().to_string();
    assert!(said.contains("is full: free some space there"), "{said}");
    assert_eq!(store.read(&key("s"), 0, 1_000).await.unwrap().len() as u64, kept);
    // Room again: the very append that failed succeeds.
    store.hollow(&key("s")).await.unwrap();
    assert_eq!(
        store.append(append(&key("s"), kept, 1)).await.unwrap(),
        Appended::Stored
    );
    store.writable().await.unwrap();
    let beside: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(beside.iter().all(|one| {
        !one.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("probe")
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_session_is_hollowed_in_steps_between_which_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(new_path(&folder), SqliteOptions::default()).unwrap());
    for seq in 0..100 {
        let mut large = append(&key("s"), seq, 1);
        large.slot.entries = vec![
            greenroom_kernel::Entry::Deleted,
            greenroom_kernel::Entry::Retitled {
                title: Some("x".repeat(200_000)),
            },
        ];
        assert_eq!(store.append(large).await.unwrap(), Appended::Stored);
    }
    let mut hollowing = JoinSet::new();
    let emptied = Arc::clone(&store);
    hollowing.spawn(async move { emptied.hollow(&key("s")).await.unwrap() });
    let mut meanwhile = 0;
    while hollowing.try_join_next().is_none() {
        store.append(append(&key("t"), meanwhile, 1)).await.unwrap();
        meanwhile += 1;
    }
    assert!(meanwhile >= 5, "others wrote {meanwhile} times");
    let slots = store.read(&key("s"), 0, 1_000).await.unwrap();
    assert!(
        slots
            .iter()
            .all(|slot| slot.entries == [greenroom_kernel::Entry::Deleted])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_fit_takes_no_other_of_its_group_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let options = SqliteOptions {
        max_pages: Some(100),
        ..gate.options()
    };
    let store = Arc::new(SqliteStore::open(new_path(&folder), options).unwrap());
    gate.set(true);
    let first = queue(&store, 0..1).await;
    gate.writer_waits().await;
    let before = queue(&store, 1..9).await;
    let content = "x".repeat(1 << 20);
    let (id, blob_key) = (BlobId::of(&content), key("s1"));
    let mut blob = Box::pin(store.put_blob(&blob_key, &id, &content));
    assert!(futures_poll(&mut blob).await.is_none());
    let behind = queue(&store, 9..17).await;
    gate.set(false);
    let error = blob.await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Full {
                operation: "put_blob",
                ..
            }
        ),
        "{error:?}"
    );
    for company in [first, before, behind] {
        for answer in company.join_all().await {
            assert_eq!(answer.unwrap(), Appended::Stored);
        }
    }
    assert_eq!(store.stats().appends, 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_stays_short_while_writers_never_pause() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_path(&folder);
    let options = SqliteOptions {
        checkpoint_pages: 20,
        ..SqliteOptions::default()
    };
    let store = Arc::new(SqliteStore::open(&path, options).unwrap());
    let content = "x".repeat(1 << 16);
    let mut written = 0;
    for round in 0..8 {
        let mut writers = JoinSet::new();
        for number in 0..16 {
            let (store, content) = (Arc::clone(&store), format!("{round} {number} {content}"));
            written += content.len() as u64;
            writers.spawn(async move {
                let id = BlobId::of(&content);
                store.put_blob(&key("s"), &id, &content).await.unwrap();
            });
        }
        writers.join_all().await;
        let log = folder.path().join("greenroom.db-wal");
        let short = async {
            // Each look writes, so that a checkpoint is asked for and the log may begin anew.
            for nudge in 0_u128.. {
                if std::fs::metadata(&log).unwrap().len() < written / 2 || round < 4 {
                    break;
                }
                let nudge = format!("{round}.{nudge} {content}");
                store
                    .put_blob(&key("s"), &BlobId::of(&nudge), &nudge)
                    .await
                    .unwrap();
                written += nudge.len() as u64;
            }
        };
        tokio::time::timeout(SOON, short).await.unwrap();
    }
}

#[tokio::test]
async fn a_second_opener_is_refused_by_name_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_path(&folder);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    for error in [refused(&path), SqliteStore::migrate(&path).unwrap_err()] {
        match error {
            StoreError::InUse { holder, path: told } => {
                assert_eq!(holder, Some(format!("process {}", std::process::id())));
                assert_eq!(told, path.display().to_string());
            }
            other => panic!("{other:?}"),
        }
    }
    store.append(append(&key("s"), 0, 1)).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    assert_eq!(store.read(&key("s"), 0, 9).await.unwrap(), [slot(0, 1)]);
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, "certainly no database ".repeat(1_000)).unwrap();
    let before = std::fs::read(&garbage).unwrap();
    let error = refused(&garbage);
    assert!(
        matches!(
            error,
            StoreError::Corrupt {
                operation: "open",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&garbage).unwrap(), before);

    let other = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE notes (text)").unwrap();
    drop(connection);
    let before = std::fs::read(&other).unwrap();
    let error = refused(&other);
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(std::fs::read(&other).unwrap(), before);

    let error = refused(folder.path());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_entry_is_reported_as_corrupt_and_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_path(&folder);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    for seq in 0..3 {
        store.append(append(&key("s"), seq, 1)).await.unwrap();
    }
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute(
            "UPDATE slots SET entries = '[\"nonsense\"]' WHERE id & 4294967295 = 2",
            [],
        )
        .unwrap();
    drop(connection);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    let error = store.read(&key("s"), 0, 9).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Corrupt {
                operation: "read",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(store.read(&key("s"), 0, 2).await.unwrap().len(), 2);
    assert_eq!(
        store.append(append(&key("s"), 3, 1)).await.unwrap(),
        Appended::Stored
    );
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_path(&folder);
    let MigrationReport { from: 0, to: now } = SqliteStore::migrate(&path).unwrap() else {
        panic!("the file is new")
    };
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    for error in [refused(&path), SqliteStore::migrate(&path).unwrap_err()] {
        match error {
            StoreError::Newer { found, known, .. } => assert_eq!((found, known), (99, now)),
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_can_not_be_written_is_refused_as_read_only() {
    // Nobody may create files there, not even root.
    let error = refused(Path::new("/sys/greenroom.db"));
    assert!(
        matches!(
            error,
            StoreError::ReadOnly {
                operation: "open",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn every_file_is_its_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/greenroom.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    store.append(append(&key("s"), 0, 1)).await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file:?}");
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "greenroom.db",
            "greenroom.db-shm",
            "greenroom.db-wal",
            "greenroom.db.lock"
        ]
    );
}

#[tokio::test]
async fn a_closed_store_is_one_file_and_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_path(&folder);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    store.append(append(&key("s"), 0, 1)).await.unwrap();
    assert_eq!(store.read(&key("s"), 0, 9).await.unwrap().len(), 1);
    drop(store);
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["greenroom.db", "greenroom.db.lock"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slowed_sync_is_paid_once_a_group_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let told: Arc<Mutex<Vec<(usize, Duration)>>> = Arc::default();
    let hook = Arc::clone(&told);
    let options = SqliteOptions {
        on_commit: Some(Arc::new(move |appends, took| hook.lock().push((appends, took)))),
        sync_delay: Some(Duration::from_millis(4)),
        ..SqliteOptions::default()
    };
    let store = Arc::new(SqliteStore::open(new_path(&folder), options).unwrap());
    let begun = std::time::Instant::now();
    let answers = queue(&store, 0..64).await.join_all().await;
    assert!(
        answers
            .into_iter()
            .all(|answer| answer.unwrap() == Appended::Stored)
    );
    let commits = store.stats().commits;
    assert!(begun.elapsed() >= Duration::from_millis(4) * u32::try_from(commits).unwrap());
    assert!(commits < 64, "{commits} commits for 64 callers");
    let told = told.lock().clone();
    assert_eq!(told.len() as u64, commits);
    assert_eq!(told.iter().map(|(appends, _)| appends).sum::<usize>(), 64);
    assert!(told.iter().all(|(_, took)| *took >= Duration::from_millis(4)));
    assert_eq!(store.open_journals(at(0), None, 9).await.unwrap(), []);
}
