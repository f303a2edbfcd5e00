//! One WebSocket: one task reads, executes and writes. Answers are pulled from an operation only when the socket
//! has taken the one before, so a slow reader costs no memory; one that stalls is closed.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures::stream::{BoxStream, StreamExt};
use futures::{FutureExt, stream};
use greenroom_kernel::Principal;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_stream::StreamMap;

use super::close::Close;
use super::protocol::{FromClient, ToClient};
use crate::engine::{Answer, Kind, Operation};
use crate::gateway::Inner;
use crate::http::{authenticate, execution};
use crate::request_id::RequestId;
use crate::trace::Incoming;

/// How many keep-alive intervals a client may be silent.
const SILENT_INTERVALS: u32 = 3;
/// How long a client may take to answer our close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known when the socket opens.
pub(super) struct Opening {
    pub(super) headers: HeaderMap,
    pub(super) incoming: Incoming,
    pub(super) peer: SocketAddr,
    pub(super) request_id: RequestId,
}

/// What an operation gives: answers, then the news that there are no more.
enum Output {
    Answer(Answer, Kind),
    Complete,
}

struct Connection {
    inner: Arc<Inner>,
    opening: Opening,
    socket: WebSocket,
    who: Option<Arc<Principal>>,
    operations: StreamMap<Arc<str>, BoxStream<'static, Output>>,
    /// Ids of operations whose last message is not sent yet.
    running: HashSet<Arc<str>>,
}

/// Serves a socket to its end.
pub(super) async fn serve(inner: Arc<Inner>, opening: Opening, socket: WebSocket) {
    let speaks = socket.protocol().is_some();
    let mut connection = Connection {
        inner,
        opening,
        socket,
        who: None,
        operations: StreamMap::new(),
        running: HashSet::new(),
    };
    let close = if speaks {
        connection.run().await
    } else {
        Close::Subprotocol
    };
    tracing::debug!(
        request_id = connection.opening.request_id.as_str(),
        ?close,
        "websocket ends"
    );
    connection.close(close).await;
}

impl Connection {
    /// Runs until there is a reason to close.
    async fn run(&mut self) -> Close {
        let inner = Arc::clone(&self.inner);
        let config = &inner.config;
        let init_deadline = Instant::now() + config.init_timeout;
        let mut ticks = interval_at(Instant::now() + config.keep_alive, config.keep_alive);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let done = tokio::select! {
                () = inner.closing.cancelled() => Err(Close::GoingAway),
                message = self.socket.recv() => {
                    heard = Instant::now();
                    self.received(message).await
                }
                Some((id, output)) = self.operations.next(), if !self.operations.is_empty() => {
                    self.output(id, output).await
                }
                () = sleep_until(init_deadline), if self.who.is_none() => Err(Close::InitTimeout),
                _ = ticks.tick() => {
                    if heard.elapsed() > config.keep_alive * SILENT_INTERVALS {
                        Err(Close::Gone)
                    } else {
                        self.send(Message::Ping(bytes::Bytes::new())).await
                    }
                }
            };
            if let Err(close) = done {
                return close;
            }
        }
    }

    async fn received(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Close> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Err(Close::Invalid("Messages are text".into())),
            // The socket answers pings by itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Err(error)) if is_capacity(&error) => return Err(Close::TooLarge),
            Some(Err(error)) if is_utf8(&error) => return Err(Close::Invalid("Messages are UTF-8".into())),
            None | Some(Ok(Message::Close(_)) | Err(_)) => return Err(Close::Gone),
        };
        match FromClient::parse(&text).map_err(|why| Close::Invalid(why.into()))? {
            FromClient::Init(payload) => self.init(&payload).await,
            FromClient::Subscribe { id, operation } => self.subscribe(id.into(), operation).await,
            FromClient::Complete { id } => {
                self.operations.remove(id.as_str());
                self.running.remove(id.as_str());
                Ok(())
            }
            FromClient::Ping => self.say(&ToClient::Pong).await,
            FromClient::Pong => Ok(()),
        }
    }

    async fn init(&mut self, payload: &Map<String, Value>) -> Result<(), Close> {
        if self.who.is_some() {
            return Err(Close::TooManyInits);
        }
        overlay(&mut self.opening.headers, payload);
        let who = authenticate(&self.inner, &self.opening.headers, self.opening.peer).await;
        self.who = Some(who.map_err(|failure| Close::Forbidden(failure.message))?);
        self.say(&ToClient::ConnectionAck).await
    }

    async fn subscribe(&mut self, id: Arc<str>, operation: Operation) -> Result<(), Close> {
        let Some(who) = &self.who else {
            return Err(Close::Unauthorized);
        };
        if self.running.contains(&id) {
            return Err(Close::Duplicate(id.to_string()));
        }
        if self.running.len() >= self.inner.config.max_operations {
            return Err(Close::TooManyOperations);
        }
        let request_id = &self.opening.request_id;
        let prepared = match self.inner.engine.prepare(operation) {
            Ok(prepared) => prepared,
            Err(error) => {
                let answer = Answer::refused(*error, request_id.as_str());
                return self
                    .say(&ToClient::Error {
                        id: &id,
                        payload: answer.errors(),
                    })
                    .await;
            }
        };
        let kind = prepared.kind();
        let execution = execution(
            &self.opening.incoming,
            who,
            request_id,
            &prepared,
            &*self.inner.random,
        );
        let answers = self
            .inner
            .engine
            .stream(prepared, execution)
            .map(move |answer| Output::Answer(answer, kind));
        let outputs = answers.chain(stream::once(async { Output::Complete })).boxed();
        self.running.insert(Arc::clone(&id));
        self.operations.insert(id, outputs);
        Ok(())
    }

    async fn output(&mut self, id: Arc<str>, output: Output) -> Result<(), Close> {
        match output {
            // Refused, or a subscription that broke: `error` ends the operation.
            Output::Answer(answer, kind)
                if answer.is_refused() || (kind == Kind::Subscription && answer.is_final()) =>
            {
                self.forget(&id);
                self.say(&ToClient::Error {
                    id: &id,
                    payload: answer.errors(),
                })
                .await
            }
            Output::Answer(answer, _) => {
                self.say(&ToClient::Next {
                    id: &id,
                    payload: &answer,
                })
                .await
            }
            Output::Complete => {
                self.forget(&id);
                self.say(&ToClient::Complete { id: &id }).await
            }
        }
    }

    fn forget(&mut self, id: &Arc<str>) {
        self.operations.remove(id);
        self.running.remove(id);
    }

    async fn say(&mut self, message: &ToClient<'_>) -> Result<(), Close> {
        self.send(Message::Text(message.to_text().into())).await
    }

    /// Sends, for as long as a reader may stall.
    async fn send(&mut self, message: Message) -> Result<(), Close> {
        match timeout(self.inner.config.send_timeout, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Close::Gone),
        }
    }

    /// Tells the client why, and waits a moment for it to have read that.
    async fn close(mut self, close: Close) {
        self.operations.clear();
        let Some(frame) = close.frame() else { return };
        let farewell = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        // A client that doesn't answer is gone all the same.
        let _ = timeout(CLOSE_TIMEOUT, farewell.boxed()).await;
    }
}

/// Lays the init payload's text fields over the upgrade's headers: browsers can't set those.
fn overlay(headers: &mut HeaderMap, payload: &Map<String, Value>) {
    let nested = payload.get("headers").and_then(Value::as_object);
    for (name, value) in payload.iter().chain(nested.into_iter().flatten()) {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = value.as_str().map(HeaderValue::from_str);
        if let (Ok(name), Some(Ok(value))) = (name, value) {
            headers.insert(name, value);
        }
    }
}

fn is_capacity(error: &axum::Error) -> bool {
    chain_says(error, "Message too long")
}

fn is_utf8(error: &axum::Error) -> bool {
    chain_says(error, "UTF-8 encoding")
}

/// axum hides the kind of its WebSocket errors: only their text tells them apart.
fn chain_says(error: &axum::Error, what: &str) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.to_string().contains(what) {
            return true;
        }
        source = error.source();
    }
    false
}
