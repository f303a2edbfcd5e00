//! Summarizer and extractor with the real model.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Options, Server, until};

/// A server with the real model, once that is loaded.
async fn with_the_real_model(config: Option<String>) -> (Server, Client) {
    let path = std::env::var_os("GREENROOM_MODEL_PATH").expect("GREENROOM_MODEL_PATH names the model's file");
    let path = std::fs::canonicalize(PathBuf::from(path)).unwrap();
    let path = path.into_os_string().into_string().unwrap();
    // The suite has a release build by then, with which the model is four times as fast.
    let release = std::env::var_os("GREENROOM_RELEASE_BIN").map(PathBuf::from);
    let server = Server::start(Options {
        binary: release.filter(|binary| binary.exists()),
        config,
        env: vec![("GREENROOM_MODEL_PATH".to_owned(), path)],
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    (server, client)
}

/// A task as it ended, however long it took.
async fn finished(client: &Client, agent: &str, input: Value, within: Duration) -> Value {
    let input = json!({ "agent": agent, "input": input, "wait": "ACCEPTED" });
    let task = client.execute(input).await.data()["executeTaskOnAgent"].clone();
    let id = task["id"].as_str().unwrap().to_owned();
    until("the task ends", within, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let task = client.task(&id).await;
        ["COMPLETED", "FAILED", "CANCELLED"]
            .contains(&task["status"].as_str()?)
            .then_some(task)
    })
    .await
}

/// The window that the real model is said to have, in tokens, and how many of them the text fills. Its own is 8,192: to
/// fill that several times takes as many times longer and shows the same.
const WINDOW: usize = 2_048;
const WINDOWS: usize = 4;

#[tokio::test]
#[ignore = "needs the real model, and minutes"]
async fn the_real_model_summarizes_a_text_of_several_times_its_window() {
    let said = format!("[models.capabilities.\"local/*\"]\ncontext_window = {WINDOW}\n");
    let (server, client) = with_the_real_model(Some(said)).await;
    let mut text = String::new();
    let (places, goods) = (
        ["Aden", "Bergen", "Cadiz", "Dover"],
        ["salt", "timber", "copper", "wool", "glass"],
    );
    // Four bytes and more make a token of such text.
    for ship in 0.. {
        if text.len() > WINDOWS * WINDOW * 5 {
            break;
        }
        let (place, good) = (places[ship % places.len()], goods[ship % goods.len()]);
        text.push_str(&format!(
            "In the harbour of {place} the captain of the ship sold his {good} to the merchants of the town, who paid \
             a good price because the winter had been long and nothing else had arrived for many weeks.\n\n"
        ));
    }
    let begun = Instant::now();
    let task = finished(
        &client,
        "summarizer",
        json!({ "content": text, "maxWords": 60 }),
        Duration::from_secs(1_500),
    )
    .await;
    println!(
        "{} bytes in {:?}: {}",
        text.len(),
        begun.elapsed(),
        task["response"]
    );
    assert_eq!(task["status"], "COMPLETED", "{task}");
    assert!(
        task["response"]["data"]["pieces"].as_u64() >= Some(WINDOWS as u64),
        "{task}"
    );
    assert!(task["response"]["content"].as_str().unwrap().len() > 20, "{task}");
    server.assert_calm();
}

#[tokio::test]
#[ignore = "needs the real model, and minutes"]
async fn the_real_model_gives_fifty_documents_that_validate_for_fifty_texts() {
    let (server, client) = with_the_real_model(None).await;
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "maxLength": 20 },
            "age": { "type": "integer", "minimum": 0, "maximum": 120 },
            "colour": { "enum": ["red", "green", "blue"] },
        },
        "required": ["name", "age", "colour"],
        "additionalProperties": false,
    });
    let (names, colours) = (["Ann", "Bob", "Cleo", "Dan", "Eve"], ["red", "green", "blue"]);
    let mut failed = Vec::new();
    let begun = Instant::now();
    for i in 0..50 {
        let (name, colour) = (names[i % names.len()], colours[i % colours.len()]);
        let content = format!("{name} is {} years old and likes {colour}.", 20 + i);
        let input = json!({ "content": content, "schema": schema });
        let task = finished(&client, "extractor", input, Duration::from_secs(120)).await;
        if task["status"] != "COMPLETED" {
            failed.push(format!("{content}: {}", task["error"]));
            continue;
        }
        // Judged again by hand: not by what made it.
        let document = task["response"]["data"].as_object().unwrap();
        assert_eq!(document.len(), 3, "{document:?}");
        assert!(
            document["name"]
                .as_str()
                .is_some_and(|name| name.chars().count() <= 20),
            "{document:?}"
        );
        assert!(
            document["age"].as_u64().is_some_and(|age| age <= 120),
            "{document:?}"
        );
        assert!(
            colours.iter().any(|colour| document["colour"] == *colour),
            "{document:?}"
        );
    }
    println!("{} of 50 failed, in {:?}", failed.len(), begun.elapsed());
    assert!(failed.is_empty(), "{} of 50: {}", failed.len(), failed.join("\n"));
    server.assert_calm();
}
