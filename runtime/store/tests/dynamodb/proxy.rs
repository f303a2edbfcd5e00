//! What stands between a store and its service: counts what passes, refuses some of it as a busy service does, or loses
//! answers when the work is done.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// What is done to requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing: they are counted.
    None,
    /// Every third is refused as too much or as in conflict, without effect.
    Throttles,
    /// Every third is done, and its answer lost with the connection.
    DropsAnswers,
    /// Every one is refused with this code.
    Refuses(&'static str),
    /// Every one to a bucket is refused with this status and code.
    RefusesObjects(u16, &'static str),
}

/// How often each operation was asked for, by its name.
type Counts = BTreeMap<String, u64>;

struct Shared {
    trouble: Trouble,
    to: String,
    client: Client<HttpConnector, Full<Bytes>>,
    counts: Mutex<Counts>,
    asked: AtomicU64,
    troubled: AtomicU64,
    hints: AtomicU64,
    lags: AtomicBool,
    /// What was last answered to each query of an index.
    before: Mutex<HashMap<String, Bytes>>,
    /// Where writes are told, if somebody wants to know.
    writes: OnceLock<Told>,
}

/// Whom to tell of writes: the operation, and its request.
type Told = Box<dyn Fn(&str, &serde_json::Value) + Send + Sync>;

pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The answer is lost.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("lost")
    }
}

impl std::error::Error for Lost {}

fn refusal(code: &str, more: &str) -> Response<Full<Bytes>> {
    let body =
        format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"by the proxy"{more}}}"#);
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
    answer
}

/// As S3 refuses.
fn objects_refusal(status: u16, code: &str) -> Response<Full<Bytes>> {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>by the proxy</Message></Error>");
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

/// The members of a request come in any order.
fn canonical(body: &Bytes) -> String {
    let mut request: serde_json::Value = serde_json::from_slice(body).unwrap();
    request.sort_all_objects();
    request.to_string()
}

impl Shared {
    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
        let target = request.headers().get("x-amz-target");
        let operation = match target {
            Some(target) => target.to_str().unwrap().rsplit('.').next().unwrap().to_owned(),
            None => format!("object {}", request.method()),
        };
        let of_objects = target.is_none();
        *self.counts.lock().unwrap().entry(operation.clone()).or_default() += 1;
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let troubled = number % 3 == 2;
        if troubled {
            self.troubled.fetch_add(1, Ordering::Relaxed);
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
        if let Some(tell) = self.writes.get()
            && (operation.contains("Put") || operation.contains("Write") || operation.contains("Update"))
        {
            tell(&operation, &serde_json::from_slice(&body).unwrap());
        }
        let consistent = body.windows(21).any(|part| part == br#""ConsistentRead":true"#);
        if matches!(&*operation, "Query" | "GetItem" | "BatchGetItem") && !consistent {
            self.hints.fetch_add(1, Ordering::Relaxed);
        }
        if of_objects && let Trouble::RefusesObjects(status, code) = self.trouble {
            return Ok(objects_refusal(status, code));
        }
        if of_objects && troubled && self.trouble == Trouble::Throttles {
            return Ok(objects_refusal(503, "SlowDown"));
        }
        if let Trouble::Refuses(code) = self.trouble {
            return Ok(refusal(code, ""));
        }
        if troubled && self.trouble == Trouble::Throttles {
            return Ok(match (operation.as_str(), number % 2) {
                ("TransactWriteItems", 0) => refusal(
                    "TransactionCanceledException",
                    r#","CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"None"}]"#,
                ),
                ("TransactWriteItems", _) => refusal(
                    "TransactionCanceledException",
                    r#","CancellationReasons":[{"Code":"None"},{"Code":"ThrottlingError"}]"#,
                ),
                (_, 0) => refusal("ProvisionedThroughputExceededException", ""),
                _ => refusal("ThrottlingException", ""),
            });
        }
        let of_an_index = body.windows(11).any(|part| part == br#""IndexName""#);
        let asked = of_an_index.then(|| canonical(&body));
        if let Some(asked) = &asked
            && self.lags.load(Ordering::SeqCst)
        {
            let nothing = Bytes::from_static(br#"{"Items":[],"Count":0,"ScannedCount":0}"#);
            let before = self.before.lock().unwrap().get(asked).cloned();
            let mut answer = Response::new(Full::from(before.unwrap_or(nothing)));
            answer
                .headers_mut()
                .insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
            return Ok(answer);
        }
        let mut onwards = Request::new(Full::from(body));
        *onwards.method_mut() = head.method;
        *onwards.uri_mut() = format!("{}{}", self.to, head.uri).parse().unwrap();
        *onwards.headers_mut() = head.headers;
        let answer = self.client.request(onwards).await.map_err(|_| Lost)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
        if troubled && self.trouble == Trouble::DropsAnswers {
            return Err(Lost);
        }
        if let Some(asked) = asked {
            self.before.lock().unwrap().insert(asked, body.clone());
        }
        Ok(Response::from_parts(head, Full::from(body)))
    }
}

impl Proxy {
    /// Stands before the service at `to`.
    pub(crate) async fn start(to: &str, trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            trouble,
            to: to.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            counts: Mutex::default(),
            asked: AtomicU64::new(0),
            troubled: AtomicU64::new(0),
            hints: AtomicU64::new(0),
            lags: AtomicBool::new(false),
            before: Mutex::default(),
            writes: OnceLock::new(),
        });
        let all = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&all);
                connections.spawn(async move {
                    let service = service_fn(|request| shared.pass(request));
                    let serve = hyper::server::conn::http1::Builder::new();
                    let _ = serve.serve_connection(TokioIo::new(stream), service).await;
                    Ok::<_, Infallible>(())
                });
            }
        });
        Self {
            url,
            shared,
            serving: serving.abort_handle(),
        }
    }

    /// From now on somebody is told of every write.
    pub(crate) fn tell_writes(&self, told: impl Fn(&str, &serde_json::Value) + Send + Sync + 'static) {
        assert!(self.shared.writes.set(Box::new(told)).is_ok(), "told already");
    }

    /// How many requests read what may be old.
    pub(crate) fn hints(&self) -> u64 {
        self.shared.hints.load(Ordering::Relaxed)
    }

    /// How many requests met with trouble.
    pub(crate) fn troubled(&self) -> u64 {
        self.shared.troubled.load(Ordering::Relaxed)
    }

    /// From now on queries of indexes are answered as they last were, or with nothing; or as they should be again.
    pub(crate) fn indexes_lag(&self, lag: bool) {
        self.shared.lags.store(lag, Ordering::SeqCst);
    }

    /// What was asked for since the last time.
    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.shared.counts.lock().unwrap())
    }
}
