//! A GraphQL client that somebody might write: queries and mutations by POST, subscriptions by server-sent events.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};

/// What an answer held.
#[derive(Debug, Clone)]
pub(crate) struct GraphQl {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl GraphQl {
    /// The data; fails on errors.
    pub(crate) fn data(self) -> Value {
        assert!(self.body["errors"].is_null(), "{}", self.body);
        self.body["data"].clone()
    }

    /// The first error's code.
    pub(crate) fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or("none")
    }
}

/// The rows of a connection.
pub(crate) fn nodes(connection: &Value) -> Vec<Value> {
    let edges = connection["edges"].as_array().expect("a connection");
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

/// One event of a subscription.
pub(crate) type Event = Value;

/// Calls one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

pub(crate) const TASK: &str = "id sessionId agent status cursor response { content data attempts provider model } \
     error { code message retryable }";

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .build()
            .unwrap();
        Self {
            http,
            url: format!("{base}/graphql"),
        }
    }

    /// The same client for a server that came back elsewhere.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self {
            http: self.http.clone(),
            url: format!("{base}/graphql"),
        }
    }

    /// One call; `None` when the server is gone.
    pub(crate) async fn try_call(&self, query: &str, variables: Value) -> Option<GraphQl> {
        let body = json!({ "query": query, "variables": variables });
        let answer = self.http.post(&self.url).json(&body).send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.json().await.ok()?;
        Some(GraphQl { status, body })
    }

    pub(crate) async fn call(&self, query: &str, variables: Value) -> GraphQl {
        self.try_call(query, variables).await.expect("the server answers")
    }

    pub(crate) async fn send_chat(&self, input: Value) -> GraphQl {
        let query = format!(
            "mutation($input: SendChatInput!) {{ sendChat(input: $input) {{ cursor session {{ id cursor }} \
             message {{ id content role }} task {{ {TASK} }} response {{ content provider model }} }} }}"
        );
        self.call(&query, json!({ "input": input })).await
    }

    pub(crate) async fn try_execute(&self, input: Value) -> Option<GraphQl> {
        let query = format!(
            "mutation($input: ExecuteTaskInput!) {{ executeTaskOnAgent(input: $input) {{ {TASK} }} }}"
        );
        self.try_call(&query, json!({ "input": input })).await
    }

    pub(crate) async fn execute(&self, input: Value) -> GraphQl {
        self.try_execute(input).await.expect("the server answers")
    }

    /// A task of that agent with that text as its content: as it stands when it ended.
    pub(crate) async fn run(&self, agent: &str, content: &str) -> Value {
        let input = json!({ "agent": agent, "input": { "content": content } });
        self.execute(input).await.data()["executeTaskOnAgent"].clone()
    }

    pub(crate) async fn task(&self, id: &str) -> Value {
        let query = format!(
            "query($id: ID!) {{ getTask(id: $id) {{ {TASK} steps(first: 100) {{ edges {{ node {{ seq kind name status attempt prompt }} }} }} }} }}"
        );
        self.call(&query, json!({ "id": id })).await.data()["getTask"].clone()
    }

    /// Every message of a session, oldest first.
    pub(crate) async fn messages(&self, session: &str) -> Vec<Value> {
        let query = "query($id: ID!, $after: String) { getSession(id: $id) { messages(first: 100, after: $after) \
                     { edges { node { id role content taskId } } pageInfo { hasNextPage endCursor } } } }";
        let mut all = Vec::new();
        let mut after = Value::Null;
        loop {
            let page = self
                .call(query, json!({ "id": session, "after": after }))
                .await
                .data();
            let page = &page["getSession"]["messages"];
            all.extend(nodes(page));
            if page["pageInfo"]["hasNextPage"] != true {
                return all;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// A subscription's answers, until the server or the stream ends.
    pub(crate) async fn subscribe(&self, query: &str, variables: Value) -> Option<BoxStream<'static, Value>> {
        let body = json!({ "query": query, "variables": variables });
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(&self.url);
        let answer = request
            .header("accept", "text/event-stream")
            .json(&body)
            .send()
            .await
            .ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let mut bytes = answer.bytes_stream();
        let stream = async_stream(async move |sender: tokio::sync::mpsc::Sender<Value>| {
            let mut buffer = String::new();
            let mut partial: Vec<u8> = Vec::new();
            while let Some(Ok(chunk)) = bytes.next().await {
                partial.extend_from_slice(&chunk);
                let valid = std::str::from_utf8(&partial).map_or_else(|e| e.valid_up_to(), str::len);
                buffer.push_str(std::str::from_utf8(&partial[..valid]).unwrap());
                partial.drain(..valid);
                while let Some(end) = buffer.find("\n\n") {
                    let frame: String = buffer.drain(..end + 2).collect();
                    let data: Vec<&str> = frame
                        .lines()
                        .filter_map(|line| line.strip_prefix("data:"))
                        .collect();
                    let value: Option<Value> = serde_json::from_str(data.join("\n").trim()).ok();
                    let Some(value) = value.filter(|value| value.is_object()) else {
                        continue;
                    };
                    if sender.send(value).await.is_err() {
                        return;
                    }
                }
            }
        });
        Some(stream)
    }

    /// A conversation's events.
    pub(crate) async fn on_chat(
        &self,
        session: &str,
        after: Option<&str>,
    ) -> Option<BoxStream<'static, Event>> {
        let query = "subscription($id: ID!, $after: String) { onChat(sessionId: $id, after: $after) { cursor kind taskId \
                     attempt offset delta message { id role content } task { id status } step { seq status kind } } }";
        let stream = self
            .subscribe(query, json!({ "id": session, "after": after }))
            .await?;
        Some(stream.map(|answer| answer["data"]["onChat"].clone()).boxed())
    }
}

/// Runs a producer beside its reader; dropped with the reader.
fn async_stream<F, Fut>(produce: F) -> BoxStream<'static, Value>
where
    F: FnOnce(tokio::sync::mpsc::Sender<Value>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    tokio::spawn(produce(sender));
    futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|value| (value, receiver))
    })
    .boxed()
}
