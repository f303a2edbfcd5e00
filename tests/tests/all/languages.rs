//! Agents in other languages keep the same promises: one suite over the examples, whose agents were written from the
//! `.proto` files alone.

mod world;

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use crate::agents::known;
use crate::docs::{Curl, blocks, document};
use crate::support::{FakeModel, Language, nodes, until};
use world::{PATIENCE, World, advice_on};

macro_rules! in_each_language {
    ($($promise:ident),* $(,)?) => {
        mod python {
            $(
                #[tokio::test]
                #[ignore = "needs Python packages: run by `cargo xtask test`"]
                async fn $promise() {
                    super::$promise(super::World::start(super::Language::Python).await).await;
                }
            )*
        }

        mod typescript {
            $(
                #[tokio::test]
                #[ignore = "needs npm packages: run by `cargo xtask test`"]
                async fn $promise() {
                    super::$promise(super::World::start(super::Language::TypeScript).await).await;
                }
            )*
        }
    };
}

in_each_language!(
    a_turn_is_shown_as_it_comes_and_knows_the_conversation,
    a_model_uses_the_agents_tools,
    killing_the_agent_or_the_supervisor_repeats_no_finished_step,
    a_keyed_effect_cut_in_its_middle_is_asked_for_again_by_its_key,
    an_effect_cut_in_its_middle_waits_for_a_person,
    a_refusal_is_an_answer,
    the_agent_is_told_that_nobody_waits_any_more,
    errors_are_answers_and_breakdowns_lose_attempts,
    a_replay_sees_the_same_time_and_the_same_lots,
    more_calls_than_credit_wait_their_turn,
    a_blocked_agent_is_silent_and_loses_its_attempt,
    a_host_ends_when_asked_and_comes_back,
    the_examples_readme_tells_what_happens,
    the_judge_of_hosts_finds_nothing_to_blame,
);

async fn a_turn_is_shown_as_it_comes_and_knows_the_conversation(world: World) {
    let client = &world.client;
    world.model.slow(Duration::from_millis(50));
    let create = "mutation($id: ID) { createSession(id: $id) { id } }";
    client.call(create, json!({ "id": "talk" })).await.data();
    let mut events = client.on_chat("talk", Some("0")).await.unwrap();
    let turn = |content: &str| json!({ "sessionId": "talk", "agent": world.host.agent("talker"), "content": content });
    let first = client.send_chat(turn("first Ω 🎭")).await.data();
    let message = first["sendChat"]["message"].clone();
    let answer = FakeModel::answer("first Ω 🎭");
    assert_eq!(first["sendChat"]["response"]["content"], answer, "{first}");
    assert_eq!(message["content"], "first Ω 🎭");
    let (mut pieces, mut text) = (0, String::new());
    loop {
        let next = tokio::time::timeout(PATIENCE, events.next()).await;
        let event = next.expect("the turn ends").expect("the stream goes on");
        if event["kind"] == "DELTA" {
            assert_eq!(event["offset"], text.encode_utf16().count(), "{event}");
            text.push_str(event["delta"].as_str().unwrap());
            pieces += 1;
        } else if event["kind"] == "COMPLETED" {
            break;
        }
    }
    assert_eq!(text, answer);
    assert!(pieces > 3, "{pieces} pieces");

    client.send_chat(turn("second")).await.data();
    let said: Vec<Value> = world.model.conversation("second");
    let expected = json!([
        { "role": "user", "content": "first Ω 🎭" },
        { "role": "assistant", "content": answer },
        { "role": "user", "content": "second" },
    ]);
    assert_eq!(Value::Array(said), expected);
    world.server.assert_calm();
}

async fn a_model_uses_the_agents_tools(world: World) {
    let content = r#"use stock {"item":"rope"}"#;
    let task = world.client.run(&world.host.agent("talker"), content).await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    let said = task["response"]["content"].as_str().unwrap();
    assert!(
        said.contains("rope") && said.contains("count") && said.contains('3'),
        "{said}"
    );
    assert_eq!(world.host.noted("looked", "rope").len(), 1);
    let steps = nodes(&world.client.task(task["id"].as_str().unwrap()).await["steps"]);
    let kinds: Vec<_> = steps.iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["MODEL", "TOOL", "MODEL"]);
    // A model may ask for what isn't there, or write nonsense: it is told so.
    for wrong in [r#"use lasso {"item":"rope"}"#, "use stock {oops", "use stock []"] {
        let task = world.client.run(&world.host.agent("talker"), wrong).await;
        assert_eq!(task["status"], "COMPLETED", "{wrong}: {task}");
        assert!(
            task["response"]["content"].as_str().unwrap().contains("failed: "),
            "{task}"
        );
    }
}

async fn killing_the_agent_or_the_supervisor_repeats_no_finished_step(mut world: World) {
    for (item, kill_server) in [("kettle", false), ("lamp", true)] {
        let order = json!({ "item": item, "cents": 1999, "packing_ms": 3000 });
        let id = world.order(order).await;
        // Between two steps: the timer runs.
        world.notes("reserved", item).await;
        if kill_server {
            world.restart_server().await;
        } else {
            world.restart_host().await;
        }
        let task = world.comes_to(&id, "COMPLETED").await;
        let content = format!("receipt for {item}. Thank you for {item}!");
        assert_eq!(task["response"]["content"], content);
        assert_eq!(task["response"]["data"]["receipt"], format!("receipt for {item}"));
        assert!(task["response"]["attempts"].as_u64().unwrap() >= 3, "{task}");
        for what in ["looked", "reserved", "paid"] {
            assert_eq!(world.host.noted(what, item).len(), 1, "{what} {item}");
        }
        assert_eq!(world.model.asked()[&advice_on(item)], 1);
        let steps = nodes(&task["steps"]);
        let mut kinds: Vec<_> = steps.iter().map(|step| step["kind"].as_str().unwrap()).collect();
        kinds[..2].sort_unstable();
        assert_eq!(
            kinds,
            ["MODEL", "TOOL", "APPROVAL", "TOOL", "TIMER", "EFFECT", "AGENT"]
        );
        let query = "query($id: ID!) { getTask(id: $id) { children { edges { node { agent status } } } } }";
        let children = world.client.call(query, json!({ "id": id })).await.data();
        let children = nodes(&children["getTask"]["children"]);
        assert_eq!(children, [json!({ "agent": "echo", "status": "COMPLETED" })]);
    }
    world.server.assert_calm();
}

async fn a_keyed_effect_cut_in_its_middle_is_asked_for_again_by_its_key(mut world: World) {
    let id = world
        .order(json!({ "item": "harp", "cents": 700, "reserve_ms": 3000 }))
        .await;
    world.notes("reserved", "harp").await;
    world.restart_host().await;
    world.comes_to(&id, "COMPLETED").await;
    let asked = world.host.noted("asked for", "harp");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0]["key"], asked[1]["key"]);
    assert_eq!(world.host.noted("reserved", "harp").len(), 1);
}

async fn an_effect_cut_in_its_middle_waits_for_a_person(mut world: World) {
    let order = json!({ "item": "anvil", "cents": 5000, "packing_ms": 10, "bank_ms": 60_000 });
    let id = world.order(order).await;
    world.notes("paid", "anvil").await;
    world.restart_host().await;
    let task = world.comes_to(&id, "OUTCOME_UNKNOWN").await;
    let steps = nodes(&task["steps"]);
    let unknown: Vec<_> = steps
        .iter()
        .filter(|step| step["status"] == "OUTCOME_UNKNOWN")
        .collect();
    assert_eq!(unknown.len(), 1, "{task}");
    assert_eq!(unknown[0]["name"], "pay");
    world
        .resolve(&id, unknown[0], "SETTLE_DONE", json!({ "receipt": "by hand" }))
        .await;
    let task = world.comes_to(&id, "COMPLETED").await;
    assert_eq!(task["response"]["content"], "by hand. Thank you for anvil!");
    assert_eq!(world.host.noted("paid", "anvil").len(), 1);
}

async fn a_refusal_is_an_answer(world: World) {
    let id = world.begin("buyer", json!({ "item": "moon", "cents": 1 })).await;
    let task = world.comes_to(&id, "WAITING").await;
    let asked = nodes(&task["steps"]).pop().unwrap();
    world.resolve(&id, &asked, "REJECT", Value::Null).await;
    let task = world.comes_to(&id, "COMPLETED").await;
    assert_eq!(task["response"]["content"], "Not bought.");
    assert!(world.host.noted("reserved", "moon").is_empty());
}

async fn the_agent_is_told_that_nobody_waits_any_more(mut world: World) {
    // By its owner,
    let id = world.begin("stuntman", json!("hang owner")).await;
    world.notes("hangs", "owner").await;
    let cancel = "mutation($id: ID!) { cancelTask(id: $id) { status } }";
    world.client.call(cancel, json!({ "id": id })).await.data();
    world.notes("stopped", "owner").await;
    // by the clock,
    let input = json!({ "agent": world.host.agent("stuntman"), "input": "hang clock", "timeoutMs": 1500 });
    let task = world.client.execute(input).await.data();
    assert_eq!(
        task["executeTaskOnAgent"]["error"]["code"], "DEADLINE_EXCEEDED",
        "{task}"
    );
    world.notes("stopped", "clock").await;
    // and by the supervisor's death.
    let id = world.begin("stuntman", json!("hang death")).await;
    world.notes("hangs", "death").await;
    world.server.kill();
    world.notes("stopped", "death").await;
    assert!(world.server.launch(&[]).await);
    world.client = world.client.at(&world.server.http);
    until("it hangs again", PATIENCE, || async {
        (world.host.noted("hangs", "death").len() == 2).then_some(())
    })
    .await;
    world.client.call(cancel, json!({ "id": id })).await.data();
    world.comes_to(&id, "CANCELLED").await;
}

async fn errors_are_answers_and_breakdowns_lose_attempts(world: World) {
    let task = world.stunt("fail a").await;
    assert_eq!(task["error"]["code"], "BAD_USER_INPUT");
    assert_eq!(task["error"]["message"], "as told");
    // By that code a host says that it leaves: as the agent's own it is an answer like any other.
    let task = world.stunt("quit a").await;
    assert_eq!(task["error"]["code"], "AGENT_FAILED");
    assert_eq!(task["error"]["message"], "as told");
    // What breaks its card's schema doesn't come to the agent.
    let input = json!({ "agent": world.host.agent("buyer"), "input": { "content": "no order" } });
    let refused = world.client.execute(input).await.body;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{refused}"
    );

    let task = world.stunt("raise b").await;
    assert_eq!(task["error"]["code"], "AGENT_FAILED");
    assert_eq!(task["error"]["retryable"], true);
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.contains("as told"), "{message}");
    assert!(
        !message.contains("agent."),
        "where it happened is not the caller's: {message}"
    );

    // In the middle of an effect nobody knows.
    let task = world.stunt("fall c").await;
    assert_eq!(task["status"], "OUTCOME_UNKNOWN", "{task}");
    let id = task["id"].as_str().unwrap();
    let step = nodes(&world.client.task(id).await["steps"]).pop().unwrap();
    world
        .resolve(id, &step, "SETTLE_DONE", json!("on his feet"))
        .await;
    assert_eq!(
        world.comes_to(id, "COMPLETED").await["response"]["content"],
        "on his feet"
    );
    world.server.assert_calm();
}

async fn a_replay_sees_the_same_time_and_the_same_lots(world: World) {
    let task = world.stunt("dice d").await;
    assert_eq!(task["response"]["content"], "dice after 2", "{task}");
    let rolled = world.host.noted("rolled", "d");
    assert_eq!(rolled.len(), 2);
    assert_eq!(rolled[0], rolled[1]);
    world.stunt("dice e").await;
    assert_ne!(world.host.noted("rolled", "e")[0]["rolled"], rolled[0]["rolled"]);
}

async fn more_calls_than_credit_wait_their_turn(world: World) {
    let task = world.stunt("crowd c").await;
    assert_eq!(task["response"]["content"], "200", "{task}");
    assert_eq!(task["response"]["attempts"], 1);
    for number in 0..200 {
        assert_eq!(world.host.noted("looked", &format!("c{number}")).len(), 1);
    }
}

async fn a_blocked_agent_is_silent_and_loses_its_attempt(world: World) {
    let begun = std::time::Instant::now();
    let id = world.begin("stuntman", json!("block b")).await;
    let task = world.comes_to(&id, "COMPLETED").await;
    assert_eq!(task["response"]["content"], "block after 2");
    assert!(
        begun.elapsed() >= Duration::from_secs(9),
        "silence was waited for"
    );
    // One that only waits is not: its heartbeats go on.
    let id = world.begin("stuntman", json!("hang b")).await;
    world.notes("hangs", "b").await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(world.host.noted("hangs", "b").len(), 1);
    assert!(world.host.noted("stopped", "b").is_empty());
    assert_eq!(world.client.task(&id).await["status"], "RUNNING");
}

async fn a_host_ends_when_asked_and_comes_back(mut world: World) {
    // What runs may end first.
    let order = json!({ "item": "drum", "cents": 100, "packing_ms": 10, "bank_ms": 4000 });
    let id = world.order(order).await;
    world.notes("paid", "drum").await;
    assert_eq!(world.host.terminate().await, Some(0));
    let task = world.comes_to(&id, "COMPLETED").await;
    assert_eq!(task["response"]["attempts"], 2, "{task}");
    world.host.restart().await;
    let task = world.stunt("return x").await;
    assert_eq!(task["response"]["content"], "return after 1", "{task}");
}

async fn the_examples_readme_tells_what_happens(mut world: World) {
    let blocks = blocks(&document(&format!("{}/README.md", world.host.folder())));
    let (mut asked, mut id) = (0, "TASK".to_owned());
    for (index, block) in blocks.iter().enumerate() {
        if !block.text.starts_with("curl ") {
            continue;
        }
        let promised = blocks[index + 1].text.replace("TASK", &id);
        let promised: Value = serde_json::from_str(&promised).unwrap();
        let curl = Curl::parse(&block.text.replace("TASK", &id));
        // Answers may come a moment earlier or later than a reader would ask.
        let answer = until("the README's answer comes", PATIENCE, || async {
            let answer: Value = curl.send(&world.server).await.json().await.unwrap();
            if id != "TASK" {
                return (answer == promised).then_some(answer);
            }
            assert_eq!(
                answer["data"]["executeTaskOnAgent"]["status"], "WAITING",
                "{answer}"
            );
            Some(answer)
        })
        .await;
        if id == "TASK" {
            let task = &answer["data"]["executeTaskOnAgent"];
            id = task["id"].as_str().unwrap().to_owned();
            // "Kill the agents' process, or `dev`, or both."
            world.restart_host().await;
            world.restart_server().await;
            known(&world.client, &world.host.agent("buyer")).await;
        }
        asked += 1;
    }
    assert_eq!(asked, 3);
}

async fn the_judge_of_hosts_finds_nothing_to_blame(world: World) {
    for (agent, input) in [
        ("buyer", r#"{"item":"kettle","cents":1999}"#),
        ("talker", "\"hello\""),
        // Not so of one that breaks down at first: the judge can blame.
        ("stuntman", "\"dice j\""),
    ] {
        let judged = world.host.judged(agent, input).await;
        if agent == "stuntman" {
            assert!(judged.contains("\nbroken: and completes: "), "{judged}");
        } else {
            assert!(judged.ends_with("kept, 0 broken\n"), "{judged}");
        }
    }
}
