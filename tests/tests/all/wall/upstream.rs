//! A model server that does as it is told, for every wire family, on one port. What it is told, and what it has seen, is
//! kept by place: the first segment of a path.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::act::{Act, After, Script};
use super::connection::{Connection, Request};
use super::play;
use super::stage::OWN;
use super::words::{Answer, Family, Figures, Trouble};

/// What answers consist of where a tool is called.
pub(super) const ARGUMENTS: &str = r#"{"city": "Paris", "country": "France", "unit": "celsius"}"#;

/// A long text's length.
const LONG: usize = 10 << 20;

/// What every upstream says that it used.
pub(super) const FIGURES: Figures = Figures { input: 11, output: 7 };

/// What was seen at a place.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Calls that came, whatever was done with them.
    pub(super) calls: u32,
    /// Answers that went out to their last byte.
    pub(super) answered: u32,
    /// When a caller left before that.
    pub(super) left: Vec<Instant>,
    /// The figures of those whose figures went out.
    pub(super) reported: Figures,
    /// When each call came.
    pub(super) begun: Vec<Instant>,
    /// When each call ended, in the order of their ends.
    pub(super) ended: Vec<Instant>,
    /// Probes that came.
    pub(super) probes: u32,
    /// The body of the last call.
    pub(super) body: Value,
}

/// What a model does with a conversation that ends in the assistant's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefill {
    /// Carries on with this text, if it begins with those words.
    Continues(&'static str),
    /// Refuses it.
    Rejects,
}

/// One model, as a provider sees it.
pub(super) struct Place {
    pub(super) script: Script,
    /// What it answers.
    pub(super) text: String,
    /// How long it waits between two pieces.
    pub(super) pace: Duration,
    pub(super) prefill: Prefill,
    /// Whether each answer has figures of its own.
    pub(super) is_varied: bool,
    seen: Mutex<Seen>,
}

impl Place {
    pub(super) fn new(script: Script, text: &str) -> Self {
        Self {
            script,
            text: text.to_owned(),
            pace: Duration::ZERO,
            prefill: Prefill::Continues(OWN),
            is_varied: false,
            seen: Mutex::default(),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    /// What it answers to a request, in what way.
    fn answer(&self, body: &Value, act: Act) -> (Answer, Act) {
        if body["tools"].is_array() || body["toolConfig"].is_object() {
            let answer = Answer::text(ARGUMENTS, FIGURES);
            return (
                Answer {
                    is_call: true,
                    ..answer
                },
                act,
            );
        }
        let (text, act) = match (prefilled(body), &self.prefill) {
            (None, _) => (self.text.as_str(), act),
            (Some(_), Prefill::Rejects) => ("", Act::Refuse(Trouble::BadRequest, After::Unsaid)),
            (Some(words), Prefill::Continues(text)) => match text.strip_prefix(words) {
                Some(rest) => (rest, act),
                None => (self.text.as_str(), act),
            },
        };
        (Answer::text(text, FIGURES), act)
    }
}

/// The assistant's words at the end of a conversation, if it ends in them: as they are, or before a request for more.
fn prefilled(body: &Value) -> Option<&str> {
    let all = body["messages"].as_array().or_else(|| body["input"].as_array())?;
    let of_assistant = |message: &&Value| message["role"] == "assistant";
    let last = all.iter().rev().take(2).find(of_assistant)?;
    let content = &last["content"];
    content.as_str().or_else(|| content[0]["text"].as_str())
}

/// A call that runs; a connection that is killed ends it too.
struct Running(Arc<Place>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.seen.lock().ended.push(Instant::now());
    }
}

type Places = Arc<Mutex<BTreeMap<String, Arc<Place>>>>;

/// The server.
pub(super) struct Upstream {
    pub(super) url: String,
    address: SocketAddr,
    places: Places,
    killed: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let mut upstream = Self {
            url: String::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            places: Places::default(),
            killed: CancellationToken::new(),
            serving: None,
        };
        upstream.revive().await;
        upstream.url = format!("http://{}", upstream.address);
        upstream
    }

    /// Ends it as `kill -9` does: connections break, and new ones are refused.
    pub(super) async fn kill(&mut self) {
        self.killed.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
    }

    /// Serves at the same address as before.
    pub(super) async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.killed = CancellationToken::new();
        let (places, killed) = (Arc::clone(&self.places), self.killed.clone());
        self.serving = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Some(Ok((stream, _))) = killed.run_until_cancelled(listener.accept()).await {
                connections.spawn(serve(Connection::new(stream), Arc::clone(&places)));
                while connections.try_join_next().is_some() {}
            }
            drop(listener);
            connections.shutdown().await;
        }));
    }

    /// Opens a place.
    pub(super) fn place(&self, name: &str, place: Place) -> Arc<Place> {
        let place = Arc::new(place);
        self.places.lock().insert(name.to_owned(), Arc::clone(&place));
        place
    }
}

async fn serve(mut connection: Connection, places: Places) {
    while let Some(request) = connection.request().await {
        let name = request.path.split('/').nth(1).unwrap_or_default().to_owned();
        let place = places.lock().get(&name).cloned();
        let Some(place) = place else {
            let _ = connection.head(404, &[("content-length", "0")]).await;
            continue;
        };
        if request.method == "GET" {
            place.seen.lock().probes += 1;
            if listed(&mut connection).await.is_err() {
                return;
            }
            continue;
        }
        match called(connection, &place, &request).await {
            Some(kept) => connection = kept,
            None => return,
        }
    }
}

/// A probe is answered, whatever becomes of calls.
async fn listed(connection: &mut Connection) -> io::Result<()> {
    let model = r#"{"id":"m","type":"model","object":"model","display_name":"m","created_at":"2026-01-01T00:00:00Z","created":1}"#;
    let list =
        format!(r#"{{"object":"list","data":[{model}],"has_more":false,"first_id":"m","last_id":"m"}}"#);
    play::json(connection, 200, &[], list.as_bytes()).await
}

/// One call. Gives back a connection that can be used again.
async fn called(mut connection: Connection, place: &Arc<Place>, request: &Request) -> Option<Connection> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let call = {
        let mut seen = place.seen.lock();
        seen.body.clone_from(&body);
        seen.begun.push(Instant::now());
        seen.calls += 1;
        seen.calls - 1
    };
    let _running = Running(Arc::clone(place));
    let (mut answer, act) = place.answer(&body, place.script.act(call));
    if place.is_varied {
        answer.figures.input += u64::from(call % 89);
        answer.figures.output += u64::from(call % 23);
    }
    let told = play::Told {
        family: spoken(&request.path),
        act,
        is_streamed: body["stream"] == true || request.path.ends_with("converse-stream"),
        wants_figures: body["stream_options"]["include_usage"] == true,
        pace: place.pace,
        answer,
    };
    let figures = told.answer.figures;
    match play::play(&mut connection, told).await {
        Ok(play::Ended::Whole) => {
            let mut seen = place.seen.lock();
            seen.answered += 1;
            seen.reported.input += figures.input;
            seen.reported.output += figures.output;
            drop(seen);
            Some(connection)
        }
        Ok(play::Ended::Refused) => Some(connection),
        Ok(play::Ended::Closed) => None,
        Ok(play::Ended::Reset) => {
            connection.reset();
            None
        }
        Err(_gone) => {
            // Whoever was left waiting for what never comes has left as it should.
            place.seen.lock().left.push(Instant::now());
            None
        }
    }
}

/// Whose words a path is asked in.
fn spoken(path: &str) -> Family {
    match path {
        path if path.ends_with("/chat/completions") => Family::Chat,
        path if path.ends_with("/responses") => Family::Responses,
        path if path.ends_with("/messages") => Family::Messages,
        _ => Family::Bedrock,
    }
}

impl Act {
    /// What the text of a whole answer is made of where it isn't the place's own.
    pub(super) fn text(self) -> Option<String> {
        (self == Self::LongLine).then(|| "x".repeat(LONG))
    }
}
