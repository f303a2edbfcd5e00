//! The roles on one machine without anything installed: a file, lists of addresses, loopback.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::process::{PATIENCE, Process, refused};
use crate::support::{Client, FakeModel, until};

const SEND: &str = "mutation($input: SendChatInput!) { sendChat(input: $input) { task { id } } }";
const ANYWHERE: &str = "127.0.0.1:0";

fn variables(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

async fn supervisor(store: &Path, agent: &Process, model: &FakeModel, listen: &str) -> Process {
    let join = format!("[\"http://{}\"]", agent.address("agent"));
    let env = variables(&[
        ("GREENROOM__STORE__PATH", store.to_str().unwrap()),
        ("GREENROOM__AGENT__JOIN", &join),
        ("OPENAI_API_KEY", "test"),
        ("OPENAI_BASE_URL", &model.url),
    ]);
    Process::start("the supervisor", &["supervisor", "--listen", listen], &env).await
}

#[tokio::test]
async fn a_chat_goes_through_a_gateway_a_supervisor_and_an_agent_host_of_their_own() {
    let (model, folder) = (FakeModel::start().await, tempfile::tempdir().unwrap());
    let mut agent = Process::start("the agent host", &["agent", "assistant", "echo"], &[]).await;
    agent.ready().await;
    let store = folder.path().join("store.sqlite");
    let mut supervisor_one = supervisor(&store, &agent, &model, ANYWHERE).await;
    supervisor_one.ready().await;
    let at = supervisor_one.address("supervisor");
    let arguments = ["gateway", "--supervisor", &at];
    let env = variables(&[("OPENAI_API_KEY", "test"), ("OPENAI_BASE_URL", &model.url)]);
    let mut gateway = Process::start("the gateway", &arguments, &env).await;
    gateway.ready().await;

    let client = Client::new(&gateway.http());
    let answer = client.send_chat(json!({ "content": "hello" })).await.data();
    let said = &answer["sendChat"]["response"]["content"];
    assert_eq!(*said, json!(FakeModel::answer("hello")), "{answer}");
    let session = answer["sendChat"]["session"]["id"].as_str().unwrap();
    assert_eq!(client.run("echo", "there").await["status"], "COMPLETED");
    for (process, metric) in [
        (&gateway, "greenroom_"),
        (&supervisor_one, "greenroom_actors"),
        (&agent, "greenroom_"),
    ] {
        let (status, page) = process.operator("/metrics").await.unwrap();
        assert!(status == 200 && page.contains(metric), "{}: {page}", process.name);
        assert_eq!(process.operator("/livez").await.unwrap().0, 200);
    }

    // Under /v1 agents are the supervisor's, models the gateway's own.
    for (asked, said) in [("agent:echo", "hello"), ("fake", "hello")] {
        let body =
            json!({ "model": asked, "messages": [{ "role": "user", "content": said }], "stream": true });
        let url = format!("{}/v1/chat/completions", gateway.http());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.post(url).json(&body).send().await.unwrap();
        let answer = answer.text().await.unwrap();
        assert!(
            answer.contains(said) && answer.contains("[DONE]"),
            "{asked}: {answer}"
        );
    }
    assert!(model.asked()["hello"] >= 2, "{:?}", model.asked());

    // Without its supervisor the gateway says so; once it is back, conversations go on.
    let (code, took) = supervisor_one.leave().await;
    assert_eq!(code, Some(0), "{}", supervisor_one.log());
    assert!(
        took < Duration::from_secs(10),
        "it took {took:?} to leave with nothing to do"
    );
    assert!(!supervisor_one.ready_file().exists());
    supervisor_one.assert_calm();
    gateway.unready(&at).await;
    let mut supervisor_one = supervisor(&store, &agent, &model, &at).await;
    gateway.ready().await;
    let more = json!({ "content": "more", "sessionId": session });
    let answer = client.send_chat(more).await.data();
    let said = &answer["sendChat"]["response"]["content"];
    assert_eq!(*said, json!(FakeModel::answer("more")), "{answer}");
    supervisor_one.kill();

    for process in [&mut gateway, &mut agent] {
        assert_eq!(process.leave().await.0, Some(0), "{}", process.log());
        process.assert_calm();
    }
}

/// What a process may take to leave in the test below, in milliseconds, and what a busy machine may add.
const STOP_MS: u64 = 3_000;
const GRAIN: Duration = Duration::from_millis(400);

#[tokio::test]
async fn whatever_hangs_a_process_of_any_role_has_left_when_its_time_is_over() {
    let (model, folder) = (FakeModel::start().await, tempfile::tempdir().unwrap());
    let stop = STOP_MS.to_string();
    let stop_of = |role: &str| (format!("GREENROOM__{role}__STOP_MS"), stop.clone());
    let mut agent = Process::start("the agent host", &["agent", "assistant"], &[stop_of("AGENT")]).await;
    let join = format!("[\"http://{}\"]", agent.address("agent"));
    let store = folder.path().join("store.sqlite");
    // Its disk is so slow that nothing is written in time, and whoever collects its spans never answers.
    let mute = std::net::TcpListener::bind(ANYWHERE).unwrap();
    let mute = (mute.local_addr().unwrap(), mute);
    let collector = (
        "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
        format!("http://{}", mute.0),
    );
    let env = variables(&[
        ("GREENROOM__STORE__PATH", store.to_str().unwrap()),
        ("GREENROOM__AGENT__JOIN", &join),
        ("GREENROOM_SYNC_DELAY_MS", "6000"),
        ("OPENAI_API_KEY", "test"),
        ("OPENAI_BASE_URL", &model.url),
    ]);
    let env = [env, vec![stop_of("SUPERVISOR"), collector.clone()]].concat();
    let mut supervisor = Process::start("the supervisor", &["supervisor"], &env).await;
    let at = supervisor.address("supervisor");
    let env = [
        variables(&[("OPENAI_API_KEY", "test"), ("OPENAI_BASE_URL", &model.url)]),
        vec![stop_of("GATEWAY"), collector],
    ]
    .concat();
    let mut gateway = Process::start("the gateway", &["gateway", "--supervisor", &at], &env).await;
    gateway.ready().await;
    // Under load: turns that wait for the disk, and an answer that takes for ever.
    model.slow(Duration::from_secs(60));
    let (http, mut calling) = (gateway.http(), tokio::task::JoinSet::new());
    for number in 0..8 {
        let client = Client::new(&http);
        calling.spawn(async move {
            let turn = json!({ "content": format!("turn {number}"), "agent": "assistant" });
            drop(client.try_call(SEND, json!({ "input": turn })).await);
        });
        let (http, url) = (
            reqwest::Client::builder().no_proxy().build().unwrap(),
            format!("{http}/v1/chat/completions"),
        );
        calling.spawn(async move {
            let body = json!({ "model": "fake", "messages": [{ "role": "user", "content": "hello" }], "stream": true });
            drop(http.post(url).json(&body).send().await);
        });
    }
    until("models are asked", PATIENCE, || async {
        (model.asked().get("hello").copied().unwrap_or_default() >= 8).then_some(())
    })
    .await;
    for process in [&mut gateway, &mut supervisor, &mut agent] {
        let (code, took) = process.leave().await;
        println!("{} under load left within {took:?}: {code:?}", process.name);
        let most = Duration::from_millis(STOP_MS) + GRAIN;
        assert!(took < most, "{} took {took:?}: {}", process.name, process.log());
        process.assert_calm();
    }
}

#[tokio::test]
async fn a_file_has_one_supervisor() {
    let (model, folder) = (FakeModel::start().await, tempfile::tempdir().unwrap());
    let agent = Process::start("the agent host", &["agent", "echo"], &[]).await;
    let store = folder.path().join("store.sqlite");
    let first = supervisor(&store, &agent, &model, ANYWHERE).await;
    first.ready().await;
    let (code, said) = refused(
        &["supervisor", "--listen", "127.0.0.1:0"],
        &[("GREENROOM__STORE__PATH", store.to_str().unwrap())],
    );
    assert!(
        code == Some(1) && said.contains("another process"),
        "{code:?} {said}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    for (arguments, env, words) in [
        (&["gateway"][..], &[][..], "--supervisor HOST:PORT"),
        (
            &["gateway", "--listen", "0.0.0.0:0", "--supervisor", "127.0.0.1:1"],
            &[],
            "pass --insecure",
        ),
        (&["gateway", "--supervisor", "here"], &[], "`here` is no address"),
        (
            &["gateway", "--listen", "here", "--supervisor", "127.0.0.1:1"],
            &[],
            "`here` is no address",
        ),
        (
            &["agent", "nobody"],
            &[],
            "assistant, summarizer, extractor, researcher, echo",
        ),
        (&["agent", "echo", "--listen", "0.0.0.0:0"], &[], "set [tls]"),
        (&["supervisor", "--listen", "0.0.0.0:0"], &[], "set [tls]"),
        (
            &["supervisor", "--listen", "127.0.0.1:0"],
            &[("GREENROOM__SUPERVISOR__ADVERTISE", "here")],
            "supervisor.advertise",
        ),
        (
            &["gateway", "--supervisor", "127.0.0.1:1"],
            &[("GREENROOM__BUDGETS", "[{id=\"a\",limit_usd=1.0,window=\"day\"}]")],
            "store.kind to dynamodb",
        ),
    ] {
        let (code, said) = refused(arguments, env);
        assert!(
            code.is_some_and(|code| code != 0) && said.contains(words),
            "{arguments:?}: {code:?} {said}"
        );
    }
}
