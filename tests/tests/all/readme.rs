//! The documents say what is: the README's blocks are run, and what documents name exists.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use greenroom_agent_sdk::prelude::*;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::agents::known;
use crate::house::root;
use crate::support::{Client, FakeModel, Options, Said, Server};

/// Where the README's commands think the server is.
const WRITTEN_URL: &str = "http://127.0.0.1:8080";

/// A fenced block of a document.
#[derive(Debug, Clone)]
struct Block {
    language: String,
    text: String,
}

/// Every fenced block, in order.
fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in document.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => found.push(block),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The README, `ARCHITECTURE.md` and what is directly in `docs/`, by name.
fn documents() -> Vec<(String, String)> {
    let mut names = vec![
        "README.md".to_owned(),
        "ARCHITECTURE.md".to_owned(),
        "CONTRIBUTING.md".to_owned(),
        "CHANGELOG.md".to_owned(),
    ];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names
        .into_iter()
        .map(|name| (name.clone(), document(&name)))
        .collect()
}

/// A request as a `curl` line of a document makes it.
#[derive(Debug, PartialEq)]
struct Curl {
    url: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Curl {
    /// Reads the line, whose quoted arguments are in single quotes.
    fn parse(text: &str) -> Self {
        let mut words: Vec<String> = Vec::new();
        for (index, part) in text.split('\'').enumerate() {
            match index % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        let (mut url, mut headers, mut body) = (None, Vec::new(), None);
        let mut words = words.into_iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-H" => {
                    let header = words.next().unwrap();
                    let (name, value) = header.split_once(": ").unwrap();
                    headers.push((name.to_owned(), value.to_owned()));
                }
                "-d" => body = Some(serde_json::from_str(&words.next().unwrap()).unwrap()),
                "-sS" | "-sSN" => {}
                word if word.starts_with("http") => url = Some(word.to_owned()),
                other => panic!("`{other}` is not understood here"),
            }
        }
        Self {
            url: url.unwrap(),
            headers,
            body: body.unwrap(),
        }
    }

    fn is_subscription(&self) -> bool {
        self.headers.iter().any(|(_, value)| value == "text/event-stream")
    }

    async fn send(&self, server: &Server) -> reqwest::Response {
        let url = self.url.replace(WRITTEN_URL, &server.http);
        assert_ne!(url, self.url, "the documents' server is at {WRITTEN_URL}");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(url).timeout(Duration::from_secs(60));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.body.to_string()).send().await.unwrap()
    }
}

/// Whether two values have the same members of the same types, all the way down.
fn same_shape(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same_shape(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => match (left.first(), right.first()) {
            (Some(left), Some(right)) => same_shape(left, right),
            (left, right) => left.is_none() == right.is_none(),
        },
        _ => std::mem::discriminant(left) == std::mem::discriminant(right),
    }
}

/// The values of an event stream's `data:` lines.
fn data_lines(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Stands in for the README's agent, which is compiled as the SDK's example.
struct Greeter;

#[async_trait]
impl Agent for Greeter {
    fn card(&self) -> Card {
        Card::new("greeter", "1.0.0", "Greets whoever writes")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, task.text()?)],
            ..ModelRequest::default()
        };
        Ok(Output::text(ctx.model(request).visible().await?.content))
    }
}

#[test]
fn the_readmes_agent_is_the_sdks_example_in_under_40_lines() {
    let blocks = blocks(&document("README.md"));
    let agents: Vec<_> = blocks.iter().filter(|block| block.language == "rust").collect();
    assert_eq!(agents.len(), 1);
    let example = document("agents/sdk/examples/first_agent.rs");
    let body: String = example
        .lines()
        .skip_while(|line| line.starts_with("//!") || line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(agents[0].text, body);
    assert!(body.lines().count() < 40);
}

#[tokio::test]
async fn the_readmes_queries_answer_as_it_says() {
    let model = FakeModel::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let (agents, stopped) = (AgentHost::new().agent(Arc::new(Greeter)), stop.clone());
    let hosting = tokio::spawn(async move { agents.serve(listener, stopped).await.unwrap() });
    let server = Server::start(Options {
        model: Some(model.url.clone()),
        agents: vec![host],
        ..Options::default()
    })
    .await;
    known(&Client::new(&server.http), "greeter").await;

    let blocks = blocks(&document("README.md"));
    let (mut asked, mut listener) = (0, None);
    for (index, block) in blocks.iter().enumerate() {
        if block.language != "sh" || !block.text.starts_with("curl ") {
            continue;
        }
        let curl = Curl::parse(&block.text);
        let answer = curl.send(&server).await;
        assert_eq!(answer.status(), 200, "{curl:?}");
        asked += 1;
        if curl.is_subscription() {
            listener = Some(answer.bytes_stream());
            continue;
        }
        let answer: Value = answer.json().await.unwrap();
        let promised = &blocks[index + 1];
        assert_eq!(
            promised.language, "json",
            "the answer is written behind: {}",
            block.text
        );
        let promised: Value = serde_json::from_str(&promised.text).unwrap();
        assert!(
            same_shape(&promised, &answer),
            "README: {promised}\nserver: {answer}"
        );
        for (_, root) in answer["data"].as_object().unwrap() {
            let status = if root["task"].is_null() {
                &root["status"]
            } else {
                &root["task"]["status"]
            };
            assert!(
                status.is_null() || ["ACCEPTED", "RUNNING", "COMPLETED"].contains(&status.as_str().unwrap()),
                "{answer}"
            );
        }
    }
    assert_eq!(asked, 5);

    let promised: Vec<Value> = blocks
        .iter()
        .filter(|block| block.language == "text")
        .flat_map(|block| data_lines(&block.text))
        .collect();
    assert!(promised.len() >= 5, "{promised:?}");
    let mut bytes = listener.unwrap();
    let mut heard: Vec<u8> = Vec::new();
    let is_over = |text: &str| text.contains(r#""kind":"COMPLETED""#) && text.ends_with("\n\n");
    while !is_over(&String::from_utf8_lossy(&heard)) {
        let chunk = tokio::time::timeout(Duration::from_secs(20), bytes.next()).await;
        heard.extend_from_slice(&chunk.expect("the turn ends").unwrap().unwrap());
    }
    let heard = data_lines(&String::from_utf8(heard).unwrap());
    let kind = |event: &Value| event["data"]["onChat"]["kind"].clone();
    for event in &promised {
        assert!(
            heard
                .iter()
                .any(|other| kind(other) == kind(event) && same_shape(other, event)),
            "nothing like {event} was heard: {heard:#?}"
        );
    }
    server.assert_calm();
    stop.cancel();
    hosting.await.unwrap();
}

/// A model that plays its part for every agent of the page.
fn plays_its_part(body: &Value) -> Said {
    let system = body["messages"][0]["content"].as_str().unwrap();
    let part = r#"{"parts": [{"agent": "assistant", "question": "What is a journal good for?"}]}"#;
    let said = match system {
        text if text.starts_with("You plan") => part,
        text if text.starts_with("You extract") => r#"{"name": "Ann", "age": 7}"#,
        text if text.contains("numbered sources") => "A journal remembers what was done [1].",
        _ => "It remembers what was done.",
    };
    Said::Text(said.to_owned())
}

#[tokio::test]
async fn the_built_in_agents_answer_as_their_page_says() {
    let model = FakeModel::scripted(plays_its_part).await;
    let server = Server::start(Options {
        model: Some(model.url.clone()),
        ..Options::default()
    })
    .await;
    let blocks = blocks(&document("docs/built-in-agents.md"));
    let mut asked = 0;
    for pair in blocks.windows(2).filter(|pair| pair[0].language == "sh") {
        let answer: Value = Curl::parse(&pair[0].text)
            .send(&server)
            .await
            .json()
            .await
            .unwrap();
        let promised: Value = serde_json::from_str(&pair[1].text).unwrap();
        assert!(
            same_shape(&promised, &answer),
            "page: {promised}\nserver: {answer}"
        );
        assert_eq!(
            answer["data"]["executeTaskOnAgent"]["status"], "COMPLETED",
            "{answer}"
        );
        asked += 1;
    }
    assert_eq!(asked, 3);
    server.assert_calm();
}

/// The words of code in a document: its blocks and what stands between backticks.
fn code(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut outside = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push(line.trim().to_owned());
        } else {
            outside.push_str(line);
            outside.push(' ');
        }
    }
    found.extend(outside.split('`').skip(1).step_by(2).map(str::to_owned));
    found
}

/// The command that a piece of code calls the binary with, and its own command if it has some.
fn command(code: &str) -> Option<Vec<String>> {
    const WITH_COMMANDS: [&str; 2] = ["tasks", "config"];
    let called = code
        .strip_prefix("greenroom ")
        .or_else(|| code.strip_prefix("cargo run --release -- "))
        .or_else(|| code.split_once(" greenroom ").map(|(_, rest)| rest))?;
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    // Flags that go before a command, with their values.
    let mut words = called
        .split_whitespace()
        .skip_while(|word| *word == "--config" || word.ends_with(".toml"));
    let first = words
        .next()
        .filter(is_word)
        .filter(|word| !word.starts_with('-'))?;
    let mut command = vec![first.to_owned()];
    if WITH_COMMANDS.contains(&first) {
        command.extend(
            words
                .next()
                .filter(is_word)
                .filter(|word| !word.starts_with('-'))
                .map(str::to_owned),
        );
    }
    Some(command)
}

#[tokio::test]
async fn every_command_the_documents_name_exists_and_the_readmes_configuration_is_one() {
    let server = Server::start(Options::default()).await;
    let mut commands: BTreeSet<Vec<String>> = BTreeSet::new();
    for (_, text) in documents() {
        commands.extend(code(&text).iter().filter_map(|code| command(code)));
    }
    for expected in ["dev", "chat", "doctor"] {
        assert!(
            commands.contains(&vec![expected.to_owned()]),
            "{expected} is told of nowhere: {commands:?}"
        );
    }
    for command in &commands {
        let output = server.command().args(command).arg("--help").output().unwrap();
        let help = String::from_utf8_lossy(&output.stdout).to_string();
        assert!(output.status.success(), "greenroom {command:?} does not exist");
        // clap answers `--help` of a command's command that it doesn't know with the command's own.
        assert!(
            help.contains(&format!("greenroom {}", command.join(" "))),
            "{command:?}: {help}"
        );
    }

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("greenroom.toml");
    let blocks = blocks(&document("README.md"));
    let toml = blocks.iter().find(|block| block.language == "toml").unwrap();
    std::fs::write(&file, &toml.text).unwrap();
    let output = server
        .command()
        .arg("--config")
        .arg(&file)
        .args(["config", "check"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Relative targets of a document's links.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap().to_owned())
        .collect()
}

/// What a piece of code names as a place in the repository: a path whose first folder is one of its own.
fn place(code: &str) -> Option<&str> {
    const FOLDERS: [&str; 8] = [
        "agents/", "deploy/", "docs/", "gateway/", "proto/", "runtime/", "tests/", "xtask/",
    ];
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let path = FOLDERS.iter().any(|folder| code.starts_with(folder)) && code.chars().all(is_path);
    path.then_some(code)
}

#[test]
fn every_link_and_every_file_the_documents_name_is_there() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (name, text) in documents() {
        let base = root().join(&name).parent().unwrap().to_path_buf();
        let linked = links(&text).into_iter().map(|link| base.join(link));
        let named = code(&text)
            .into_iter()
            .filter_map(|code| place(&code).map(|path| root().join(path)));
        let all: Vec<PathBuf> = linked.chain(named).collect();
        seen += all.len();
        missing.extend(
            all.into_iter()
                .filter(|path| !path.exists())
                .map(|path| format!("{name}: {}", path.display())),
        );
    }
    assert!(seen > 60, "only {seen} were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_error_code_has_its_section() {
    let text = document("docs/errors.md");
    for code in greenroom_kernel::ErrorCode::ALL {
        assert!(
            text.contains(&format!("\n## {code}\n")),
            "docs/errors.md says nothing of {code}"
        );
    }
}

#[test]
fn the_readers_of_documents_find_what_is_there() {
    let text = "a `greenroom tasks list --json` b\n```sh\ngreenroom dev --agent x\ncurl -sS http://h -H 'a: b' -d '{\"q\": 1}'\n```\n[x](docs/a.md#b) `runtime/nowhere.rs`";
    let found: Vec<_> = code(text).iter().filter_map(|code| command(code)).collect();
    assert_eq!(
        found,
        [vec!["dev".to_owned()], vec!["tasks".into(), "list".into()]]
    );
    assert_eq!(links(text), ["docs/a.md"]);
    assert_eq!(
        code(text).iter().find_map(|code| place(code)),
        Some("runtime/nowhere.rs")
    );
    let block = &blocks(text)[0];
    assert_eq!(block.language, "sh");
    let curl = Curl::parse(block.text.lines().last().unwrap());
    let expected = Curl {
        url: "http://h".into(),
        headers: vec![("a".into(), "b".into())],
        body: serde_json::json!({ "q": 1 }),
    };
    assert_eq!(curl, expected);
    let (a, b) = (
        serde_json::json!({ "a": [1], "b": null }),
        serde_json::json!({ "a": ["x"], "b": null }),
    );
    assert!(same_shape(&a, &a) && !same_shape(&a, &b));
}
