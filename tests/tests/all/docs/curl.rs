//! `curl` lines of the documents.

use std::time::Duration;

use serde_json::Value;

use crate::support::Server;

/// Where the documents' commands think the gateway and the operator's port are.
pub(super) const WRITTEN_URL: &str = "http://127.0.0.1:8080";
const WRITTEN_OPERATOR: &str = "http://127.0.0.1:9464";

/// A request as a `curl` line of a document makes it.
#[derive(Debug, PartialEq)]
pub(crate) struct Curl {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

impl Curl {
    /// Reads the line, whose quoted arguments are in single quotes.
    pub(crate) fn parse(text: &str) -> Self {
        let mut words: Vec<String> = Vec::new();
        for (index, part) in text.split('\'').enumerate() {
            match index % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        let (mut url, mut headers, mut body) = (None, Vec::new(), None);
        let mut words = words.into_iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-H" => {
                    let header = words.next().unwrap();
                    let (name, value) = header.split_once(": ").unwrap();
                    headers.push((name.to_owned(), value.to_owned()));
                }
                "-d" => body = Some(serde_json::from_str(&words.next().unwrap()).unwrap()),
                "-sS" | "-sSN" => {}
                word if word.starts_with("http") => url = Some(word.to_owned()),
                other => panic!("`{other}` is not understood here"),
            }
        }
        Self {
            url: url.unwrap(),
            headers,
            body,
        }
    }

    /// Whether it listens until it is stopped.
    pub(super) fn is_subscription(&self) -> bool {
        self.headers.iter().any(|(_, value)| value == "text/event-stream")
    }

    /// Whether it asks for a task as it stands, so that asking again may tell more.
    pub(super) fn looks_at_a_task(&self) -> bool {
        let query = self.body.as_ref().and_then(|body| body["query"].as_str());
        query.is_some_and(|query| query.contains("getTask("))
    }

    pub(crate) async fn send(&self, server: &Server) -> reqwest::Response {
        let url = self
            .url
            .replace(WRITTEN_URL, &server.http)
            .replace(WRITTEN_OPERATOR, &server.operator);
        assert_ne!(
            url, self.url,
            "the documents' server is at {WRITTEN_URL} or {WRITTEN_OPERATOR}"
        );
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = match &self.body {
            Some(body) => client.post(url).body(body.to_string()),
            None => client.get(url),
        };
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.is_subscription() {
            request = request.timeout(Duration::from_secs(60));
        }
        request.send().await.unwrap()
    }
}

#[test]
fn a_curl_line_is_read_with_its_headers_and_its_body() {
    let curl = Curl::parse("curl -sS http://h -H 'a: b' -d '{\"q\":\n 1}'");
    let expected = Curl {
        url: "http://h".into(),
        headers: vec![("a".into(), "b".into())],
        body: Some(serde_json::json!({ "q": 1 })),
    };
    assert_eq!(curl, expected);
    assert!(!curl.is_subscription() && !curl.looks_at_a_task());
}
