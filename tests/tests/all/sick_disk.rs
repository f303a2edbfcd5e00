//! A store that can't be written, or must not: full, read-only, somebody else's, a newer version's. What was
//! acknowledged stays, the message names the file and the remedy, and nobody has to start anything again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Disk, Options, Server, until};

const SMALL: u64 = 8 << 20;
const SOON: Duration = Duration::from_secs(60);

/// What was asked, by its key, and the id of its task once that was acknowledged.
#[derive(Default)]
struct Asked {
    acknowledged: BTreeMap<String, String>,
    unanswered: Vec<String>,
}

fn turn(key: &str, wait: &str) -> Value {
    let content = format!("{key} {}", "x".repeat(8_000));
    json!({ "agent": "echo", "content": content, "wait": wait, "idempotencyKey": key })
}

impl Asked {
    /// Asks for one more turn. Tells the failure of one that is not acknowledged.
    async fn ask(&mut self, client: &Client) -> Option<Value> {
        let key = format!("k{}", self.acknowledged.len() + self.unanswered.len());
        let answer = client.send_chat(turn(&key, "ACCEPTED")).await;
        let error = answer.body["errors"][0].clone();
        if error.is_null() {
            let id = answer.body["data"]["sendChat"]["task"]["id"].as_str().unwrap();
            self.acknowledged.insert(key, id.to_owned());
            return None;
        }
        assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{error}");
        assert_eq!(error["extensions"]["idempotencyKey"], key, "{error}");
        self.unanswered.push(key);
        Some(error)
    }

    /// Waits until everything acknowledged is done, and has the right answer.
    async fn is_done(&self, client: &Client) {
        for (key, id) in &self.acknowledged {
            let task = until(&format!("{key} is done"), SOON, async || {
                let task = client.task(id).await;
                (task["status"] == "COMPLETED").then_some(task)
            })
            .await;
            let said = client.messages(task["sessionId"].as_str().unwrap()).await;
            let content = turn(key, "")["content"].clone();
            assert_eq!(said.len(), 2, "{key}: {said:?}");
            assert_eq!(
                (&said[0]["content"], &said[1]["content"]),
                (&content, &content),
                "{key}"
            );
        }
    }
}

async fn get(url: &str) -> (u16, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn on_a_small_disk() -> (Arc<Disk>, Server) {
    let disk = Arc::new(Disk::of(SMALL));
    let options = Options {
        disk: Some(Arc::clone(&disk)),
        ..Options::default()
    };
    (disk, Server::start(options).await)
}

/// A start that must be refused: what it says, once its exit code is right.
async fn refused(server: &mut Server) -> String {
    let before = server.log().len();
    assert!(!server.launch(&[]).await, "it must not start");
    assert_eq!(server.exit_code(), Some(1), "{}", server.log());
    let said = server.log()[before..].to_owned();
    let (store, lines) = (server.store(), said.lines().count());
    assert!(
        said.contains(store.to_str().unwrap()),
        "it names the file: {said}"
    );
    assert!(
        said.starts_with("greenroom: store: ") && lines == 1,
        "one line is enough: {said}"
    );
    said
}

#[tokio::test]
#[ignore = "mounts a small disk: needs Linux with user namespaces"]
async fn a_disk_that_fills_up_under_chats_loses_nothing_and_all_goes_on_when_there_is_room() {
    let (disk, mut server) = on_a_small_disk().await;
    let client = Client::new(&server.http);
    let mut asked = Asked::default();
    for _ in 0..20 {
        assert_eq!(asked.ask(&client).await, None);
    }
    disk.fill();
    let mut refused = Vec::new();
    for _ in 0..2_000 {
        refused.extend(asked.ask(&client).await);
        if refused.len() == 5 {
            break;
        }
    }
    assert_eq!(refused.len(), 5, "the disk is never full");
    for error in &refused {
        let (message, store) = (error["message"].as_str().unwrap(), server.store());
        let named = format!("the disk of {} is full: free some space there", store.display());
        assert!(message.contains(&named), "{error}");
        assert_eq!(error["extensions"]["retryable"], true, "{error}");
    }

    // What only reads works on, and the process is alive; that it is not ready, and why, is told to whoever sends work.
    for id in asked.acknowledged.values() {
        assert_eq!(client.task(id).await["id"], **id);
    }
    assert_eq!(get(&format!("{}/healthz", server.http)).await.0, 200);
    assert_eq!(get(&format!("{}/livez", server.operator)).await.0, 200);
    let readyz = format!("{}/readyz", server.operator);
    let (ready, why) = get(&readyz).await;
    assert!(
        ready == 503 && why.contains("is full: free some space there"),
        "{ready} {why}"
    );

    // Room: what was accepted ends though nobody asks, and a key finds what it was given to.
    disk.make_room();
    until("it is ready again", SOON, async || {
        (get(&readyz).await.0 == 200).then_some(())
    })
    .await;
    asked.is_done(&client).await;
    for key in std::mem::take(&mut asked.unanswered) {
        let told = client.send_chat(turn(&key, "COMPLETED")).await.data();
        let id = told["sendChat"]["task"]["id"].as_str().unwrap().to_owned();
        asked.acknowledged.insert(key, id);
    }
    assert_eq!(asked.ask(&client).await, None);
    asked.is_done(&client).await;
    assert!(
        !server.has_ended() && server.starts == 1,
        "nobody started it again"
    );

    server.kill();
    assert!(server.launch(&[]).await);
    asked.is_done(&client.at(&server.http)).await;
    server.assert_calm();
}

#[tokio::test]
#[ignore = "mounts a small disk: needs Linux with user namespaces"]
async fn a_process_killed_on_a_full_disk_comes_back_to_read_and_goes_on_when_there_is_room() {
    let (disk, mut server) = on_a_small_disk().await;
    let client = Client::new(&server.http);
    let mut asked = Asked::default();
    for _ in 0..20 {
        assert_eq!(asked.ask(&client).await, None);
    }
    disk.fill();
    while asked.unanswered.is_empty() {
        asked.ask(&client).await;
    }
    server.kill();
    disk.fill();
    assert!(server.launch(&[]).await, "{}", server.log());
    let client = client.at(&server.http);
    for id in asked.acknowledged.values() {
        assert_eq!(client.task(id).await["id"], **id);
    }
    disk.make_room();
    asked.is_done(&client).await;
    server.assert_calm();
}

#[tokio::test]
#[ignore = "mounts a small disk: needs Linux with user namespaces"]
async fn a_start_for_which_a_full_disk_has_no_room_is_refused_with_the_remedy() {
    let (disk, mut server) = on_a_small_disk().await;
    let mut asked = Asked::default();
    asked.ask(&Client::new(&server.http)).await;
    assert_eq!(server.terminate().await, Some(0));
    disk.fill();
    let said = refused(&mut server).await;
    assert!(said.contains("is full: free some space there"), "{said}");
    disk.make_room();
    assert!(server.launch(&[]).await, "{}", server.log());
    asked.is_done(&Client::new(&server.http)).await;
}

#[tokio::test]
#[ignore = "mounts a small disk: needs Linux with user namespaces"]
async fn a_store_on_a_read_only_disk_is_refused_at_the_start() {
    let (disk, mut server) = on_a_small_disk().await;
    let mut asked = Asked::default();
    asked.ask(&Client::new(&server.http)).await;
    assert_eq!(server.terminate().await, Some(0));
    disk.remount("ro");
    let said = refused(&mut server).await;
    assert!(said.contains("can't be written: check its permissions"), "{said}");
    disk.remount("rw");
    assert!(server.launch(&[]).await);
    asked.is_done(&Client::new(&server.http)).await;
}

#[tokio::test]
async fn a_second_process_on_the_same_store_is_refused_and_told_who_has_it() {
    let first = Server::start(Options::default()).await;
    let holder = format!("(process {})", first.process());
    let store = first.store();
    let second = first
        .command()
        .args(["dev", "--listen", "127.0.0.1:0", "--store"])
        .arg(&store)
        .env("GREENROOM__OPERATOR__LISTEN", "127.0.0.1:0")
        .env("GREENROOM__AGENT__LISTEN", "127.0.0.1:0")
        .env("GREENROOM_MODEL_PATH", store.with_file_name("no-model.gguf"))
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    let named = format!("{} is in use by another process {holder}", store.display());
    assert!(said.contains(&named), "{said}");
    let mut asked = Asked::default();
    assert_eq!(asked.ask(&Client::new(&first.http)).await, None);
    asked.is_done(&Client::new(&first.http)).await;
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_as_it_was() {
    let mut server = Server::start(Options::default()).await;
    assert_eq!(server.terminate().await, Some(0));
    // Bytes 60 to 63 of a SQLite file are its user version, which is our schema's.
    let mut newer = std::fs::read(server.store()).unwrap();
    newer[60..64].copy_from_slice(&4_000_u32.to_be_bytes());
    std::fs::write(server.store(), &newer).unwrap();
    let said = refused(&mut server).await;
    assert!(
        said.contains("has schema 4000") && said.contains("use a newer greenroom"),
        "{said}"
    );
    assert!(std::fs::read(server.store()).unwrap() == newer, "it was changed");
}
