//! Processes of every role that come, leave and die while calls run.

mod callers;
mod compose;
mod desk;
mod payer;
mod process;
mod small;
mod stage;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, until};
use callers::Callers;
use stage::{Stage, served, told};

/// What a supervisor that is told to leave may take at most: less than Amazon ECS waits.
const STOP: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack and Python packages: run by `cargo xtask test`"]
async fn processes_of_every_role_come_leave_and_die_while_calls_run_and_nothing_is_lost() {
    let stage = Stage::set().await;
    let mut python_one = stage.python("python-one").await;
    let talker = python_one.agent("talker");
    let (mut host_one, mut host_two) = (stage.host("host one").await, stage.host("host two").await);
    let mut one = stage.supervisor("supervisor one").await;
    let mut two = stage.supervisor("supervisor two").await;
    let (mut door_one, mut door_two) = (
        stage.gateway("gateway one").await,
        stage.gateway("gateway two").await,
    );
    for gateway in [&door_one, &door_two] {
        served(gateway, "assistant", 2).await;
        served(gateway, &talker, 1).await;
    }
    stage.model.slow(Duration::from_millis(20));
    let agents = [
        "assistant",
        "assistant",
        &talker,
        "assistant",
        "assistant",
        &talker,
    ];
    let callers = Callers::begin(&agents, &stage.gateways).await;
    told("the longest turn in peace", callers.go_on().await);

    // One of each is added, and one of each leaves.
    let mut three = stage.supervisor("supervisor three").await;
    told("the longest turn while a supervisor came", callers.go_on().await);
    let (code, took) = one.leave().await;
    assert!(
        code == Some(0) && took < STOP,
        "{code:?} after {took:?}: {}",
        one.log()
    );
    told("a supervisor left within", took);
    told("the longest turn meanwhile", callers.go_on().await);
    assert_eq!(
        callers.reopened(),
        0,
        "a stream broke though only supervisors moved"
    );

    let mut host_three = stage.host("host three").await;
    let (code, took) = host_one.leave().await;
    assert_eq!(code, Some(0), "{}", host_one.log());
    told("an agent host left within", took);
    told("the longest turn meanwhile", callers.go_on().await);

    let mut door_three = stage.gateway("gateway three").await;
    stage.gateways.remove(&door_one.http());
    let (code, took) = door_one.leave().await;
    assert_eq!(code, Some(0), "{}", door_one.log());
    told("a gateway left within", took);
    told("the longest turn meanwhile", callers.go_on().await);

    // So does a host that isn't ours: one is killed, and comes back; another is told to leave, and struck out later only.
    let mut python_two = stage.python("python-two").await;
    served(&door_two, &talker, 2).await;
    python_one.kill().await;
    let longest = callers.go_on().await;
    told("the longest turn after a host in Python was killed", longest);
    python_one.restart().await;
    served(&door_two, &talker, 2).await;
    let began = Instant::now();
    assert_eq!(python_two.terminate().await, Some(0));
    told("a host in Python left within", began.elapsed());
    told("the longest turn meanwhile", callers.go_on().await);
    stage.emulator.deregister("python-two").await;

    // One of each is killed.
    for (what, process) in [
        ("a supervisor", &mut two),
        ("an agent host", &mut host_two),
        ("a gateway", &mut door_two),
    ] {
        if what == "a gateway" {
            stage.gateways.remove(&process.http());
        }
        process.kill();
        let longest = callers.go_on().await;
        told(&format!("the longest turn after {what} was killed"), longest);
    }
    callers.judge().await;

    python_one.terminate().await;
    for process in [&mut door_three, &mut three, &mut host_three] {
        let (code, took) = process.leave().await;
        assert_eq!(code, Some(0), "{}: {}", process.name, process.log());
        told(&format!("{} left within", process.name), took);
        process.assert_calm();
    }
}

/// The statuses of all tasks, each once.
async fn statuses(client: &Client, ids: &[String]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for id in ids {
        all.insert(
            client.task(id).await["status"]
                .as_str()
                .unwrap_or("none")
                .to_owned(),
        );
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack: run by `cargo xtask test`"]
async fn a_fleet_that_shrinks_and_grows_pays_each_bill_once_and_leaves_nothing_in_doubt() {
    let mut stage = Stage::set().await;
    let _payer = stage.payer().await;
    let mut old = vec![
        stage.supervisor("supervisor one").await,
        stage.supervisor("supervisor two").await,
    ];
    let gateway = stage.gateway("the gateway").await;
    served(&gateway, "payer", 1).await;
    let client = Client::new(&gateway.http());
    let mut ids: Vec<String> = Vec::new();
    for round in 0..3 {
        // A new one comes; in the middle of what is begun then, the oldest leaves.
        old.push(stage.supervisor(&format!("supervisor {}", round + 3)).await);
        let begun = (0..12).map(async |number| {
            let input = json!({ "agent": "payer", "wait": "ACCEPTED", "idempotencyKey": format!("{round}-{number}"),
                "input": { "content": format!("bill {round}-{number}") } });
            let accepted = client.execute(input).await.data();
            accepted["executeTaskOnAgent"]["id"].as_str().unwrap().to_owned()
        });
        ids.extend(futures::future::join_all(begun).await);
        let mut leaving = old.remove(0);
        let (code, took) = leaving.leave().await;
        assert!(
            code == Some(0) && took < STOP,
            "{code:?} after {took:?}: {}",
            leaving.log()
        );
        told("a supervisor with work left within", took);
        leaving.assert_calm();
    }
    until("every task has ended", Duration::from_secs(60), || async {
        let all = statuses(&client, &ids).await;
        (!all.contains("RUNNING") && !all.contains("ACCEPTED")).then_some(())
    })
    .await;
    assert_eq!(
        statuses(&client, &ids).await,
        BTreeSet::from(["COMPLETED".to_owned()])
    );
    let mut moved = 0;
    for id in &ids {
        moved += usize::from(client.task(id).await["response"]["attempts"] != 1);
    }
    println!("{moved} of {} tasks moved", ids.len());
    assert!(moved > 0, "nothing ran where a supervisor left");
    let paid = stage.ledger.counts("pay");
    assert!(
        paid.len() == 2 * ids.len() && paid.values().all(|times| *times == 1),
        "{paid:?}"
    );
    let listed = client
        .call(
            "{ listTasks(status: OUTCOME_UNKNOWN, first: 5) { edges { node { id } } } }",
            Value::Null,
        )
        .await
        .data();
    assert_eq!(listed["listTasks"]["edges"], json!([]));
}
