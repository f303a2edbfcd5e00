//! The gateway's GraphQL API, as far as a chat needs it.

use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use rand::RngCore;
use reqwest::Client;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::sse::Events;
use crate::failed::{Failed, chain};
use crate::probe::client;

pub(super) const SEND: &str =
    "mutation($input: SendChatInput!) { sendChat(input: $input) { session { id } task { id } cursor } }";
pub(super) const HISTORY: &str = "query($id: ID!, $last: Int) { getSession(id: $id) { messages(last: $last) { edges { node { role content } } } } }";
pub(super) const FOLLOW: &str =
    "subscription($task: ID!, $after: String) { onTask(taskId: $task, after: $after) {
    cursor kind attempt offset delta message { role content } task { status error { code message } } } }";

/// The pause before another try.
const PAUSE: Duration = Duration::from_millis(300);
/// How long an answer that waits for nothing may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A key that makes saying the same thing twice one message.
pub(super) fn key() -> String {
    let mut random = rand::rng();
    format!("chat-{:016x}{:016x}", random.next_u64(), random.next_u64())
}

/// Why a call gave nothing.
pub(super) enum Trouble {
    /// The gateway is away, or says that repeating helps.
    Passing(String),
    /// It said no.
    Refused(Failed),
}

/// A gateway.
pub(super) struct Api {
    client: Client,
    endpoint: String,
}

impl Api {
    pub(super) fn new(url: &str) -> Result<Self, Failed> {
        Ok(Self {
            client: client(url)?,
            endpoint: format!("{}/graphql", url.trim_end_matches('/')),
        })
    }

    /// Asks once.
    pub(super) async fn call(&self, query: &str, variables: Value) -> Result<Value, Failed> {
        self.try_call(query, &variables)
            .await
            .map_err(|trouble| match trouble {
                Trouble::Passing(why) => Failed::because(why),
                Trouble::Refused(failed) => failed,
            })
    }

    /// Asks until there is an answer or `patience` is over. Only for what may be asked twice.
    pub(super) async fn call_again(
        &self,
        query: &str,
        variables: Value,
        patience: Duration,
    ) -> Result<Value, Failed> {
        let began = Instant::now();
        loop {
            match self.try_call(query, &variables).await {
                Ok(data) => return Ok(data),
                Err(Trouble::Refused(failed)) => return Err(failed),
                Err(Trouble::Passing(why)) if began.elapsed() > patience => return Err(Failed::because(why)),
                Err(Trouble::Passing(_)) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn try_call(&self, query: &str, variables: &Value) -> Result<Value, Trouble> {
        let body = json!({ "query": query, "variables": variables });
        let sending = self
            .client
            .post(&self.endpoint)
            .timeout(ANSWER)
            .json(&body)
            .send();
        let answer = sending.await.map_err(|error| self.away(&error))?;
        let status = answer.status();
        let answer: Value = answer
            .json()
            .await
            .map_err(|error| match status.is_server_error() {
                true => Trouble::Passing(format!("{} answers {status}", self.endpoint)),
                false => self.away(&error),
            })?;
        refusal(&answer).map_or_else(|| Ok(answer["data"].clone()), Err)
    }

    /// Subscribes: answers' data, until the connection breaks or the operation ends.
    pub(super) async fn subscribe(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<BoxStream<'static, Result<Value, Trouble>>, Trouble> {
        let body = json!({ "query": query, "variables": variables });
        let sending = self
            .client
            .post(&self.endpoint)
            .header(ACCEPT, "text/event-stream")
            .json(&body)
            .send();
        let response = sending.await.map_err(|error| self.away(&error))?;
        if !response.status().is_success() {
            let status = response.status();
            let answer: Value = response.json().await.unwrap_or_default();
            let said = Trouble::Passing(format!("{} answers {status}", self.endpoint));
            return Err(refusal(&answer).unwrap_or(said));
        }
        Ok(answers(response.bytes_stream().map(|part| part.map_err(|e| chain(&e)))).boxed())
    }

    fn away(&self, error: &reqwest::Error) -> Trouble {
        Trouble::Passing(format!(
            "{} does not answer ({}): is `greenroom dev` running, and is this its --url?",
            self.endpoint,
            chain(error)
        ))
    }
}

fn answers<S, B>(parts: S) -> impl Stream<Item = Result<Value, Trouble>> + Send + 'static
where
    S: Stream<Item = Result<B, String>> + Send + 'static,
    B: AsRef<[u8]> + Send + 'static,
{
    let state = (Box::pin(parts), Events::default());
    futures::stream::unfold(Some(state), |state| async move {
        let (mut parts, mut events) = state?;
        loop {
            if let Some(event) = events.next() {
                if event.name != "next" {
                    return None;
                }
                let answer = match serde_json::from_str::<Value>(&event.data) {
                    Ok(answer) => refusal(&answer).map_or_else(|| Ok(answer["data"].clone()), Err),
                    Err(error) => Err(Trouble::Passing(error.to_string())),
                };
                return Some((answer, Some((parts, events))));
            }
            match parts.next().await {
                Some(Ok(part)) => events.push(part.as_ref()),
                Some(Err(why)) => return Some((Err(Trouble::Passing(why)), None)),
                None => return None,
            }
        }
    })
}

/// What an answer's first error says.
fn refusal(answer: &Value) -> Option<Trouble> {
    let error = answer["errors"].as_array()?.first()?;
    let message = error["message"]
        .as_str()
        .unwrap_or("the gateway refused without a reason");
    let code = error["extensions"]["code"].as_str().unwrap_or("ERROR");
    let said = format!("{code}: {message}");
    Some(match error["extensions"]["retryable"].as_bool() {
        Some(true) => Trouble::Passing(said),
        _ => Trouble::Refused(Failed::because(said)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &'static str) -> impl Stream<Item = Result<&'static [u8], String>> + Send + 'static {
        futures::stream::iter(text.as_bytes().chunks(7).map(Ok))
    }

    #[tokio::test]
    async fn answers_come_until_the_operation_is_complete() {
        let text = "event: next\ndata: {\"data\":{\"a\":1}}\n\n:\n\nevent: next\ndata: {\"data\":{\"a\":2}}\n\n\
                    event: complete\ndata:\n\nevent: next\ndata: {\"data\":3}\n\n";
        let all: Vec<_> = answers(parts(text))
            .filter_map(|answer| async { answer.ok() })
            .collect()
            .await;
        assert_eq!(all, [json!({ "a": 1 }), json!({ "a": 2 })]);
    }

    #[test]
    fn only_what_is_retryable_passes() {
        let error = |retryable: bool| {
            refusal(
                &json!({ "errors": [{ "message": "m", "extensions": { "code": "C", "retryable": retryable } }] }),
            )
        };
        assert!(matches!(error(true), Some(Trouble::Passing(why)) if why == "C: m"));
        assert!(matches!(error(false), Some(Trouble::Refused(_))));
        assert!(refusal(&json!({ "data": {} })).is_none());
    }
}
