//! The store on DynamoDB, against an emulator that is right under races: directly, and through what a busy service and a
//! network do.
#![cfg(feature = "dynamodb")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands"
)]

#[path = "dynamodb/emulator.rs"]
mod emulator;
#[path = "dynamodb/lag.rs"]
mod lag;
#[path = "dynamodb/large.rs"]
mod large;
#[path = "dynamodb/proxy.rs"]
mod proxy;
#[path = "dynamodb/races.rs"]
mod races;
#[path = "dynamodb/shares.rs"]
mod shares;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    AgentHistory, AgentName, Appended, BlobId, HistoryQuery, Ledger, Nodes, PageRequest, Projection, Records,
    SessionQuery, Store, StoreError, TaskRow, TaskStatus,
};
use greenroom_store::testkit::fixture::{Pen, append, key, message, session, task};
use greenroom_store::{
    DynamoOptions, DynamoStore, SharedCredentialsProvider, history_contract, ledger_contract, nodes_contract,
    store_contract,
};

use emulator::Emulator;
use proxy::{Proxy, Trouble};

store_contract! { in turn, every_case(at: (Emulator, String)) => async |(emulator, url): &(Emulator, String)| {
    (Arc::new(emulator.store(url).await) as Arc<dyn Store>, ())
} }

ledger_contract! { in turn, every_case_of_the_ledger(at: (Emulator, String)) =>
    async |(emulator, url): &(Emulator, String)| {
        (Arc::new(emulator.store(url).await) as Arc<dyn Ledger>, ())
    }
}

nodes_contract! { in turn, every_case_of_the_nodes(at: (Emulator, String)) =>
    async |(emulator, url): &(Emulator, String)| {
        (Arc::new(emulator.store(url).await) as Arc<dyn Nodes>, ())
    }
}

history_contract! { in turn, every_case_of_the_history(at: (Emulator, String)) =>
    async |(emulator, url): &(Emulator, String)| {
        (Arc::new(emulator.store(url).await) as Arc<dyn AgentHistory>, ())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_history_s_contract_holds_directly_and_through_trouble() {
    let emulator = Emulator::start();
    let mut at = (emulator, String::new());
    for trouble in [Trouble::None, Trouble::Throttles, Trouble::DropsAnswers] {
        let proxy = Proxy::start(&at.0.url, trouble).await;
        at.1 = proxy.url.clone();
        every_case_of_the_history(&at).await;
        assert!(proxy.troubled() > 20, "{}", proxy.troubled());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_beat_of_25_instances_is_one_request_of_a_unit_each_and_expires_by_itself() {
    use greenroom_store::testkit::history_contract::{noon_and, record};
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::None).await;
    let options = emulator.options(&proxy.url);
    DynamoStore::migrate(&options).await.unwrap();
    let keeping = async |keep_history| {
        let options = DynamoOptions {
            keep_history,
            ..options.clone()
        };
        DynamoStore::open(options).await.unwrap()
    };
    let (long, brief) = (
        keeping(Duration::from_secs(86_400)).await,
        keeping(Duration::ZERO).await,
    );
    proxy.take_counts();
    for beat in 0..3 {
        let of = |n: i64| {
            record(
                "helper",
                &format!("helper@http://10.0.0.{n}:7071"),
                0,
                30_000 * beat,
            )
        };
        let before = long.usage();
        long.note((0..25).map(of).collect()).await.unwrap();
        assert_eq!(proxy.take_counts(), [("BatchWriteItem".to_owned(), 1)].into());
        assert_eq!(long.usage().write_units - before.write_units, 25.0, "beat {beat}");
    }
    brief.note(vec![record("helper", "brief", 5, 5)]).await.unwrap();
    proxy.take_counts();
    let query = HistoryQuery {
        agent: AgentName::parse("helper").unwrap(),
        from: noon_and(0),
        to: noon_and(9),
    };
    let page = PageRequest {
        after: None,
        limit: 50,
    };
    let shown = brief.history(&query, &page).await.unwrap();
    assert_eq!(
        (shown.rows.len(), shown.next),
        (25, None),
        "what has expired is not shown, reaped or not"
    );
    assert_eq!(proxy.take_counts(), [("Query".to_owned(), 1)].into());
    assert_eq!(brief.sweep_history(noon_and(0), 9).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_nodes_contract_holds_directly_and_through_trouble() {
    let emulator = Emulator::start();
    let mut at = (emulator, String::new());
    for trouble in [Trouble::None, Trouble::Throttles, Trouble::DropsAnswers] {
        let proxy = Proxy::start(&at.0.url, trouble).await;
        at.1 = proxy.url.clone();
        every_case_of_the_nodes(&at).await;
        assert!(proxy.troubled() > 10, "{}", proxy.troubled());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_ledger_s_contract_holds_directly_and_through_trouble() {
    let emulator = Emulator::start();
    let mut at = (emulator, String::new());
    for trouble in [Trouble::None, Trouble::Throttles, Trouble::DropsAnswers] {
        let proxy = Proxy::start(&at.0.url, trouble).await;
        at.1 = proxy.url.clone();
        every_case_of_the_ledger(&at).await;
        assert!(proxy.troubled() > 50, "{}", proxy.troubled());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_contract_holds() {
    let emulator = Emulator::start();
    let url = emulator.url.clone();
    every_case(&(emulator, url)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_contract_holds_while_every_third_request_is_throttled_or_in_conflict() {
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::Throttles).await;
    every_case(&(emulator, proxy.url.clone())).await;
    assert!(proxy.troubled() > 500, "{}", proxy.troubled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn the_contract_holds_while_every_third_answer_is_lost_when_the_work_is_done() {
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::DropsAnswers).await;
    every_case(&(emulator, proxy.url.clone())).await;
    assert!(proxy.troubled() > 500, "{}", proxy.troubled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn what_is_larger_than_an_item_comes_back_whole_and_what_is_larger_than_the_limit_is_refused() {
    let emulator = Emulator::start();
    let store: Arc<dyn Store> = Arc::new(emulator.store(&emulator.url).await);
    let of = key("s");
    let large = "é".repeat(2 * 1024 * 1024);
    let id = BlobId::of(&large);
    store.put_blob(&of, &id, &large).await.unwrap();
    assert_eq!(store.blob(&of, &id).await.unwrap().as_deref(), Some(&*large));
    let refused = store
        .put_blob(&of, &BlobId::of("x"), &format!("{large}x"))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { limit, .. } if limit == large.len()));
    assert_eq!(
        greenroom_kernel::Failure::from(&refused).code,
        greenroom_kernel::ErrorCode::BadUserInput
    );

    // An append of a megabyte: entries, a row and a message that don't fit into items.
    let mut first = append(&of, 0, 1);
    first.slot.entries = (0..4)
        .map(|_| greenroom_kernel::Entry::Retitled {
            title: Some("x".repeat(250_000)),
        })
        .collect();
    let mut row = session(&of, 5);
    row.title = Some("t".repeat(500_000));
    let mut said = message(&of, 0, 0);
    said.message.content = greenroom_kernel::Payload::inline("m".repeat(500_000));
    first.rows = Projection {
        session: Some(row.clone()),
        tasks: vec![],
        messages: vec![said.clone()],
    };
    assert_eq!(store.append(first.clone()).await.unwrap(), Appended::Stored);
    match store.append(append(&of, 0, 2)).await.unwrap() {
        Appended::Collided(occupant) => assert_eq!(*occupant, first.slot),
        Appended::Stored => panic!("stored twice"),
    }
    assert_eq!(store.read(&of, 0, 9).await.unwrap(), [first.slot]);
    assert_eq!(store.session(&of.tenant, &of.journal).await.unwrap(), Some(row));
    let range = greenroom_kernel::MessageRange::After(None);
    assert_eq!(store.messages(&of, range, 9).await.unwrap(), [said]);

    let snapshot = |next, fill: &str| greenroom_kernel::Snapshot {
        next,
        state: fill.repeat(1_000_000).into(),
    };
    for (next, fill) in [(5, "a"), (6, "b"), (4, "c")] {
        store.put_snapshot(&of, snapshot(next, fill)).await.unwrap();
    }
    assert_eq!(store.snapshot(&of).await.unwrap(), Some(snapshot(6, "b")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_request_that_has_expired_is_not_shown_though_nobody_swept_or_reaped_it() {
    use greenroom_store::testkit::ledger_contract::{request, row};
    let emulator = Emulator::start();
    let options = emulator.options(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let open = async |keep_requests| {
        let options = DynamoOptions {
            keep_requests,
            ..options.clone()
        };
        DynamoStore::open(options).await.unwrap()
    };
    let (brief, long) = (
        open(Duration::ZERO).await,
        open(Duration::from_secs(86_400)).await,
    );
    for (store, id) in [(&brief, 1), (&long, 2), (&brief, 3)] {
        let records = Records {
            tries: vec![row(id)],
            requests: vec![request(id)],
        };
        store.record(Arc::new(records)).await.unwrap();
    }
    let page = PageRequest {
        after: None,
        limit: 9,
    };
    let tenant = row(1).caller.tenant.clone();
    let shown = long.requests(&tenant, &page).await.unwrap().rows;
    assert_eq!(shown, [request(2)]);
    // Tries don't expire.
    assert_eq!(long.tries(&tenant, &page).await.unwrap().rows.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn pages_of_the_ledger_are_read_as_they_are_and_not_as_they_were() {
    use greenroom_store::testkit::ledger_contract::{request, row};
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::None).await;
    let store = emulator.store(&proxy.url).await;
    let records = Records {
        tries: (1..=3).map(row).collect(),
        requests: (1..=3).map(request).collect(),
    };
    store.record(Arc::new(records)).await.unwrap();
    let page = PageRequest {
        after: None,
        limit: 2,
    };
    let tenant = row(1).caller.tenant.clone();
    let before = proxy.hints();
    assert_eq!(store.tries(&tenant, &page).await.unwrap().rows.len(), 2);
    assert_eq!(store.requests(&tenant, &page).await.unwrap().rows.len(), 2);
    assert_eq!(proxy.hints(), before);
    // Lists of sessions are hints.
    let all = SessionQuery::default();
    store.sessions(&tenant, &all, &page).await.unwrap();
    assert!(proxy.hints() > before);
}

async fn refused(options: DynamoOptions) -> (String, String) {
    match DynamoStore::open(options).await {
        Err(StoreError::Refused { what, remedy, .. }) => (what, remedy),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn each_way_of_not_reaching_the_table_says_what_to_do() {
    let emulator = Emulator::start();
    let options = emulator.options(&emulator.url);
    let (what, remedy) = refused(options.clone()).await;
    assert!(what.contains("t0-journal in us-east-1"), "{what}");
    assert!(remedy.contains("greenroom migrate"), "{remedy}");

    let made = DynamoStore::migrate(&options).await.unwrap();
    assert_eq!((made.from, made.to), (0, 1));
    let again = DynamoStore::migrate(&options).await.unwrap();
    assert_eq!((again.from, again.to), (1, 1));
    DynamoStore::open(options.clone()).await.unwrap();

    let elsewhere = DynamoOptions {
        region: Some("eu-west-1".to_owned()),
        ..options.clone()
    };
    let (what, remedy) = refused(elsewhere).await;
    assert!(
        what.contains("in eu-west-1") && remedy.contains("store.region"),
        "{what}; {remedy}"
    );

    for (code, said) in [
        ("ExpiredTokenException", "aws sso login"),
        ("UnrecognizedClientException", "AWS_ACCESS_KEY_ID"),
        ("InvalidSignatureException", "clock"),
        ("AccessDeniedException", "dynamodb:GetItem, PutItem"),
    ] {
        let proxy = Proxy::start(&emulator.url, Trouble::Refuses(code)).await;
        let behind = DynamoOptions {
            endpoint: Some(proxy.url.clone()),
            ..options.clone()
        };
        let (what, remedy) = refused(behind).await;
        assert!(remedy.contains(said), "{code}: {what}; {remedy}");
    }

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = DynamoOptions {
        endpoint: Some(format!("http://{closed}")),
        patience: Duration::from_millis(200),
        ..options
    };
    assert!(matches!(
        DynamoStore::open(nobody).await,
        Err(StoreError::Unanswered { .. })
    ));
}

#[tokio::test]
async fn a_store_without_credentials_says_where_they_come_from() {
    #[derive(Debug)]
    struct Nobody;
    impl greenroom_aws::ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> greenroom_aws::FutureCredentials<'a>
        where
            Self: 'a,
        {
            greenroom_aws::FutureCredentials::ready(Err(greenroom_aws::CredentialsError::not_loaded("none")))
        }
    }
    let options = DynamoOptions {
        region: Some("us-east-1".to_owned()),
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        credentials: Some(SharedCredentialsProvider::new(Nobody)),
        ..DynamoOptions::default()
    };
    let (what, remedy) = refused(options).await;
    assert!(
        what.contains("no AWS credentials") && remedy.contains("AWS_PROFILE"),
        "{what}; {remedy}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn an_append_is_one_request_whatever_rows_change_and_its_units_are_as_documented() {
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::None).await;
    let store = emulator.store(&proxy.url).await;
    proxy.take_counts();
    let of = key("s");
    let mut pen = Pen::new(of.clone());
    let running = TaskRow {
        status: TaskStatus::Running,
        ..task(&of, 0, 5)
    };
    let ended = TaskRow {
        status: TaskStatus::Completed,
        ..running.clone()
    };
    let rows = |row: &TaskRow, messages| Projection {
        session: Some(session(&of, 5)),
        tasks: vec![row.clone()],
        messages,
    };
    // A turn of one step: accepted with its message, the step, the end with its message.
    for (append, request, units) in [
        (
            pen.with(rows(&running, vec![message(&of, 0, 0)])),
            "TransactWriteItems",
            11.0,
        ),
        (pen.with(rows(&running, vec![])), "TransactWriteItems", 6.0),
        (
            pen.with(rows(&ended, vec![message(&of, 2, 0)])),
            "TransactWriteItems",
            7.0,
        ),
        // What changes no row costs a put.
        (pen.with(Projection::default()), "PutItem", 1.0),
    ] {
        let before = store.usage();
        assert_eq!(store.append(append).await.unwrap(), Appended::Stored);
        assert_eq!(proxy.take_counts(), [(request.to_owned(), 1)].into());
        let after = store.usage();
        assert_eq!(after.write_units - before.write_units, units, "{request}");
        assert_eq!(after.read_requests, before.read_requests);
    }

    // Another process doesn't know where the journal ends: it asks once.
    let other = DynamoStore::open(DynamoOptions {
        table_prefix: "t0".to_owned(),
        ..emulator.options(&proxy.url)
    });
    let other = other.await.unwrap();
    proxy.take_counts();
    for _ in 0..2 {
        other.append(pen.with(Projection::default())).await.unwrap();
    }
    assert_eq!(
        proxy.take_counts(),
        [("PutItem".to_owned(), 2), ("Query".to_owned(), 1)].into()
    );
}
