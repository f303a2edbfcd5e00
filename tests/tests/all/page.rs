//! The page at `/`, used in a real browser as a person would: the scenarios are in `tests/browser`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use greenroom_agent_sdk::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;

use crate::agents::known;
use crate::support::{Client, FakeModel, Options, Server, ToolHost};

/// How long one scenario may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Pays, so slowly that whoever wants to can lose the answer.
struct Payer;

#[async_trait]
impl Agent for Payer {
    fn card(&self) -> Card {
        Card::new("payer", "1.0.0", "Pays, slowly")
    }

    async fn run(&self, _: Task, ctx: Context) -> Result<Output, AgentError> {
        let payment = async {
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok("never told".to_owned())
        };
        let receipt: String = ctx.step("pay", Effect::NonIdempotent, payment).await?;
        Ok(Output::text(format!("paid: {receipt}")))
    }
}

fn parts() -> PathBuf {
    let parts = std::env::var_os("GREENROOM_TEST_PARTS").expect("`cargo xtask test` installs the parts");
    Path::new(&parts).canonicalize().expect("the parts are installed")
}

/// Plays a scenario against a server, which it may kill and start. `word_delay` is the model's.
async fn play(scenario: &str, word_delay: Duration) {
    let parts = parts();
    let model = FakeModel::start().await;
    model.slow(word_delay);
    let tools = ToolHost::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let payers = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let payer = AgentHost::new()
        .drain(Duration::from_millis(100))
        .agent(Arc::new(Payer));
    let stopped = stop.clone();
    let paying = tokio::spawn(async move { payer.serve(listener, stopped).await.unwrap() });
    let mut server = Server::start(Options {
        model: Some(model.url.clone()),
        agents: vec![tools.url.clone(), payers],
        keep_port: true,
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    for agent in ["asker", "moody", "parent", "payer"] {
        known(&client, agent).await;
    }

    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("browser")
        .join(scenario);
    let mut browser = tokio::process::Command::new("node")
        .arg(script)
        .args([&server.http, parts.to_str().unwrap()])
        // Where pictures for people go, if anybody wants them.
        .args(std::env::var_os("GREENROOM_PAGE_PICTURES"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node starts");
    let mut answers = browser.stdin.take().unwrap();
    let mut words = BufReader::new(browser.stdout.take().unwrap()).lines();
    let mut complaints = browser.stderr.take().unwrap();
    let complaining = tokio::spawn(async move {
        let mut all = String::new();
        let _ = tokio::io::AsyncReadExt::read_to_string(&mut complaints, &mut all).await;
        all
    });
    let mut is_done = false;
    let played = tokio::time::timeout(PATIENCE, async {
        while let Some(word) = words.next_line().await.unwrap() {
            match word.as_str() {
                "kill" => server.kill(),
                "start" => assert!(server.launch(&[]).await, "{}", server.log()),
                "done" => is_done = true,
                other => panic!("the scenario said {other}"),
            }
            // After its last word it listens no more.
            let _ = answers.write_all(b"ok\n").await;
        }
    })
    .await;
    assert!(played.is_ok(), "{scenario} takes more than {PATIENCE:?}");
    let complaints = complaining.await.unwrap();
    assert!(is_done, "{scenario}:\n{complaints}");
    assert!(
        browser.wait().await.unwrap().success(),
        "{scenario}:\n{complaints}"
    );
    server.assert_calm();
    stop.cancel();
    paying.await.unwrap();
}

#[tokio::test]
#[ignore = "needs Chromium, playwright-core and axe-core, which `cargo xtask test` installs"]
async fn a_newcomer_gets_a_page_that_is_light_soon_quiet_and_accessible() {
    play("first_sight.mjs", Duration::from_millis(2)).await;
}

#[tokio::test]
#[ignore = "needs Chromium and playwright-core, which `cargo xtask test` installs"]
async fn a_chat_streams_is_stopped_tried_again_and_approved() {
    play("conversation.mjs", Duration::from_millis(80)).await;
}

#[tokio::test]
#[ignore = "needs Chromium and playwright-core, which `cargo xtask test` installs"]
async fn everything_can_be_done_by_keyboard_and_the_focus_is_seen() {
    play("keyboard.mjs", Duration::from_millis(80)).await;
}

#[tokio::test]
#[ignore = "needs Chromium and playwright-core, which `cargo xtask test` installs"]
async fn a_server_killed_in_mid_answer_comes_back_to_a_page_that_heals_by_itself() {
    play("heals.mjs", Duration::from_millis(80)).await;
}

#[tokio::test]
#[ignore = "needs Chromium and playwright-core, which `cargo xtask test` installs"]
async fn answers_and_timers_that_come_late_leave_no_view_behind() {
    play("late.mjs", Duration::ZERO).await;
}

#[tokio::test]
#[ignore = "needs Chromium, playwright-core and axe-core, which `cargo xtask test` installs"]
async fn queries_are_tried_on_a_page_that_needs_nothing_from_elsewhere() {
    play("tries.mjs", Duration::from_millis(80)).await;
}

#[tokio::test]
#[ignore = "needs Chromium and playwright-core, which `cargo xtask test` installs"]
async fn the_pieces_of_the_page_hold_by_themselves() {
    play("pieces.mjs", Duration::ZERO).await;
}
