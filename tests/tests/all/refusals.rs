//! Bad input gets a precise answer: a code, no 500, no panic, and the next call is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Options, Server};

async fn health(server: &Server) -> u16 {
    let url = format!("{}/healthz", server.http);
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(url)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn wrong_queries_name_their_mistake_and_the_server_goes_on() {
    let server = Server::start(Options::default()).await;
    let client = Client::new(&server.http);
    let deep = format!(
        "{{ listSessions {}{} }}",
        "{ nodes { messages { nodes ".repeat(20),
        "{ id } }".repeat(20)
    );
    let wide: String = (0..200)
        .map(|n| format!("a{n}: listAgents {{ name }} "))
        .collect();
    let cases: Vec<(String, Value)> = vec![
        ("{ nonsense }".into(), json!({})),
        ("{ getTask(id: 5".into(), json!({})),
        (deep, json!({})),
        (format!("{{ {wide} }}"), json!({})),
        (
            "query($n: Int!) { listSessions(first: $n) { nodes { id } } }".into(),
            json!({ "n": "many" }),
        ),
        ("{ listSessions(first: 1000) { nodes { id } } }".into(), json!({})),
        ("{ getTask(id: \"not an id\") { id } }".into(), json!({})),
        (
            "mutation { sendChat(input: { content: 7 }) { task { id } } }".into(),
            json!({}),
        ),
        (
            "mutation { createSession(id: \"no spaces\") { id } }".into(),
            json!({}),
        ),
    ];
    for (query, variables) in cases {
        let answer = client.call(&query, variables).await;
        let shown: String = query.chars().take(60).collect();
        assert!(answer.status < 500, "{shown}: {}", answer.status);
        if answer.body["data"]["getTask"].is_null() && query.contains("not an id") {
            continue;
        }
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{shown}: {}", answer.body);
    }
    assert_eq!(health(&server).await, 200);
    server.assert_calm();
}

#[tokio::test]
async fn what_is_not_there_is_null_to_look_up_and_not_found_to_change() {
    let server = Server::start(Options::default()).await;
    let client = Client::new(&server.http);
    let task = client
        .call(
            "{ getTask(id: \"01JD0000000000000000000000.0\") { id } }",
            json!({}),
        )
        .await
        .data();
    assert!(task["getTask"].is_null());
    let session = client
        .call("{ getSession(id: \"nobody\") { id } }", json!({}))
        .await
        .data();
    assert!(session["getSession"].is_null());
    for mutation in [
        "mutation { cancelTask(id: \"nobody.0\") { id } }",
        "mutation { retryTask(id: \"nobody.0\") { id } }",
        "mutation { deleteSession(id: \"nobody\") }",
        "mutation { sendChat(input: { sessionId: \"nobody\", content: \"x\" }) { task { id } } }",
        "mutation { executeTaskOnAgent(input: { agent: \"nobody\", input: 1 }) { id } }",
    ] {
        let answer = client.call(mutation, json!({})).await;
        assert_eq!(answer.code(), "NOT_FOUND", "{mutation}: {}", answer.body);
        assert!(
            !answer.body.to_string().contains("nobody.0"),
            "the id is not repeated: {}",
            answer.body
        );
    }
    let taken = client
        .call("mutation { createSession(id: \"mine\") { id } }", json!({}))
        .await;
    taken.data();
    let again = client
        .call("mutation { createSession(id: \"mine\") { id } }", json!({}))
        .await;
    assert_eq!(again.code(), "CONFLICT");
}

#[tokio::test]
async fn raw_rubbish_is_refused_without_harm() {
    let server = Server::start(Options::default()).await;
    let address = server.http.trim_start_matches("http://").to_owned();
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let url = format!("{}/graphql", server.http);
    let post = |body: Vec<u8>| {
        http.post(&url)
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    for body in [
        b"{".to_vec(),
        b"".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"{\"query\":5}".to_vec(),
    ] {
        let answer = post(body.clone()).await.unwrap();
        assert!(
            (400..500).contains(&answer.status().as_u16()),
            "{body:?}: {}",
            answer.status()
        );
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{body}"
        );
    }
    let huge = post(vec![b' '; 10 * 1024 * 1024]).await;
    // The connection may be closed before all of it was sent.
    if let Ok(answer) = huge {
        assert_eq!(answer.status().as_u16(), 413);
    }
    let get = http
        .get(format!("{url}?query=mutation%7BdeleteSession(id%3A%22x%22)%7D"))
        .header("accept", "application/json");
    assert_eq!(get.send().await.unwrap().status().as_u16(), 405);
    let foreign = http
        .post(&url)
        .header("host", "evil.example")
        .json(&json!({ "query": "{ listAgents { name } }" }));
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);
    let page = http
        .post(&url)
        .header("origin", "https://evil.example")
        .json(&json!({ "query": "{ listAgents { name } }" }));
    assert_eq!(page.send().await.unwrap().status().as_u16(), 403);
    let half_open: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: loc").unwrap();
            stream
        })
        .collect();
    let mut rubbish = TcpStream::connect(&address).unwrap();
    rubbish
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
        .unwrap();
    rubbish.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = Vec::new();
    let _ = rubbish.read_to_end(&mut answer);
    assert_eq!(health(&server).await, 200);
    drop(half_open);
    server.assert_calm();
}
