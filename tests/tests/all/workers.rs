//! Summarizer, extractor and researcher through the real binary, with a model played from outside; with the real one in
//! [`real`].

mod real;

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::{Client, FakeModel, Options, Said, Server, nodes, until};

async fn server(model: &FakeModel) -> (Server, Client) {
    let server = Server::start(Options {
        model: Some(model.url.clone()),
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    (server, client)
}

/// The text of a request's last message.
fn last(body: &Value) -> &str {
    let messages = body["messages"].as_array().unwrap();
    messages.last().unwrap()["content"].as_str().unwrap()
}

/// Sentences that can be told apart.
fn facts(count: usize) -> String {
    (0..count)
        .map(|i| format!("Fact {i} is that number {i} follows the one before it. "))
        .collect()
}

async fn run(client: &Client, agent: &str, input: Value) -> Value {
    let answer = client.execute(json!({ "agent": agent, "input": input })).await;
    answer.data()["executeTaskOnAgent"].clone()
}

/// A model with a window of some 4 kB that knows how to summarize.
async fn small_model() -> FakeModel {
    FakeModel::scripted(|body| {
        let asked = last(body);
        match asked.len() > 4_000 {
            true => Said::Refused(400, "context_length_exceeded"),
            false => Said::Text(format!("A summary of {} bytes.", asked.len())),
        }
    })
    .await
}

#[tokio::test]
async fn a_text_of_many_windows_is_summarized_by_execute_and_by_chat_where_only_the_summary_is_shown() {
    let model = small_model().await;
    let (server, client) = server(&model).await;
    let task = run(
        &client,
        "summarizer",
        json!({ "content": facts(1_600), "maxWords": 50 }),
    )
    .await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    assert!(
        task["response"]["content"]
            .as_str()
            .unwrap()
            .starts_with("A summary of ")
    );
    let data = &task["response"]["data"];
    assert!(
        data["pieces"].as_u64() > Some(20) && data["rounds"].as_u64() >= Some(1),
        "{data}"
    );

    let query = "mutation { createSession { id cursor } }";
    let made = client.call(query, json!({})).await.data()["createSession"].clone();
    let session = made["id"].as_str().unwrap();
    let mut events = client.on_chat(session, made["cursor"].as_str()).await.unwrap();
    let input = json!({ "sessionId": session, "content": facts(300), "agent": "summarizer" });
    let chat = client.send_chat(input).await.data()["sendChat"].clone();
    let said = chat["response"]["content"].as_str().unwrap();
    let mut text = String::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(20), events.next()).await {
        match event["kind"].as_str().unwrap() {
            "DELTA" => {
                let offset = usize::try_from(event["offset"].as_u64().unwrap()).unwrap();
                assert_eq!(offset, text.len(), "nothing that was shown is taken back");
                text.push_str(event["delta"].as_str().unwrap());
            }
            "COMPLETED" => break,
            _ => {}
        }
    }
    assert_eq!(text, said);
    server.assert_calm();
}

#[tokio::test]
async fn a_megabyte_is_summarized_within_the_limits_of_a_task() {
    let model =
        FakeModel::scripted(|body| Said::Text(format!("A summary of {} bytes.", last(body).len()))).await;
    let (server, client) = server(&model).await;
    let text = facts(18_000);
    assert!(text.len() > 1_000_000);
    let task = run(&client, "summarizer", json!(text)).await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    server.assert_calm();
}

#[tokio::test]
async fn no_summary_is_asked_for_again_after_a_kill() {
    let model = small_model().await;
    model.slow(Duration::from_millis(15));
    let (mut server, client) = server(&model).await;
    let input = json!({ "agent": "summarizer", "input": facts(1_600), "wait": "ACCEPTED" });
    let task = client.execute(input).await.data()["executeTaskOnAgent"].clone();
    let id = task["id"].as_str().unwrap().to_owned();
    // The journal says which are finished; only those that ran at the kill may be asked for again.
    let finished = until("ten are made", Duration::from_secs(30), || async {
        let steps = nodes(&client.task(&id).await["steps"]);
        let done = steps.iter().filter(|step| step["status"] == "DONE").count();
        (done >= 10).then_some(done)
    })
    .await;
    server.kill();
    server.launch(&[]).await;
    let client = client.at(&server.http);
    let task = until("the task ends", Duration::from_secs(60), || async {
        let task = client.task(&id).await;
        (task["status"] == "COMPLETED" || task["status"] == "FAILED").then_some(task)
    })
    .await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    assert_eq!(task["response"]["attempts"], 2);
    let again = model.asked().values().filter(|count| **count > 1).count();
    assert!(
        again <= 5,
        "{again} were asked for again, {finished} were finished"
    );
    server.assert_calm();
}

fn person() -> Value {
    json!({ "type": "object", "required": ["name", "age"], "additionalProperties": false,
            "properties": { "name": { "type": "string" }, "age": { "type": "integer" } } })
}

#[tokio::test]
async fn a_document_validates_whether_the_server_knows_the_form_ignores_it_or_refuses_it() {
    let right = r#"{"name": "Ann", "age": 7}"#;
    let knows = move |body: &Value| match body["response_format"]["json_schema"]["schema"] == person() {
        true => Said::Text(right.to_owned()),
        false => Said::Text("I was not told the form.".to_owned()),
    };
    // Wrong at first, in prose; right when told so.
    let ignores = move |body: &Value| match last(body).contains("/age") {
        true => Said::Text(format!("I see. ```json\n{right}\n```")),
        false => Said::Text(r#"{"name": "Ann", "age": "seven"}"#.to_owned()),
    };
    let refuses = move |body: &Value| match body.get("response_format").is_some() {
        true => Said::Refused(400, "unsupported_parameter"),
        false => Said::Text(format!("Of course: {right}")),
    };
    let models = [
        FakeModel::scripted(knows).await,
        FakeModel::scripted(ignores).await,
        FakeModel::scripted(refuses).await,
    ];
    for model in models {
        let (server, client) = server(&model).await;
        let input = json!({ "content": "Ann is seven.", "schema": person() });
        let task = run(&client, "extractor", input.clone()).await;
        assert_eq!(task["status"], "COMPLETED", "{task}");
        assert_eq!(task["response"]["data"], json!({ "name": "Ann", "age": 7 }));
        let chat = json!({ "content": input.to_string(), "agent": "extractor" });
        let chat = client.send_chat(chat).await.data()["sendChat"].clone();
        let said: Value = serde_json::from_str(chat["response"]["content"].as_str().unwrap()).unwrap();
        assert_eq!(said, json!({ "name": "Ann", "age": 7 }));
        server.assert_calm();
    }
}

#[tokio::test]
async fn a_document_that_never_validates_fails_the_task_and_a_bad_schema_is_the_callers_fault() {
    let model = FakeModel::scripted(|_| Said::Text(r#"{"name": "Ann"}"#.to_owned())).await;
    let (server, client) = server(&model).await;
    let task = run(
        &client,
        "extractor",
        json!({ "content": "Ann", "schema": person() }),
    )
    .await;
    assert_eq!(task["error"]["code"], "AGENT_FAILED", "{task}");
    assert!(task["response"].is_null(), "{task}");
    let bad = json!({ "content": "Ann", "schema": { "items": { "$ref": "http://127.0.0.1:1/x" } } });
    let task = run(&client, "extractor", bad).await;
    assert_eq!(task["error"]["code"], "BAD_USER_INPUT", "{task}");
    assert!(
        task["error"]["message"].as_str().unwrap().contains("/items/$ref"),
        "{task}"
    );
    server.assert_calm();
}

#[tokio::test]
async fn a_question_goes_to_agents_and_comes_back_with_its_sources() {
    let model = FakeModel::scripted(|body| {
        let system = body["messages"][0]["content"].as_str().unwrap();
        let planned = json!({ "parts": [
            { "agent": "assistant", "question": "How tall?" },
            { "agent": "echo", "question": "How old?" },
            { "agent": "nobody", "question": "How wise?" },
        ] });
        Said::Text(match system {
            text if text.starts_with("You plan") => planned.to_string(),
            text if text.contains("numbered sources") => {
                "Tall [1], old [2], wise [3] and more [9].".to_owned()
            }
            _ => "Very tall.".to_owned(),
        })
    })
    .await;
    let (server, client) = server(&model).await;
    let agents = json!(["assistant", "echo", "nobody"]);
    let task = run(
        &client,
        "researcher",
        json!({ "question": "Tell me all.", "agents": agents }),
    )
    .await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    let data = &task["response"]["data"];
    assert_eq!(data["answer"], "Tall [1], old [2], wise and more.");
    let sources = data["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 3);
    assert_eq!(
        (&sources[0]["content"], &sources[1]["content"]),
        (&json!("Very tall."), &json!("How old?"))
    );
    let child = sources[1]["taskId"].as_str().unwrap();
    assert_eq!(client.task(child).await["agent"], "echo");
    assert!(
        sources[2]["error"]
            .as_str()
            .is_some_and(|error| error.contains("no such agent")),
        "{data}"
    );

    let chat = json!({ "content": "Tell me all.", "agent": "researcher" });
    let chat = client.send_chat(chat).await.data()["sendChat"].clone();
    assert_eq!(chat["task"]["status"], "COMPLETED", "{chat}");
    let said = chat["response"]["content"].as_str().unwrap();
    // The plan names strangers: everybody usual got the whole question.
    assert!(
        said.contains("Sources:\n[1] assistant: Tell me all.\n[2] summarizer: Tell me all."),
        "{said}"
    );
    server.assert_calm();
}
