//! What a backup holds and a restore puts back, and what both refuse.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use greenroom_kernel::{Appended, BlobId, Store, StoreError};
use greenroom_store::testkit::fixture::{append, key};
use greenroom_store::{RestoreReport, SqliteOptions, SqliteStore, StoreCopy};
use tokio::task::JoinSet;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.file("greenroom.sqlite")
    }

    /// What is in the folder, by name.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::default()).unwrap()
}

fn backup(path: &Path, file: &Path) -> Result<StoreCopy, StoreError> {
    SqliteStore::backup(path, file, false, &mut |_, _| {})
}

fn restore(file: &Path, path: &Path, replace: bool) -> Result<RestoreReport, StoreError> {
    SqliteStore::restore(file, path, replace, &mut |_, _| {})
}

/// Writes slots `0..count` of a journal.
async fn write(store: &SqliteStore, journal: &str, count: u64) {
    let key = key(journal);
    for seq in 0..count {
        let stored = store.append(append(&key, seq, u128::from(seq))).await.unwrap();
        assert!(matches!(stored, Appended::Stored), "{stored:?}");
    }
}

/// How many slots of a journal are there.
async fn slots(store: &SqliteStore, journal: &str) -> usize {
    store.read(&key(journal), 0, 1_000).await.unwrap().len()
}

#[track_caller]
fn told(error: Result<impl std::fmt::Debug, StoreError>, words: &[&str]) {
    let error = error.unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_taken_while_many_write_holds_all_that_was_acknowledged_before_and_no_gap() {
    let place = Place::new();
    let store = Arc::new(open(&place.store()));
    // Enough that copying takes several steps, with commits between them.
    for blob in 0..64 {
        let id = BlobId::of(&format!("blob {blob}"));
        let content = "x".repeat(64 << 10);
        store.put_blob(&key("large"), &id, &content).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged: Arc<[AtomicU64; 16]> = Arc::default();
    let mut writers = JoinSet::new();
    for journal in 0..16 {
        let (store, stop, acknowledged) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&acknowledged));
        writers.spawn(async move {
            let key = key(&format!("j{journal}"));
            let mut seq = 0;
            while !stop.load(Ordering::SeqCst) && seq < 900 {
                store.append(append(&key, seq, u128::from(seq))).await.unwrap();
                seq += 1;
                acknowledged[journal].store(seq, Ordering::SeqCst);
            }
        });
    }
    let until = Instant::now() + Duration::from_secs(20);
    while acknowledged.iter().any(|count| count.load(Ordering::SeqCst) < 5) {
        assert!(Instant::now() < until, "the writers don't write");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before: Vec<u64> = acknowledged
        .iter()
        .map(|count| count.load(Ordering::SeqCst))
        .collect();
    let (from, to) = (place.store(), place.file("copy"));
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let copied = tokio::task::spawn_blocking(move || {
        SqliteStore::backup(&from, &to, false, &mut |done, all| {
            assert!(0 < done && done <= all);
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(10));
        })
    });
    let copied = copied.await.unwrap().unwrap();
    assert!(steps.load(Ordering::SeqCst) > 2, "one step proves nothing");
    stop.store(true, Ordering::SeqCst);
    writers.join_all().await;
    let after: Vec<u64> = acknowledged
        .iter()
        .map(|count| count.load(Ordering::SeqCst))
        .collect();
    assert!(before < after, "nobody wrote during the copy");

    assert_eq!(copied.bytes, std::fs::metadata(place.file("copy")).unwrap().len());
    let elsewhere = place.file("elsewhere/again.sqlite");
    assert_eq!(
        restore(&place.file("copy"), &elsewhere, false).unwrap().aside,
        None
    );
    let restored = open(&elsewhere);
    for (journal, before) in before.iter().enumerate() {
        let slots = restored
            .read(&key(&format!("j{journal}")), 0, 1_000)
            .await
            .unwrap();
        assert!(
            slots.len() as u64 >= *before,
            "j{journal}: {} of {before}",
            slots.len()
        );
        assert!(
            slots
                .iter()
                .enumerate()
                .all(|(index, slot)| slot.seq == index as u64),
            "j{journal} has a gap"
        );
    }
    // And it is one to write on.
    write(&restored, "new", 3).await;
}

#[tokio::test]
async fn a_backup_is_one_file_of_its_owner_s_and_nothing_is_left_beside_it() {
    let place = Place::new();
    let store = open(&place.store());
    write(&store, "a", 3).await;
    let copied = backup(&place.store(), &place.file("copy")).unwrap();
    let schema = SqliteStore::migrate(place.file("another")).unwrap().to;
    assert_eq!((copied.schema, copied.sessions, copied.tasks), (schema, 0, 0));
    let mode = std::fs::metadata(place.file("copy"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let names: Vec<String> = place
        .names()
        .into_iter()
        .filter(|name| name.starts_with("copy"))
        .collect();
    assert_eq!(names, ["copy"]);
    drop(store);
    // And of a store that nobody has open, whether or not its log was copied into it.
    backup(&place.store(), &place.file("second")).unwrap();
    assert_eq!(slots(&open(&place.file("second")), "a").await, 3);
}

#[tokio::test]
async fn a_store_comes_back_and_the_one_in_its_place_is_kept() {
    let place = Place::new();
    let store = open(&place.store());
    write(&store, "a", 3).await;
    backup(&place.store(), &place.file("copy")).unwrap();
    write(&store, "later", 2).await;
    drop(store);
    told(
        restore(&place.file("copy"), &place.store(), false),
        &["greenroom.sqlite is there already", "--force"],
    );
    let aside = restore(&place.file("copy"), &place.store(), true)
        .unwrap()
        .aside
        .unwrap();
    let store = open(&place.store());
    assert_eq!((slots(&store, "a").await, slots(&store, "later").await), (3, 0));
    drop(store);
    assert_eq!(slots(&open(&aside), "later").await, 2);
    // A second time it is kept under another name.
    let second = restore(&place.file("copy"), &place.store(), true)
        .unwrap()
        .aside
        .unwrap();
    assert_ne!(aside, second);
    assert_eq!(slots(&open(&second), "a").await, 3);
}

#[tokio::test]
async fn the_log_of_a_killed_process_is_part_of_its_backup_and_of_what_is_kept() {
    let place = Place::new();
    let store = open(&place.store());
    write(&store, "a", 3).await;
    // As a kill leaves it: the log is not copied into the file.
    let killed = place.file("killed.sqlite");
    for end in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        std::fs::copy(name(&place.store()), name(&killed)).unwrap();
    }
    backup(&killed, &place.file("copy")).unwrap();
    assert_eq!(slots(&open(&place.file("copy")), "a").await, 3);
    let aside = restore(&place.file("copy"), &killed, true)
        .unwrap()
        .aside
        .unwrap();
    assert_eq!(slots(&open(&aside), "a").await, 3);
    assert_eq!(slots(&open(&killed), "a").await, 3);
}

#[tokio::test]
async fn nothing_is_put_in_the_place_of_a_store_that_a_process_has() {
    let place = Place::new();
    let store = open(&place.store());
    write(&store, "a", 1).await;
    backup(&place.store(), &place.file("copy")).unwrap();
    told(
        restore(&place.file("copy"), &place.store(), true),
        &["in use by another process", &std::process::id().to_string()],
    );
    assert_eq!(slots(&store, "a").await, 1);
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_changes_nothing() {
    let place = Place::new();
    let store = open(&place.store());
    write(&store, "a", 1).await;
    backup(&place.store(), &place.file("copy")).unwrap();
    drop(store);
    let whole = std::fs::read(place.file("copy")).unwrap();

    std::fs::write(
        place.file("text"),
        "not a store, but long enough to be looked at".repeat(100),
    )
    .unwrap();
    told(restore(&place.file("text"), &place.store(), true), &["text"]);
    told(
        restore(&place.file("none"), &place.store(), true),
        &["there is no file", "none"],
    );
    std::fs::write(place.file("empty"), "").unwrap();
    told(
        restore(&place.file("empty"), &place.store(), true),
        &["empty holds nothing"],
    );
    std::fs::write(place.file("half"), &whole[..whole.len() / 2]).unwrap();
    told(restore(&place.file("half"), &place.store(), true), &["half"]);
    // One page in the middle is other bytes.
    let mut damaged = whole.clone();
    let middle = damaged.len() / 4096 / 2 * 4096;
    damaged[middle..middle + 4096].fill(0xAB);
    std::fs::write(place.file("damaged"), damaged).unwrap();
    told(
        restore(&place.file("damaged"), &place.store(), true),
        &["damaged"],
    );
    let newer = place.file("newer");
    std::fs::write(&newer, &whole).unwrap();
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    told(
        restore(&newer, &place.store(), true),
        &["schema 99", "newer greenroom"],
    );
    told(
        restore(&place.store(), &place.store(), true),
        &["is the store itself"],
    );

    assert_eq!(slots(&open(&place.store()), "a").await, 1);
    let names = place.names();
    let left = names
        .iter()
        .any(|name| name.contains("replaced") || name.contains("restoring"));
    assert!(!left, "{names:?}");
}

#[tokio::test]
async fn a_backup_goes_over_nothing_unless_it_may_and_never_over_the_store() {
    let place = Place::new();
    let store = open(&place.store());
    write(&store, "a", 1).await;
    std::fs::write(place.file("there"), "mine").unwrap();
    told(
        backup(&place.store(), &place.file("there")),
        &["there is there already", "--force"],
    );
    assert_eq!(std::fs::read(place.file("there")).unwrap(), b"mine");
    for own in [
        "greenroom.sqlite",
        "greenroom.sqlite-wal",
        "greenroom.sqlite.lock",
        "greenroom.sqlite.sock",
    ] {
        let over = SqliteStore::backup(place.store(), place.file(own), true, &mut |_, _| {});
        told(over, &["is the store's own"]);
    }
    std::os::unix::fs::symlink(place.store(), place.file("link")).unwrap();
    let over = SqliteStore::backup(place.store(), place.file("link"), true, &mut |_, _| {});
    told(over, &["is the store's own"]);
    told(
        backup(&place.file("none"), &place.file("copy")),
        &["there is no file"],
    );
    told(
        backup(&place.store(), &place.file("nowhere/copy")),
        &["there is no folder"],
    );
    SqliteStore::backup(place.store(), place.file("there"), true, &mut |_, _| {}).unwrap();
    assert_eq!(slots(&open(&place.file("there")), "a").await, 1);
}

#[tokio::test]
async fn what_a_killed_backup_left_is_in_nobody_s_way() {
    let place = Place::new();
    let store = open(&place.store());
    write(&store, "a", 1).await;
    std::fs::write(place.file("copy.part"), "x".repeat(1 << 20)).unwrap();
    std::fs::write(place.file("copy.part-journal"), "x".repeat(1 << 20)).unwrap();
    backup(&place.store(), &place.file("copy")).unwrap();
    assert_eq!(slots(&open(&place.file("copy")), "a").await, 1);
    let left = place.names().iter().any(|name| name.contains("part"));
    assert!(!left, "{:?}", place.names());
    // While another writes it, it is the other's.
    let held = std::fs::File::create(place.file("busy.part")).unwrap();
    held.lock().unwrap();
    told(
        backup(&place.store(), &place.file("busy")),
        &["being written by another process"],
    );
}
