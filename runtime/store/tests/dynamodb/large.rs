//! Payloads that a bucket keeps: whole, or not at all; and gone with their journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenroom_kernel::{
    Appended, BlobId, Entry, LARGE_PAYLOAD_LIMIT, PAYLOAD_LIMIT, Projection, SessionRow, Store, StoreError,
};
use greenroom_store::testkit::fixture::{Pen, at, key, session};
use greenroom_store::{DynamoOptions, DynamoStore, store_contract};

use crate::emulator::Emulator;
use crate::proxy::{Proxy, Trouble};

store_contract! { in turn, every_case_with_a_bucket(at: (Emulator, String)) => async |(emulator, url): &(Emulator, String)| {
    (Arc::new(emulator.store_with_bucket(url).await.0) as Arc<dyn Store>, ())
} }

/// A text of a length, that begins with `fill`.
fn text(fill: &str, bytes: usize) -> (BlobId, String) {
    let text = format!("{fill}{}", "é".repeat((bytes - fill.len()) / 2));
    (BlobId::of(&text), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_contract_holds_with_a_bucket_that_nothing_needs() {
    let emulator = Emulator::start();
    let url = emulator.url.clone();
    every_case_with_a_bucket(&(emulator, url)).await;
}

/// A session's whole life with large payloads in it.
async fn lives(trouble: Trouble) {
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, trouble).await;
    let (store, bucket) = emulator.store_with_bucket(&proxy.url).await;
    assert_eq!(store.payload_limit().bytes, LARGE_PAYLOAD_LIMIT);
    let of = key("s");
    let (id, content) = text("one", 6 * 1024 * 1024);
    assert_eq!(store.blob(&of, &id).await.unwrap(), None);
    store.put_blob(&of, &id, &content).await.unwrap();
    let listed = emulator.ministack.listed(&bucket);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(listed[0].starts_with("kept/acme/s/"), "{listed:?}");
    // The same again keeps no second one, nor sends it again.
    proxy.take_counts();
    store.put_blob(&of, &id, &content).await.unwrap();
    assert_eq!(proxy.take_counts().get("object PUT"), None);
    assert_eq!(emulator.ministack.listed(&bucket), listed);
    assert_eq!(store.blob(&of, &id).await.unwrap().as_deref(), Some(&*content));

    // Another process, which writes the same in another journal, and what is largest.
    let (largest_id, largest) = text("2", LARGE_PAYLOAD_LIMIT);
    let other = key("other");
    store.put_blob(&other, &largest_id, &largest).await.unwrap();
    assert_eq!(
        store.blob(&other, &largest_id).await.unwrap().as_deref(),
        Some(&*largest)
    );
    assert_eq!(store.blob(&of, &largest_id).await.unwrap(), None);
    let over = store
        .put_blob(&of, &BlobId::of("x"), &format!("{largest}xxx"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            over,
            StoreError::TooLarge {
                limit: LARGE_PAYLOAD_LIMIT,
                ..
            }
        ),
        "{over}"
    );
    assert_eq!(emulator.ministack.listed(&bucket).len(), 2);

    // The session is deleted: its own go, others' stay.
    let mut pen = Pen::new(of.clone());
    let deleted = SessionRow {
        deleted: true,
        ..session(&of, 5)
    };
    let rows = |row| Projection {
        session: Some(row),
        ..Projection::default()
    };
    assert_eq!(
        store.append(pen.with(rows(session(&of, 5)))).await.unwrap(),
        Appended::Stored
    );
    let mut last = pen.with(rows(deleted));
    last.slot.entries = vec![Entry::Deleted];
    assert_eq!(store.append(last).await.unwrap(), Appended::Stored);
    store.hollow(&of).await.unwrap();
    assert_eq!(store.blob(&of, &id).await.unwrap(), None);
    let left = emulator.ministack.listed(&bucket);
    assert!(left.len() == 1 && left[0].contains("/other/"), "{left:?}");
    // A journal that never came to be: met by one sweep, gone a day later.
    const DAY: i64 = 24 * 3_600 * 1_000;
    assert_eq!(store.sweep(at(0), at(DAY), 9).await.unwrap(), 0);
    assert_eq!(store.sweep(at(0), at(3 * DAY), 9).await.unwrap(), 1);
    assert_eq!(emulator.ministack.listed(&bucket), Vec::<String>::new());
    assert_eq!(store.blob(&other, &largest_id).await.unwrap(), None);
    assert!(proxy.troubled() > 5, "{}", proxy.troubled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_large_payload_lives_and_goes_with_its_journal() {
    lives(Trouble::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_large_payload_lives_while_every_third_request_is_told_to_slow_down() {
    lives(Trouble::Throttles).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_large_payload_lives_while_every_third_answer_is_lost() {
    lives(Trouble::DropsAnswers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn what_is_kept_again_while_a_sweep_takes_it_away_is_there_or_was_never_promised() {
    const DAY: i64 = 24 * 3_600 * 1_000;
    let emulator = Emulator::start();
    let (store, bucket) = emulator.store_with_bucket(&emulator.url).await;
    let store = Arc::new(store);
    let (id, content) = text("one", PAYLOAD_LIMIT + 2);
    let mut day = 1;
    for number in 0..16_u64 {
        let of = key(&format!("s{number}"));
        store.put_blob(&of, &id, &content).await.unwrap();
        assert_eq!(store.sweep(at(0), at(day * DAY), 99).await.unwrap(), 0);
        let late = async {
            tokio::time::sleep(Duration::from_millis(2 * number)).await;
            store.put_blob(&of, &id, &content).await
        };
        let (_, kept) = tokio::join!(store.sweep(at(0), at((day + 2) * DAY), 99), late);
        day += 4;
        match kept {
            Ok(()) => assert_eq!(
                store.blob(&of, &id).await.unwrap().as_deref(),
                Some(&*content),
                "journal {number}"
            ),
            Err(StoreError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        // Whatever came of it, it goes when its time comes.
        store.sweep(at(0), at(day * DAY), 99).await.unwrap();
        store.sweep(at(0), at((day + 2) * DAY), 99).await.unwrap();
        day += 4;
        assert_eq!(
            emulator.ministack.listed(&bucket),
            Vec::<String>::new(),
            "journal {number}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn what_is_kept_again_when_a_sweep_has_read_it_and_is_about_to_take_it_stays() {
    const DAY: i64 = 24 * 3_600 * 1_000;
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::None).await;
    let options = emulator.options_with_bucket(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let behind = DynamoOptions {
        endpoint: Some(proxy.url.clone()),
        ..options.clone()
    };
    let sweeper = DynamoStore::open(behind).await.unwrap();
    let keeper = Arc::new(DynamoStore::open(options).await.unwrap());
    let of = key("s");
    let (id, content) = text("one", PAYLOAD_LIMIT + 2);
    keeper.put_blob(&of, &id, &content).await.unwrap();
    assert_eq!(sweeper.sweep(at(0), at(DAY), 9).await.unwrap(), 0);
    let (again, what) = (Arc::clone(&keeper), (of.clone(), id.clone(), content.clone()));
    let met = Arc::new(AtomicBool::new(false));
    let moment = Arc::clone(&met);
    proxy.tell_writes(move |_, request| {
        if request["Item"].get("going").is_some() {
            moment.store(true, Ordering::SeqCst);
            let (of, id, content) = &what;
            let kept = again.put_blob(of, id, content);
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(kept)).unwrap();
        }
    });
    sweeper.sweep(at(0), at(3 * DAY), 9).await.unwrap();
    assert!(met.load(Ordering::SeqCst), "the sweep never came to it");
    assert_eq!(keeper.blob(&of, &id).await.unwrap().as_deref(), Some(&*content));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_bucket_that_is_gone_holds_up_no_sweep_and_another_takes_what_was_begun_there() {
    const DAY: i64 = 24 * 3_600 * 1_000;
    let emulator = Emulator::start();
    let options = emulator.options_with_bucket(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let store = DynamoStore::open(options.clone()).await.unwrap();
    let (id, content) = text("one", PAYLOAD_LIMIT + 2);
    store.put_blob(&key("s"), &id, &content).await.unwrap();
    let gone = options.payload_bucket.clone().unwrap();
    for object in emulator.ministack.listed(&gone) {
        emulator.ministack.delete_object(&gone, &object);
    }
    emulator.ministack.delete_bucket(&gone);

    let begun = store.put_blob(&key("t"), &id, &content).await.unwrap_err();
    assert!(matches!(begun, StoreError::Refused { .. }), "{begun}");
    let another = "payloads-of-later";
    emulator.ministack.make_bucket(another, "us-east-1");
    let mended = DynamoOptions {
        payload_bucket: Some(another.to_owned()),
        ..options
    };
    let mended = DynamoStore::open(mended).await.unwrap();
    mended.put_blob(&key("t"), &id, &content).await.unwrap();
    assert_eq!(
        mended.blob(&key("t"), &id).await.unwrap().as_deref(),
        Some(&*content)
    );

    assert_eq!(mended.sweep(at(0), at(DAY), 9).await.unwrap(), 0);
    assert_eq!(mended.sweep(at(0), at(3 * DAY), 9).await.unwrap(), 2);
    for of in ["s", "t"] {
        assert_eq!(mended.blob(&key(of), &id).await.unwrap(), None, "{of}");
    }
    assert_eq!(emulator.ministack.listed(another), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn what_a_bucket_lost_or_changed_is_told_and_what_needs_none_goes_on() {
    let emulator = Emulator::start();
    let options = emulator.options_with_bucket(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let store = DynamoStore::open(options.clone()).await.unwrap();
    let of = key("s");
    let (id, content) = text("one", PAYLOAD_LIMIT + 2);
    store.put_blob(&of, &id, &content).await.unwrap();

    // Without the key it is still read, for the table knows where it is; and nothing new goes there.
    let without = DynamoOptions {
        payload_bucket: None,
        ..options.clone()
    };
    let without = DynamoStore::open(without).await.unwrap();
    assert_eq!(without.blob(&of, &id).await.unwrap().as_deref(), Some(&*content));
    let (other, larger) = text("two", PAYLOAD_LIMIT + 2);
    let refused = without.put_blob(&of, &other, &larger).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::TooLarge {
                limit: PAYLOAD_LIMIT,
                ..
            }
        ),
        "{refused}"
    );
    let why = without.payload_limit().refuses(larger.len()).unwrap();
    assert!(why.contains("store.payload_bucket"), "{why}");

    // Somebody else wrote there.
    let bucket = options.payload_bucket.clone().unwrap();
    let object = emulator.ministack.listed(&bucket).remove(0);
    emulator.ministack.put_object(&bucket, &object, "not that");
    let corrupt = store.blob(&of, &id).await.unwrap_err();
    assert!(
        matches!(&corrupt, StoreError::Corrupt { what, .. } if what.contains(&object)),
        "{corrupt}"
    );
    emulator.ministack.delete_object(&bucket, &object);
    let missing = store.blob(&of, &id).await.unwrap_err();
    assert!(missing.to_string().contains("is missing"), "{missing}");
    // What is small needs no bucket.
    store.put_blob(&of, &BlobId::of("small"), "small").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn each_way_of_not_reaching_the_bucket_says_what_to_do() {
    let emulator = Emulator::start();
    let options = emulator.options_with_bucket(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let store = DynamoStore::open(options.clone()).await.unwrap();
    store.check_bucket().await.unwrap();
    assert!(
        store.place().contains("with bucket payloads-t0"),
        "{}",
        store.place()
    );
    assert_eq!(emulator.ministack.listed("payloads-t0"), Vec::<String>::new());

    let elsewhere = DynamoOptions {
        payload_bucket: Some("nobodys".to_owned()),
        ..options.clone()
    };
    let (what, remedy) = crate::refused(elsewhere).await;
    assert!(what.contains("there is no bucket nobodys in us-east-1"), "{what}");
    assert!(remedy.contains("store.payload_bucket"), "{remedy}");
    for (status, code, said) in [
        (403, "AccessDenied", "s3:ListBucket"),
        (400, "ExpiredToken", "aws sso login"),
        (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "clock"),
        (301, "PermanentRedirect", "store.region"),
    ] {
        let proxy = Proxy::start(&emulator.url, Trouble::RefusesObjects(status, code)).await;
        let behind = DynamoOptions {
            payload_endpoint: Some(proxy.url.clone()),
            ..options.clone()
        };
        let (what, remedy) = crate::refused(behind).await;
        assert!(remedy.contains(said), "{code}: {what}; {remedy}");
    }
}
