//! Tells a page: its blocks in order, each in its own way.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};

use super::blocks::{Block, blocks, document, quoted};
use super::commands::{cargo_lacks, commands, words};
use super::curl::Curl;
use super::pages::PROGRAMS;
use super::promise::difference;
use super::world::{World, task_in};

/// How long an answer may take to become what the page promises.
const PATIENCE: Duration = Duration::from_secs(20);

/// Commands of a page that another test runs, or that only prepare the reader's machine.
const ELSEWHERE: [&str; 4] = [
    "cd ",
    "npm install ",
    "node ",
    "greenroom chat --agent shop-keeper",
];

/// The embedding example, against a model server of the reader's.
const EMBEDDING: &str = " cargo run -p greenroom-example-embedding";

/// How a page went.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    /// Blocks marked as illustrations.
    pub(super) illustrations: usize,
    /// All others.
    pub(super) run: usize,
}

/// Runs every block of a page.
pub(super) async fn tell(page: &str, world: &mut World) -> Told {
    let text = document(page);
    let all = blocks(&text);
    let mut story = Story {
        page,
        world,
        listener: None,
        config: None,
        task: None,
        fixtures: 0,
    };
    let (mut told, mut answered) = (Told::default(), false);
    for (index, block) in all.iter().enumerate() {
        let place = format!("{page}:{} ({})", block.line, block.language);
        let next = all.get(index + 1);
        if block.language == "text" && !story.heard(block, &place).await {
            told.illustrations += 1;
            continue;
        }
        match block.language.as_str() {
            "text" => {}
            "sh" => {
                let promised = next.filter(|next| next.language == "json");
                let promised = promised.map(|next| serde_json::from_str(&next.text).unwrap());
                story.shell(block, promised.as_ref(), &place).await;
                answered = promised.is_some();
            }
            "json" if std::mem::take(&mut answered) => {}
            "graphql" => story.query(block, &place).await,
            "toml" if quoted(block).is_none() => story.configure(block, &place),
            "js" if PROGRAMS.contains(&page) => {}
            _ => assert!(
                quoted(block).is_some(),
                "{place}: nothing runs this block. Put what it shows into a file that is compiled or run and quote \
                 that line for line, let the page run it, or mark it `text` and count it in the pages' table"
            ),
        }
        told.run += 1;
    }
    told
}

struct Story<'a> {
    page: &'a str,
    world: &'a mut World,
    listener: Option<BoxStream<'static, Vec<u8>>>,
    config: Option<String>,
    task: Option<String>,
    fixtures: u32,
}

impl Story<'_> {
    async fn shell(&mut self, block: &Block, promised: Option<&Value>, place: &str) {
        let commands = commands(block);
        let last = commands.len().saturating_sub(1);
        for (index, command) in commands.iter().enumerate() {
            let promised = promised.filter(|_| index == last);
            match command.as_str() {
                c if c.starts_with("curl ") => self.curl(c, promised, place).await,
                "cargo run --release -- dev" => self.dev(&[]).await,
                c if c.starts_with("OPENAI_BASE_URL=") && c.ends_with(EMBEDDING) => {
                    self.world.embedded().await;
                }
                c if c.starts_with("cargo ") => {
                    let lack = cargo_lacks(c);
                    assert!(lack.is_none(), "{place}: {c}: {lack:?}");
                }
                "pkill -9 -x greenroom" => {
                    let task = self.task.take();
                    self.world.kill(task.as_deref()).await;
                }
                c if ELSEWHERE.iter().any(|start| c.starts_with(start)) => {}
                c if c.starts_with("greenroom dev") => self.dev(&words(c)[2..]).await,
                c if c.starts_with("greenroom ") => self.greenroom(c, promised, place).await,
                other => panic!("{place}: nothing here runs `{other}`"),
            }
        }
    }

    async fn dev(&mut self, flags: &[String]) {
        let help = self.world.command().args(["dev", "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in flags.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag.as_str()), "dev knows no {flag}");
        }
        let config = self.config.take();
        self.world.launch(config.as_deref()).await;
    }

    async fn curl(&mut self, command: &str, promised: Option<&Value>, place: &str) {
        let curl = Curl::parse(command);
        if curl.is_subscription() {
            let answer = curl.send(&self.world.server).await;
            assert_eq!(answer.status(), 200, "{place}");
            let bytes = answer.bytes_stream();
            self.listener = Some(bytes.map(|bytes| bytes.unwrap().to_vec()).boxed());
            return;
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = curl.send(&self.world.server).await;
            let refused = promised.is_some_and(|promised| !promised["errors"].is_null());
            assert!(
                refused || answer.status() == 200,
                "{place}: {command}: {}",
                answer.status()
            );
            let answer = answer.text().await.unwrap();
            let Some(promised) = promised else {
                let told = serde_json::from_str(&answer).unwrap_or(json!({}));
                assert!(told["errors"].is_null(), "{place}: {command}: {answer}");
                self.task = task_in(&told).or(self.task.take());
                return;
            };
            let answer: Value = serde_json::from_str(&answer).unwrap();
            self.task = task_in(&answer).or(self.task.take());
            let Some(difference) = difference(promised, &answer) else {
                return;
            };
            let again = curl.looks_at_a_task() && tokio::time::Instant::now() < deadline;
            assert!(
                again,
                "{place}: {difference}\npromised: {promised}\nserver:   {answer}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn greenroom(&mut self, command: &str, promised: Option<&Value>, place: &str) {
        let mut command = command.to_owned();
        if command.contains("<task>") {
            self.fixtures += 1;
            let verb = words(&command)[2].clone();
            let session = format!("fixture-{}", self.fixtures);
            let (task, step) = self.world.fixture(&verb, &session).await;
            command = command
                .replace("<task>", &task)
                .replace("<step>", &step.to_string());
        }
        let mut process = self.world.command();
        process.args(&words(&command)[1..]);
        let output = tokio::task::spawn_blocking(move || {
            let mut child = process
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // What a person would type into a chat; others don't read it.
            let _ = child.stdin.take().unwrap().write_all(b"Hello.\n/quit\n");
            child.wait_with_output().unwrap()
        });
        let output = output.await.unwrap();
        let (said, complained) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "{place}: `{command}`: {}\n{said}{complained}",
            output.status
        );
        assert!(
            !said.trim().is_empty() || command.contains("healthcheck"),
            "{place}: `{command}` said nothing"
        );
        if let Some(promised) = promised {
            let said = serde_json::from_str(&said).unwrap();
            let difference = difference(promised, &said);
            assert!(
                difference.is_none(),
                "{place}: `{command}`: {difference:?}\npromised: {promised}\nit said: {said}"
            );
        }
    }

    async fn query(&self, block: &Block, place: &str) {
        let answer = self.world.client.call(&block.text, json!({})).await;
        assert!(answer.body["errors"].is_null(), "{place}: {}", answer.body);
    }

    fn configure(&mut self, block: &Block, place: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("greenroom.toml");
        std::fs::write(&file, &block.text).unwrap();
        let mut command = self.world.server.command();
        let output = command
            .arg("--config")
            .arg(&file)
            .args(["config", "check"])
            .output();
        let output = output.unwrap();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{place}: {complained}");
        self.config = Some(block.text.clone());
    }

    /// Whether the block is what an open listener prints, which is then waited for.
    async fn heard(&mut self, block: &Block, place: &str) -> bool {
        let promised = data_lines(&block.text);
        if promised.is_empty() {
            return false;
        }
        let Some(mut bytes) = self.listener.take() else {
            panic!("{place}: nobody listens on {}", self.page);
        };
        let kind = |event: &Value| event["data"]["onChat"]["kind"].clone();
        let mut heard = Vec::new();
        // For all of it: a stream that tells nothing still sends its heartbeats.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let text = String::from_utf8_lossy(&heard);
            let complete = text.rfind("\n\n").map_or("", |end| &text[..end]);
            let events = data_lines(complete);
            let missing = promised.iter().find(|promised| {
                let like =
                    |event: &&Value| kind(event) == kind(promised) && difference(promised, event).is_none();
                !events.iter().any(|event| like(&event))
            });
            let Some(missing) = missing else { return true };
            match tokio::time::timeout_at(deadline, bytes.next()).await {
                Ok(Some(chunk)) => heard.extend(chunk),
                _ => panic!("{place}: nothing like {missing} was heard:\n{complete}"),
            }
        }
    }
}

/// The values of an event stream's `data:` lines.
fn data_lines(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
