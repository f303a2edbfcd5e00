//! Agent hosts that come and go: the real binary finds them, uses them and lets them go.

mod directory;
mod emulator;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, FakeModel, ForeignHost, Language, Ledger, Options, Server, ToolHost, until};
use directory::Directory;
pub(crate) use emulator::Emulator;

/// What "within seconds" may mean at most, on a busy machine.
const SECONDS: Duration = Duration::from_secs(15);

/// A server that looks for agent hosts in Cloud Map at `endpoint`.
async fn server(endpoint: &str, model: &FakeModel) -> (Server, Client) {
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDFORATEST"),
        ("AWS_SECRET_ACCESS_KEY", "secret-for-a-test"),
    ];
    let server = Server::start(Options {
        model: Some(model.url.clone()),
        config: Some(format!(
            "[discovery]\nkind = \"cloud-map\"\nnamespace = \"prod.test\"\nservice = \"agents\"\n\
             region = \"eu-west-1\"\nendpoint = \"{endpoint}\"\npoll_ms = 200\nrefresh_ms = 1000\n"
        )),
        env: environment
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    (server, client)
}

/// The addresses of an agent's instances, each with its health.
async fn instances(client: &Client, agent: &str) -> Vec<(String, String)> {
    let query = "query($n: String!) { getAgentStatus(name: $n) { instances { id health } } }";
    let answer = client.call(query, json!({ "n": agent })).await.body;
    let all = answer["data"]["getAgentStatus"]["instances"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> = all
        .iter()
        .map(|one| (text(&one["id"]), text(&one["health"])))
        .collect();
    all.sort();
    all
}

/// Waits until an agent has instances at exactly these URLs, all well.
async fn served_at(client: &Client, agent: &str, urls: &[&str]) {
    let mut wanted: Vec<_> = urls
        .iter()
        .map(|url| (format!("{agent}@{url}"), "HEALTHY".to_owned()))
        .collect();
    wanted.sort();
    until(&format!("{agent} is served at {urls:?}"), SECONDS, || async {
        (instances(client, agent).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_host_that_appears_is_used_and_one_that_goes_finishes_what_it_began() {
    let (model, directory, ledger) = (
        FakeModel::start().await,
        Directory::start().await,
        Ledger::default(),
    );
    let (server, client) = server(&directory.url, &model).await;
    let place = "those found in Cloud Map service agents.prod.test";
    assert!(server.log().contains(place), "{}", server.log());
    let one = ToolHost::start_with(ledger.clone()).await;
    directory.set(&[&one.url]);
    served_at(&client, "worker", &[&one.url]).await;
    assert_eq!(client.run("worker", "first").await["status"], "COMPLETED");

    // It leaves while it works: what runs ends there, what comes goes to the other.
    model.slow(Duration::from_millis(400));
    let input = json!({ "agent": "worker", "input": { "content": "long" }, "wait": "ACCEPTED" });
    let accepted = client.execute(input).await.data();
    until("the model is asked", SECONDS, || async {
        model.asked().get("long").map(|_| ())
    })
    .await;
    let two = ToolHost::start_with(ledger.clone()).await;
    directory.set(&[&two.url]);
    until("the first one drains", SECONDS, || async {
        let all = instances(&client, "worker").await;
        let is = |url: &str, health: &str| all.contains(&(format!("worker@{url}"), health.to_owned()));
        (is(&one.url, "DRAINING") && is(&two.url, "HEALTHY")).then_some(())
    })
    .await;
    model.slow(Duration::ZERO);
    let id = accepted["executeTaskOnAgent"]["id"].as_str().unwrap();
    let task = until("the task ends", Duration::from_secs(40), || async {
        let task = client.task(id).await;
        (task["status"] == "COMPLETED" || task["status"] == "FAILED").then_some(task)
    })
    .await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    assert_eq!(task["response"]["attempts"], 1, "{task}");
    served_at(&client, "worker", &[&two.url]).await;
    one.stop();
    assert_eq!(client.run("worker", "second").await["status"], "COMPLETED");
    server.assert_calm();
}

#[tokio::test]
async fn while_discovery_is_away_the_hosts_stay_and_the_log_says_so() {
    let (model, directory) = (FakeModel::start().await, Directory::start().await);
    let (one, two) = (ToolHost::start().await, ToolHost::start().await);
    directory.set(&[&one.url]);
    let (server, client) = server(&directory.url, &model).await;
    served_at(&client, "worker", &[&one.url]).await;
    directory.away(true);
    until("the outage is told", SECONDS, || async {
        server
            .log()
            .contains("discovery does not answer: the last known members stay")
            .then_some(())
    })
    .await;
    assert_eq!(client.run("worker", "meanwhile").await["status"], "COMPLETED");
    directory.set(&[&one.url, &two.url]);
    directory.away(false);
    served_at(&client, "worker", &[&one.url, &two.url]).await;
    // A stop and a start in between: nothing is kept that would have to be found again.
    let log = server.log();
    assert!(
        log.contains("discovery answers again") && !log.contains("secret-for-a-test"),
        "{log}"
    );
    server.assert_calm();
}

// The directory answers while the doctor is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_says_what_is_wrong_with_discovery() {
    let (model, directory) = (FakeModel::start().await, Directory::start().await);
    let (server, _) = server(&directory.url, &model).await;
    let doctor = |credentials: bool, region: &str| {
        let mut command = server.command();
        command
            .args(["doctor", "--url", &server.http])
            .env("GREENROOM__DISCOVERY__REGION", region);
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("OPENAI_API_KEY", "k");
        if credentials {
            command
                .env("AWS_ACCESS_KEY_ID", "AKIDFORATEST")
                .env("AWS_SECRET_ACCESS_KEY", "s");
        }
        command.env("GREENROOM__STORE__PATH", server.store());
        let said = command.output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        let about = said.lines().filter(|line| line.contains("discovery"));
        about.collect::<Vec<_>>().join("\n")
    };
    let said = doctor(true, "eu-west-1");
    assert!(
        said.contains("warn") && said.contains("in eu-west-1") && said.contains("0 found"),
        "{said}"
    );
    directory.set(&["http://127.0.0.1:7071"]);
    let said = doctor(true, "eu-west-1");
    assert!(said.contains("ok") && said.contains("1 found"), "{said}");
    let said = doctor(false, "eu-west-1");
    assert!(
        said.contains("FAIL") && said.contains("there are no credentials"),
        "{said}"
    );
    let said = doctor(true, "");
    assert!(
        said.contains("FAIL") && said.contains("set discovery.region or AWS_REGION"),
        "{said}"
    );
    directory.away(true);
    let said = doctor(true, "eu-west-1");
    assert!(
        said.contains("FAIL") && said.contains("no answer to DiscoverInstances"),
        "{said}"
    );
}

#[tokio::test]
#[ignore = "needs ministack and Python packages: run by `cargo xtask test`"]
async fn agents_in_python_are_found_in_another_s_cloud_map() {
    let (model, emulator) = (FakeModel::start().await, Emulator::start().await);
    let mut host = ForeignHost::start(Language::Python).await;
    let agent = host.agent("talker");
    let (server, client) = server(&emulator.url, &model).await;
    // Added,
    emulator.register("host-1", &host.url).await;
    served_at(&client, &agent, &[&host.url]).await;
    let said = client.run(&agent, "hello").await;
    assert_eq!(said["response"]["content"], FakeModel::answer("hello"), "{said}");
    // killed: it is registered still, and nobody sends it anything;
    host.kill().await;
    let unwell = vec![(format!("{agent}@{}", host.url), "UNHEALTHY".to_owned())];
    until("its death is noticed", SECONDS, || async {
        (instances(&client, &agent).await == unwell).then_some(())
    })
    .await;
    host.restart().await;
    served_at(&client, &agent, &[&host.url]).await;
    // removed,
    let second = ForeignHost::start(Language::Python).await;
    emulator.register("host-2", &second.url).await;
    served_at(&client, &agent, &[&host.url, &second.url]).await;
    emulator.deregister("host-1").await;
    served_at(&client, &agent, &[&second.url]).await;
    assert_eq!(client.run(&agent, "again").await["status"], "COMPLETED");
    // and an outage of all of Cloud Map changes nothing.
    emulator.kill();
    until("the outage is told", SECONDS, || async {
        server.log().contains("the last known members stay").then_some(())
    })
    .await;
    assert_eq!(client.run(&agent, "still").await["status"], "COMPLETED");
    server.assert_calm();
}
