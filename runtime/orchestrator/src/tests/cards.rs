//! What cards promise: an input that breaks a schema is not accepted, an answer that breaks one doesn't count.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{AcceptCall, AggregateRequest, PageRequest};
use serde_json::{Value, json};

use super::*;

fn wants_city() -> Value {
    json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
    })
}

fn asked(agent: &str, input: Value) -> AcceptRequest {
    AcceptRequest {
        call: AcceptCall::Task {
            agent: name(agent),
            input: input.to_string(),
        },
        ..task(agent, "k", LONG)
    }
}

async fn nothing_was_accepted(stage: &Stage) {
    let page = PageRequest {
        after: None,
        limit: 10,
    };
    let tasks = stage.show.tasks(&ann(), None, None, page).await.unwrap();
    assert_eq!(tasks.rows, []);
}

async fn an_input_that_breaks_the_cards_schema_is_refused_before_it_is_accepted(door: Door) {
    let picky = host("h")
        .agent("helper", |talk: Talk| async move { talk.done("sunny") })
        .schemas("helper", Some(wants_city()), None);
    let stage = Stage::with(door, [Arc::new(picky)]).await;
    for (input, place) in [(json!({}), "its root"), (json!({ "city": 7 }), "/city")] {
        let refused = stage
            .show
            .accept(&ann(), asked("helper", input))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code, refused.retryable),
            (ErrorCode::BadUserInput, false)
        );
        assert!(
            refused.message.contains(place) && refused.message.contains("helper"),
            "{refused}"
        );
    }
    let refused = stage.show.accept(&ann(), chat(None, "hi", "c", LONG)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::BadUserInput);
    nothing_was_accepted(&stage).await;
    let told = stage
        .show
        .accept(&ann(), asked("helper", json!({ "city": "Ulm" })))
        .await;
    assert_eq!(told.unwrap().task.status, TaskStatus::Completed);
}

async fn a_chat_whose_content_fits_the_schema_is_accepted(door: Door) {
    let schema = json!({ "properties": { "content": { "maxLength": 3 } }, "required": ["content"] });
    let picky = host("h")
        .agent("helper", echo)
        .schemas("helper", Some(schema), None);
    let stage = Stage::with(door, [Arc::new(picky)]).await;
    assert_eq!(
        stage.chat(None, "hi", "k", LONG).await.task.status,
        TaskStatus::Completed
    );
    let refused = stage
        .show
        .accept(&ann(), chat(None, "hello", "l", LONG))
        .await
        .unwrap_err();
    assert!(refused.message.contains("/content"), "{refused}");
}

async fn a_hand_off_that_breaks_the_schema_is_the_steps_failure_and_makes_no_child(door: Door) {
    let cast = host("h")
        .agent("helper", |mut talk: Talk| async move {
            match talk.step(hand_off("0", "picky")).await {
                Some(Err(failure)) => talk.say(FromAgent::Failed(failure)),
                other => talk.done(&format!("{other:?}")),
            }
        })
        .agent("picky", |talk: Talk| async move { talk.done("sunny") })
        .schemas("picky", Some(wants_city()), None);
    let stage = Stage::with(door, [Arc::new(cast)]).await;
    let told = stage.task("helper", "k", LONG).await;
    let failure = told.task.error.unwrap();
    assert_eq!(failure.code, ErrorCode::BadUserInput);
    assert!(failure.message.contains("city"), "{failure}");
    let page = PageRequest {
        after: None,
        limit: 10,
    };
    let children = stage.show.children(&ann(), &told.task.id, page).await.unwrap();
    assert_eq!(children.rows, []);
}

async fn an_aggregation_with_one_wrong_input_begins_nothing(door: Door) {
    let cast = host("h")
        .agent("helper", |talk: Talk| async move { talk.done("well") })
        .agent("picky", |talk: Talk| async move { talk.done("sunny") })
        .schemas("picky", Some(wants_city()), None);
    let stage = Stage::with(door, [Arc::new(cast)]).await;
    let request = AggregateRequest {
        targets: vec![(name("helper"), None), (name("picky"), None)],
        input: "{}".into(),
        timeout: Some(Duration::from_secs(20)),
        quorum: None,
        synthesize: false,
        key: IdempotencyKey::parse("a").unwrap(),
        trace: None,
    };
    let refused = stage.show.aggregate(&ann(), request).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::BadUserInput);
    nothing_was_accepted(&stage).await;
}

async fn the_order_of_an_inputs_members_says_nothing(door: Door) {
    let host = host("h").agent("helper", |talk: Talk| async move { talk.done(&talk.start.input) });
    let stage = Stage::with(door, [Arc::new(host)]).await;
    let said = |text: &str| {
        let call = AcceptCall::Task {
            agent: name("helper"),
            input: text.to_owned(),
        };
        let request = AcceptRequest {
            call,
            ..task("helper", "k", LONG)
        };
        let stage = &stage;
        async move { stage.show.accept(&ann(), request).await }
    };
    let first = r#"{"b":{"d":1,"c":[{"f":1,"e":2}]},"a":2}"#;
    let told = said(first).await.unwrap().task;
    assert_eq!(stage.text(&told).await, first, "the input is as it was given");
    let again = said(r#"{ "a": 2, "b": {"c": [{"e":2,"f":1}], "d": 1} }"#).await;
    assert_eq!(again.unwrap().task.id, told.id);
    let other = said(r#"{"a":2,"b":{"c":[{"e":2,"f":2}],"d":1}}"#).await;
    assert_eq!(other.unwrap_err().code, ErrorCode::Conflict);
}

async fn a_repeated_call_finds_its_task_after_the_card_was_tightened(door: Door) {
    let cast = host("h").agent("helper", |talk: Talk| async move { talk.done("well") });
    let cast = Arc::new(cast.agent("other", |talk: Talk| async move { talk.done("well") }));
    let mut stage = Stage::with(door, [Arc::clone(&cast)]).await;
    let first = stage.task("helper", "k", LONG).await.task;
    let turn = stage.chat(None, "hi", "c", LONG).await;
    let session = turn.session.unwrap().id;
    let second = stage.chat(Some(&session), "hi", "d", LONG).await.task;
    let both = AggregateRequest {
        targets: vec![(name("helper"), None), (name("other"), None)],
        input: "{}".into(),
        timeout: Some(Duration::from_secs(20)),
        quorum: None,
        synthesize: false,
        key: IdempotencyKey::parse("a").unwrap(),
        trace: None,
    };
    let parts = stage.show.aggregate(&ann(), both.clone()).await.unwrap().parts;
    cast.takes_only("helper", wants_city());
    stage.crash_and_restart().await;
    assert_eq!(stage.task("helper", "k", LONG).await.task.id, first.id);
    assert_eq!(stage.chat(None, "hi", "c", LONG).await.task.id, turn.task.id);
    assert_eq!(
        stage.chat(Some(&session), "hi", "d", LONG).await.task.id,
        second.id
    );
    let again = stage.show.aggregate(&ann(), both.clone()).await.unwrap().parts;
    let ids = |parts: &[TaskRow]| parts.iter().map(|part| part.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&parts));
    for new in [task("helper", "l", LONG), chat(Some(&session), "hi", "m", LONG)] {
        let refused = stage.show.accept(&ann(), new).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::BadUserInput);
    }
    let key = IdempotencyKey::parse("b").unwrap();
    let refused = stage
        .show
        .aggregate(&ann(), AggregateRequest { key, ..both })
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::BadUserInput);
    let other = stage
        .show
        .accept(&ann(), asked("helper", json!({ "a": 1 })))
        .await;
    assert_eq!(other.unwrap_err().code, ErrorCode::Conflict);
}

async fn data_that_breaks_the_agents_own_schema_fails_its_task(door: Door) {
    let answers = host("h")
        .agent("helper", |talk: Talk| async move {
            let input: Value = serde_json::from_str(&talk.start.input).unwrap();
            talk.say(FromAgent::Completed {
                content: None,
                data: input.get("data").map(ToString::to_string),
            });
        })
        .schemas("helper", None, Some(wants_city()));
    let stage = Stage::with(door, [Arc::new(answers)]).await;
    let told = |input: Value, key: &'static str| {
        let request = AcceptRequest {
            key: IdempotencyKey::parse(key).unwrap(),
            ..asked("helper", input)
        };
        let stage = &stage;
        async move { stage.show.accept(&ann(), request).await.unwrap().task }
    };
    let well = told(json!({ "data": { "city": "Ulm" } }), "a").await;
    assert_eq!(well.status, TaskStatus::Completed);
    for (input, key, place) in [
        (json!({ "data": { "city": 7 } }), "b", "/city"),
        (json!({}), "c", "its root"),
    ] {
        let failure = told(input, key).await.error.unwrap();
        assert_eq!(failure.code, ErrorCode::AgentFailed);
        assert!(failure.message.contains(place), "{failure}");
    }
}

async fn a_card_with_a_wrong_schema_is_refused_and_says_why_and_others_of_its_host_serve(door: Door) {
    let wrong = host("w")
        .agent("worker", |talk: Talk| async move { talk.done("well") })
        .agent("broken", |talk: Talk| async move { talk.done("never") })
        .schemas("broken", Some(json!({ "type": "a city" })), None);
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", echo))]).await;
    stage.orchestrator.join(Arc::new(wrong)).await.unwrap();
    stage.orchestrator.knows(&name("worker"), LONG).await.unwrap();
    assert_eq!(
        stage.task("worker", "k", LONG).await.task.status,
        TaskStatus::Completed
    );
    let refused = stage
        .show
        .accept(&ann(), task("broken", "l", LONG))
        .await
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotFound);
    assert!(
        refused.message.contains("input schema") && refused.message.contains("a city"),
        "{refused}"
    );
    assert_eq!(stage.show.agent(&name("broken")).await.unwrap(), None);
}

async fn a_refused_card_is_forgotten_with_its_host_or_its_place_in_the_list(door: Door) {
    let wrong = host("w").agent("worker", echo).agent("broken", echo);
    let wrong = Arc::new(wrong.schemas("broken", Some(json!({ "type": "a city" })), None));
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", echo))]).await;
    stage.orchestrator.join(Arc::clone(&wrong) as _).await.unwrap();
    stage.orchestrator.knows(&name("worker"), LONG).await.unwrap();
    let agents = &stage.orchestrator.shared().agents;
    let told = |agent: &str| agents.known(&name(agent)).unwrap_err().message;
    let card = |agent: &str| greenroom_kernel::AgentCard {
        name: name(agent),
        ..agents.status(&name("worker")).unwrap().card
    };
    let refuse = |agent: &str| {
        let (id, address) = (format!("{agent}@x"), "x".to_owned());
        agents.refuse(id, address, &card(agent), "too odd".into());
    };
    refuse("odd");
    refuse("odder");
    assert!(told("odd").contains("too odd") && told("odder").contains("too odd"));
    agents.offers("x", &[card("odder")]);
    assert!(!told("odd").contains("too odd") && told("odder").contains("too odd"));
    agents.offers("x", &[]);
    assert!(!told("odder").contains("too odd"));
    assert!(told("broken").contains("a city"));
    wrong.up.store(false, std::sync::atomic::Ordering::SeqCst);
    let forgotten = async {
        while told("broken").contains("a city") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LONG, forgotten).await.unwrap();
    (0..1_000).for_each(|i| refuse(&format!("odd{i}")));
    let remembered = (0..1_000).filter(|i| told(&format!("odd{i}")).contains("too odd"));
    assert_eq!(remembered.count(), 256);
}

through_every_door! {
    a_refused_card_is_forgotten_with_its_host_or_its_place_in_the_list,
    an_input_that_breaks_the_cards_schema_is_refused_before_it_is_accepted,
    a_chat_whose_content_fits_the_schema_is_accepted,
    a_hand_off_that_breaks_the_schema_is_the_steps_failure_and_makes_no_child,
    an_aggregation_with_one_wrong_input_begins_nothing,
    the_order_of_an_inputs_members_says_nothing,
    a_repeated_call_finds_its_task_after_the_card_was_tightened,
    data_that_breaks_the_agents_own_schema_fails_its_task,
    a_card_with_a_wrong_schema_is_refused_and_says_why_and_others_of_its_host_serve,
}
