//! The real binary on a table of DynamoDB, as an emulator keeps it.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use greenroom_aws::testkit::Ministack;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{Client, FakeModel, Options, Said, Server, binary};

/// Passes everything on and counts the operations by name.
#[derive(Clone)]
struct Counter {
    to: String,
    client: reqwest::Client,
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Counter {
    async fn start(to: &str) -> (Self, String) {
        let counter = Self {
            to: to.to_owned(),
            client: reqwest::Client::new(),
            counts: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(counter.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (counter, url)
    }

    fn writes(&self) -> u64 {
        let counts = self.counts.lock();
        let writes = counts
            .iter()
            .filter(|(name, _)| name.contains("Put") || name.contains("Write"));
        writes.map(|(_, count)| count).sum()
    }
}

async fn pass(
    State(counter): State<Counter>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let target = headers
        .get("x-amz-target")
        .map(|target| target.to_str().unwrap().to_owned());
    let operation = target
        .unwrap_or_default()
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_owned();
    *counter.counts.lock().entry(operation).or_default() += 1;
    let asked = counter.client.request(method, format!("{}{uri}", counter.to));
    let answer = asked.headers(headers).body(body).send().await.unwrap();
    let mut passed = Response::builder().status(answer.status());
    *passed.headers_mut().unwrap() = answer.headers().clone();
    passed.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

fn environment(endpoint: &str) -> Vec<(String, String)> {
    [
        ("GREENROOM__STORE__KIND", "dynamodb"),
        ("AWS_ACCESS_KEY_ID", "AKIDFORATEST"),
        ("AWS_SECRET_ACCESS_KEY", "secret-for-a-test"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", endpoint),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn greenroom(home: &std::path::Path, env: &[(String, String)], arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .envs(env.iter().cloned())
        .current_dir(home)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// What the doctor says of the store.
fn examined(home: &std::path::Path, env: &[(String, String)]) -> Value {
    checks(home, env, &["store"]).remove(0)
}

/// What the doctor says of these.
fn checks(home: &std::path::Path, env: &[(String, String)], whats: &[&str]) -> Vec<Value> {
    let output = greenroom(home, env, &["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let of = |what: &&str| checks.iter().find(|check| check["what"] == **what).cloned();
    let found: Vec<Value> = whats.iter().filter_map(of).collect();
    assert_eq!(found.len(), whats.len(), "{report}");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_table_is_made_examined_and_chatted_on_with_four_writes_a_turn_and_outlives_its_process() {
    let emulator = Ministack::start();
    let (counter, url) = Counter::start(&emulator.url()).await;
    let env = environment(&url);
    let home = tempfile::tempdir().unwrap();

    let found = examined(home.path(), &env);
    assert_eq!(found["state"], "fail", "{found}");
    assert!(
        found["remedy"].as_str().unwrap().contains("greenroom migrate"),
        "{found}"
    );
    let made = greenroom(home.path(), &env, &["migrate"]);
    assert!(
        said(&made).contains("greenroom-journal in eu-west-1 was created with schema 1"),
        "{}",
        said(&made)
    );
    let again = greenroom(home.path(), &env, &["migrate"]);
    assert!(said(&again).contains("nothing to do"), "{}", said(&again));
    assert_eq!(examined(home.path(), &env)["state"], "ok");

    let elsewhere: Vec<_> = env
        .iter()
        .cloned()
        .chain([("GREENROOM__STORE__REGION".to_owned(), "us-west-2".to_owned())])
        .collect();
    let found = examined(home.path(), &elsewhere);
    assert!(found["said"].as_str().unwrap().contains("us-west-2"), "{found}");
    assert!(
        found["remedy"].as_str().unwrap().contains("store.region"),
        "{found}"
    );

    // Only what a turn comes to is counted.
    let quiet = ("GREENROOM__AGENT_HISTORY__KEEP_DAYS".to_owned(), "0".to_owned());
    let env = env.into_iter().chain([quiet]).collect();
    let model = FakeModel::start().await;
    let mut server = Server::start(Options {
        model: Some(model.url.clone()),
        env,
        table: true,
        ..Options::default()
    })
    .await;
    let mut client = Client::new(&server.http);
    let first = client.send_chat(json!({ "content": "hello" })).await.data();
    let session = first["sendChat"]["session"]["id"].as_str().unwrap().to_owned();
    const TURNS: u64 = 8;
    let before = counter.writes();
    for number in 0..TURNS {
        let content = format!("turn {number}");
        let turn = client
            .send_chat(json!({ "content": content, "sessionId": session }))
            .await
            .data();
        assert_eq!(turn["sendChat"]["task"]["status"], "COMPLETED", "{turn}");
    }
    // Three appends and the ledger's entry, which comes behind: that of the turn before is among these, and that of the
    // last may not be.
    let took = counter.writes() - before;
    assert!(
        (3 * TURNS..=4 * TURNS + 1).contains(&took),
        "{TURNS} turns of one step took {took} writes"
    );
    server.assert_calm();

    server.kill();
    assert!(server.launch(&[]).await);
    client = client.at(&server.http);
    assert_eq!(client.messages(&session).await.len(), 18);
    let turn = client
        .send_chat(json!({ "content": "more", "sessionId": session }))
        .await
        .data();
    assert_eq!(turn["sendChat"]["task"]["status"], "COMPLETED", "{turn}");
    assert_eq!(client.messages(&session).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_message_of_six_mebibytes_needs_a_bucket_and_goes_with_its_session() {
    let emulator = Ministack::start();
    let mut env = environment(&emulator.url());
    env.push((
        "GREENROOM__GATEWAY__MAX_BODY_BYTES".to_owned(),
        (16 << 20).to_string(),
    ));
    let home = tempfile::tempdir().unwrap();
    greenroom(home.path(), &env, &["migrate"]);
    // What it was asked, it has whole.
    let model = FakeModel::scripted(|asked| {
        let last = asked["messages"].as_array().unwrap().last().unwrap();
        let whole = last["content"].as_str().unwrap();
        Said::Text(format!("{} bytes", whole.len()))
    })
    .await;
    let mut server = Server::start(Options {
        model: Some(model.url.clone()),
        env: env.clone(),
        table: true,
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    let content = format!("{}the end", "words and ".repeat((6 << 20) / 10));
    let refused = client.send_chat(json!({ "content": content })).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT", "{}", refused.body);
    let why = refused.body["errors"][0]["message"].as_str().unwrap();
    assert!(
        why.contains("over the limit of 4194304") && why.contains("store.payload_bucket"),
        "{why}"
    );

    // A bucket that isn't there is told by whoever looks, and by who would start.
    let bucket = (
        "GREENROOM__STORE__PAYLOAD_BUCKET".to_owned(),
        "our-payloads".to_owned(),
    );
    let with_bucket: Vec<_> = env.iter().cloned().chain([bucket]).collect();
    let found = examined(home.path(), &with_bucket);
    assert!(
        found["said"].as_str().unwrap().contains("no bucket our-payloads"),
        "{found}"
    );
    let made = greenroom(home.path(), &with_bucket, &["migrate"]);
    assert!(
        !made.status.success() && said(&made).contains("store.payload_bucket"),
        "{}",
        said(&made)
    );
    emulator.make_bucket("our-payloads", "eu-west-1");
    let found = examined(home.path(), &with_bucket);
    assert!(
        found["state"] == "ok"
            && found["said"]
                .as_str()
                .unwrap()
                .contains("with bucket our-payloads"),
        "{found}"
    );
    assert_eq!(emulator.listed("our-payloads"), Vec::<String>::new());

    server.kill();
    let set = [("GREENROOM__STORE__PAYLOAD_BUCKET", "our-payloads")];
    assert!(server.launch(&set).await);
    let client = client.at(&server.http);
    let turn = client.send_chat(json!({ "content": content })).await.data();
    let answer = format!("{} bytes", content.len());
    let task = &turn["sendChat"]["task"];
    assert_eq!(task["status"], "COMPLETED", "{}", task["error"]);
    assert_eq!(turn["sendChat"]["response"]["content"], answer.as_str());
    let session = turn["sendChat"]["session"]["id"].as_str().unwrap().to_owned();
    // What was asked, as the agent gets it, and what was said.
    let kept = emulator.listed("our-payloads");
    assert!(
        kept.len() == 2 && kept[0].starts_with(&format!("greenroom/dev/{session}/")),
        "{kept:?}"
    );

    server.kill();
    assert!(server.launch(&set).await);
    let client = client.at(&server.http);
    let messages = client.messages(&session).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["content"], content.as_str());
    // The next turn has the one before in its conversation.
    let next = client
        .send_chat(json!({ "content": content, "sessionId": session }))
        .await
        .data();
    let task = &next["sendChat"]["task"];
    assert_eq!(task["status"], "COMPLETED", "{}", task["error"]);

    let deleted = client
        .call(
            "mutation($id: ID!) { deleteSession(id: $id) }",
            json!({ "id": session }),
        )
        .await
        .data();
    assert_eq!(deleted["deleteSession"], true);
    let until = Instant::now() + Duration::from_secs(60);
    while !emulator.listed("our-payloads").is_empty() {
        assert!(Instant::now() < until, "{:?}", emulator.listed("our-payloads"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.assert_calm();
}

/// AWS as it answers a caller whom it refuses: each service by its own shape.
async fn refusing(codes: &'static str, said: &'static str) -> String {
    let answer = move |headers: HeaderMap| async move {
        let target = headers
            .get("x-amz-target")
            .map(|target| target.to_str().unwrap().to_owned());
        let body = match target.unwrap_or_default().split('.').next().unwrap() {
            "DynamoDB_20120810" => {
                json!({ "__type": format!("com.amazon.coral.service#{codes}"), "message": said })
            }
            "secretsmanager" => json!({ "__type": codes, "Message": said }),
            _ => json!({ "__type": codes, "message": said }),
        };
        let answer = Response::builder().status(400).header("x-amzn-requestid", "1");
        answer.body(Body::from(body.to_string())).unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_says_of_each_service_what_to_do_about_credentials_that_it_refuses() {
    for (code, told, to_do) in [
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            "aws sso login",
        ),
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "AWS_ACCESS_KEY_ID",
        ),
    ] {
        let url = refusing(code, told).await;
        let home = tempfile::tempdir().unwrap();
        let mut env = environment(&url);
        env.extend(
            [
                ("GREENROOM__DISCOVERY__KIND", "cloud-map"),
                ("GREENROOM__DISCOVERY__NAMESPACE", "prod.internal"),
                ("GREENROOM__DISCOVERY__SERVICE", "greenroom"),
                ("GREENROOM__TLS__SECRET", "greenroom/supervisor"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        for check in checks(home.path(), &env, &["store", "discovery", "certificates"]) {
            assert_eq!(check["state"], "fail", "{check}");
            assert!(check.to_string().contains(to_do), "{check}");
        }
    }
}
