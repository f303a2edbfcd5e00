//! Agents asked as if they were models.

use std::time::Duration;

use greenroom_gateway::GatewayConfig;
use greenroom_kernel::{AcceptCall, ChatEventBody, Payload, TaskId, TaskRow, TaskStatus};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::client::{Running, SOON, dev, session_id, start, start_with};
use crate::fake_rows as rows;
use crate::v1_fake::until;

fn asks(agent: &str, stream: bool, more: Value) -> String {
    let mut body = json!({
        "model": format!("agent:{agent}"),
        "stream": stream,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body.to_string()
}

/// The task that was accepted last, once there are `count`.
async fn accepted(gateway: &Running, count: usize) -> TaskRow {
    let task = || {
        let state = gateway.fake.state.lock();
        let mut tasks: Vec<_> = state
            .journals
            .values()
            .flat_map(|journal| journal.tasks.clone())
            .collect();
        (tasks.len() == count).then(|| tasks.pop().unwrap())
    };
    until(|| task().is_some()).await;
    task().unwrap()
}

fn delta(task: &TaskId, attempt: u32, offset: u64, delta: &str) -> ChatEventBody {
    ChatEventBody::Delta {
        task: task.clone(),
        attempt,
        offset,
        delta: delta.to_owned(),
    }
}

#[tokio::test]
async fn an_agent_s_words_go_out_as_they_come_and_its_end_brings_the_figures() {
    let gateway = start().await;
    let asking = gateway.open(gateway.v1("/v1/messages", asks("echo", true, json!({})), &[]));
    let telling = async {
        let task = accepted(&gateway, 1).await;
        gateway
            .fake
            .push(&dev(), &task.id.journal, delta(&task.id, 1, 0, "echo: "));
        task
    };
    let (mut answer, task) = tokio::join!(asking, telling);
    assert_eq!(answer.headers()["x-greenroom-agent"], "echo");
    assert_eq!(answer.headers()["x-greenroom-task"], task.id.to_string());
    let mut next = async || {
        let frame = tokio::time::timeout(SOON, answer.body_mut().frame())
            .await
            .unwrap()?;
        Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    };
    assert_eq!(next().await.unwrap(), "begin agent:echo\ntext echo: \n");
    let done = rows::completed(task, Payload::inline("echo: hello"), "{}");
    let journal = done.id.journal.clone();
    gateway.fake.set_task(&dev(), &done);
    gateway
        .fake
        .push(&dev(), &journal, ChatEventBody::Ended(done.clone()));
    assert_eq!(next().await.unwrap(), "text hello\n");
    assert_eq!(next().await.unwrap(), "end echo: hello of 8\n");
    assert_eq!(next().await, None);
    // What has ended isn't cancelled.
    gateway.tasks.close();
    gateway.tasks.wait().await;
    assert_eq!(
        gateway.fake.task_row(&dev(), &done.id).unwrap().status,
        TaskStatus::Completed
    );
}

#[tokio::test]
async fn an_agent_without_a_session_is_told_the_whole_conversation() {
    let gateway = start().await;
    let body = asks(
        "echo",
        false,
        json!({
            "messages": [
                { "role": "system", "content": "be brief" },
                { "role": "user", "content": "a" },
                { "role": "assistant", "content": "b" },
                { "role": "user", "content": "hello" },
            ],
            "greenroom": { "context": [{ "id": "k", "text": "known" }] },
        }),
    );
    let asking = gateway.chat(&body);
    let running = async {
        let task = accepted(&gateway, 1).await;
        gateway.fake.run(&dev(), task, "large").await
    };
    let (reply, _) = tokio::join!(asking, running);
    // Large answers are kept apart.
    let expected = json!({ "model": "agent:echo", "said": "from the store", "finish": "Stop", "by": "tiny" });
    assert_eq!(reply.json(), expected);
    assert_eq!(reply.header("x-greenroom-context"), "k");
    let (_, request) = gateway.fake.accepted.lock()[0].clone();
    assert_eq!((request.session, request.wait), (None, Duration::ZERO));
    assert!(request.trace.unwrap().starts_with("00-"));
    let AcceptCall::Task { agent, input } = request.call else {
        panic!()
    };
    assert_eq!(agent.as_str(), "echo");
    let input: Value = serde_json::from_str(&input).unwrap();
    assert_eq!(input["content"], "hello");
    let earlier = input["messages"].as_array().unwrap();
    assert!(earlier[0]["content"].as_str().unwrap().contains("known"));
    let rest = json!([
        { "role": "SYSTEM", "content": "be brief" },
        { "role": "USER", "content": "a" },
        { "role": "ASSISTANT", "content": "b" },
    ]);
    assert_eq!(Value::from(earlier[1..].to_vec()), rest);
}

#[tokio::test]
async fn a_session_is_opened_where_it_is_not_there_and_goes_on() {
    let gateway = start().await;
    for turn in 1..=2 {
        let body = asks("echo", false, json!({ "greenroom": { "session": "s-1" } }));
        let asking = gateway.chat(&body);
        let running = async {
            let task = accepted(&gateway, turn).await;
            gateway.fake.run(&dev(), task, "hello").await
        };
        let (reply, _) = tokio::join!(asking, running);
        assert_eq!(reply.json()["said"], "echo: hello", "{}", reply.text);
    }
    let calls = gateway.fake.accepted.lock().clone();
    for (_, request) in &calls {
        assert_eq!(request.session, Some(session_id("s-1")));
        assert!(
            matches!(&request.call, AcceptCall::Chat { content, agent: Some(agent), .. }
            if content == "hello" && agent.as_str() == "echo")
        );
    }
    assert!(gateway.fake.session_row(&dev(), &session_id("s-1")).is_some());
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_the_task() {
    let gateway = start().await;
    for (turn, speaks) in [(1, true), (2, false)] {
        let mut asking = Box::pin(gateway.open(gateway.v1(
            "/v1/chat/completions",
            asks("echo", true, json!({ "greenroom": { "session": "s-1" } })),
            &[],
        )));
        let task = tokio::select! {
            task = accepted(&gateway, turn) => task,
            _ = &mut asking => panic!("answered without a word"),
        };
        if speaks {
            gateway
                .fake
                .push(&dev(), &task.id.journal, delta(&task.id, 1, 0, "a"));
            drop(asking.await);
        } else {
            drop(asking);
        }
        let is_cancelled = async {
            until(|| gateway.fake.task_row(&dev(), &task.id).unwrap().status == TaskStatus::Cancelled).await;
        };
        tokio::time::timeout(Duration::from_secs(1), is_cancelled)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_new_attempt_is_invisible_where_it_repeats_what_was_shown_else_an_error() {
    let gateway = start().await;
    for (turn, again, expected) in [
        (1, "one two", "begin agent:echo\ntext one\ntext  two\nend one two of 8\n".to_owned()),
        (
            2,
            "three",
            "begin agent:echo\ntext one\nfail Upstream the agent began again and said something else than was \
             shown: ask again, or without streaming\n"
                .to_owned(),
        ),
    ] {
        let body = asks("echo", true, json!({ "greenroom": { "session": "s-1" } }));
        let asking = gateway.chat(&body);
        let telling = async {
            let task = accepted(&gateway, turn).await;
            let (journal, id) = (task.id.journal.clone(), task.id.clone());
            let attempt = ChatEventBody::Attempt { task: id.clone(), attempt: 2 };
            for event in [delta(&id, 1, 0, "one"), attempt, delta(&id, 2, 0, again)] {
                gateway.fake.push(&dev(), &journal, event);
            }
            let done = rows::completed(task, Payload::inline(again), "{}");
            gateway.fake.push(&dev(), &journal, ChatEventBody::Ended(done));
        };
        let (reply, ()) = tokio::join!(asking, telling);
        assert_eq!(reply.text, expected);
    }
}

#[tokio::test]
async fn failures_of_the_task_are_errors_of_the_call() {
    let gateway = start().await;
    for stream in [true, false] {
        let body = asks("fails", stream, json!({}));
        let asking = gateway.ask("/v1/messages", &body, &[]);
        let running = async {
            let task = accepted(&gateway, if stream { 1 } else { 2 }).await;
            let running = gateway
                .fake
                .state
                .lock()
                .journals
                .values()
                .flat_map(|j| j.tasks.clone())
                .find(|task| !task.status.is_terminal());
            gateway.fake.run(&dev(), running.unwrap_or(task), "hello").await
        };
        let (reply, _) = tokio::join!(asking, running);
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (502, "2"));
        assert_eq!(reply.json()["message"], "it broke");
    }
    let reply = gateway.chat(&asks("exhausted", false, json!({}))).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (429, "2"));
    for unknown in ["nobody", "no body", ""] {
        let reply = gateway.chat(&asks(unknown, false, json!({}))).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["code"]),
            (404, &json!("model_not_found"))
        );
    }
    let reply = gateway.chat(&asks("panics", false, json!({}))).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["kind"]),
        (500, &json!("Internal"))
    );
}

#[tokio::test]
async fn an_effect_that_nobody_knows_of_is_told_and_left_to_a_person() {
    let gateway = start().await;
    let body = asks("echo", false, json!({}));
    let asking = gateway.chat(&body);
    let telling = async {
        let task = accepted(&gateway, 1).await;
        for status in [
            greenroom_kernel::StepStatus::Waiting,
            greenroom_kernel::StepStatus::OutcomeUnknown,
        ] {
            let step = greenroom_kernel::StepView {
                status,
                ..rows::step(0)
            };
            let waiting = ChatEventBody::Waiting {
                task: task.clone(),
                step,
            };
            gateway.fake.push(&dev(), &task.id.journal, waiting);
        }
        task.id
    };
    let (reply, task) = tokio::join!(asking, telling);
    assert_eq!(reply.status, 500);
    assert!(reply.text.contains("a person must settle it"), "{}", reply.text);
    gateway.tasks.close();
    gateway.tasks.wait().await;
    assert_eq!(
        gateway.fake.task_row(&dev(), &task).unwrap().status,
        TaskStatus::Running
    );
}

#[tokio::test]
async fn what_agents_can_not_do_is_refused_before_anything_is_accepted() {
    let gateway = start().await;
    let tool = json!({ "name": "t", "description": "", "parameters": {} });
    for (more, says) in [
        (json!({ "tools": [tool] }), "tools of its own"),
        (
            json!({ "output": { "type": "regex", "pattern": "a" } }),
            "a form of its own",
        ),
        (json!({ "messages": [] }), "must be the user's"),
        (
            json!({ "messages": [{ "role": "assistant", "content": "x" }] }),
            "must be the user's",
        ),
        (
            json!({ "messages": [{ "role": "user", "content": [
                { "type": "image", "source": { "type": "url", "url": "https://x.example/i.png" } },
            ] }] }),
            "images",
        ),
        (json!({ "messages": 7 }), "unreadable"),
    ] {
        let reply = gateway.chat(&asks("echo", false, more)).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text.contains(says), "{}", reply.text);
    }
    assert!(gateway.fake.accepted.lock().is_empty());
}

#[tokio::test]
async fn a_task_whose_caller_runs_out_of_patience_is_cancelled() {
    let config = GatewayConfig {
        request_timeout: Duration::from_millis(100),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    let reply = gateway.chat(&asks("echo", false, json!({}))).await;
    assert_eq!(reply.status, 504);
    let task = accepted(&gateway, 1).await;
    until(|| gateway.fake.task_row(&dev(), &task.id).unwrap().status == TaskStatus::Cancelled).await;
}

#[tokio::test]
async fn an_answer_that_was_cut_says_so() {
    let gateway = start().await;
    let body = asks("echo", false, json!({}));
    let asking = gateway.chat(&body);
    let telling = async {
        let task = accepted(&gateway, 1).await;
        let journal = task.id.journal.clone();
        let done = rows::completed(task, Payload::inline("half"), r#"{"finish":"length","pieces":2}"#);
        gateway.fake.push(&dev(), &journal, ChatEventBody::Ended(done));
    };
    let (reply, ()) = tokio::join!(asking, telling);
    assert_eq!(
        (&reply.json()["said"], &reply.json()["finish"]),
        (&json!("half"), &json!("Length"))
    );
}
