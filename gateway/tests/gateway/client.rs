//! A gateway on a free port, and what talks to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use greenroom_gateway::{Authenticator, Credentials, Gateway, GatewayConfig, GatewayParts, LoopbackDev};
use greenroom_kernel::{
    Clock, ErrorCode, Failure, Principal, Randomness, SessionId, Subject, TenantId, Timestamp,
};
use greenroom_telemetry::Metrics;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::costs::FakeCosts;
use crate::fake::Fake;
use crate::v1_fake::{FakeModels, dialects};

/// How long anything may take that should take no time.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Counts up.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Randomness for Counter {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A clock that stands still.
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_767_268_800_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    pub(crate) costs: Arc<FakeCosts>,
    pub(crate) models: Arc<FakeModels>,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: tokio::task::JoinHandle<()>,
    client: Client<HttpConnector, Body>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        code(&self.json())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The code of an answer's first error.
pub(crate) fn code(answer: &Value) -> String {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code: {answer}"))
        .to_owned()
}

pub(crate) async fn start() -> Running {
    start_with(GatewayConfig::default()).await
}

pub(crate) async fn start_with(config: GatewayConfig) -> Running {
    run(config, Arc::new(LoopbackDev::new().unwrap())).await
}

/// Admits whoever says to be somebody.
struct Somebody;

#[async_trait::async_trait]
impl Authenticator for Somebody {
    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Arc<Principal>, Failure> {
        match credentials.headers.get("authorization") {
            Some(value) if value == "somebody" => Ok(Arc::new(dev())),
            _ => Err(Failure::new(ErrorCode::Unauthenticated, "say who you are")),
        }
    }
}

pub(crate) async fn start_refusing() -> Running {
    run(GatewayConfig::default(), Arc::new(Somebody)).await
}

async fn run(config: GatewayConfig, authenticator: Arc<dyn Authenticator>) -> Running {
    let (fake, models) = (Fake::new(), Arc::new(FakeModels::default()));
    let costs = Arc::new(FakeCosts::default());
    let tasks = TaskTracker::new();
    let metrics = Metrics::new("test");
    let gateway = Gateway::new(GatewayParts {
        config,
        supervisor: Arc::clone(&fake) as _,
        costs: Arc::clone(&costs) as _,
        models: Arc::clone(&models) as _,
        dialects: dialects(),
        authenticator,
        clock: Arc::new(Noon),
        random: Arc::new(Counter::default()),
        metrics: metrics.clone(),
        tasks: tasks.clone(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { gateway.serve(listener, shutdown).await.unwrap() }
    });
    let client = Client::builder(TokioExecutor::new()).build_http();
    Running {
        address,
        fake,
        costs,
        models,
        metrics,
        tasks,
        shutdown,
        served,
        client,
    }
}

pub(crate) fn dev() -> Principal {
    Principal {
        tenant: TenantId::parse("dev").unwrap(),
        subject: Subject::parse("dev").unwrap(),
        scopes: vec![],
        tier: "dev".into(),
    }
}

pub(crate) fn session_id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// An answer whose body is still to be read.
    pub(crate) async fn open(&self, request: Request<Body>) -> http::Response<hyper::body::Incoming> {
        let response = tokio::time::timeout(SOON, self.client.request(request));
        response.await.unwrap().unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.open(request).await.into_parts();
        let bytes = tokio::time::timeout(SOON, body.collect())
            .await
            .unwrap()
            .unwrap()
            .to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Posts a body with these headers over the usual ones.
    pub(crate) async fn post_raw(&self, body: impl Into<Body>, headers: &[(&'static str, &str)]) -> Reply {
        let mut request = Request::post(self.url("/graphql")).body(body.into()).unwrap();
        request
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        self.send(request).await
    }

    /// Waits until the one connection of a gateway with `max_connections: 1` is seen to be gone.
    pub(crate) async fn hung_up(&self) {
        let ask = async {
            loop {
                let mut stream = TcpStream::connect(self.address).await.unwrap();
                let _ = stream
                    .write_all(b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n")
                    .await;
                let mut heard = String::new();
                let _ = stream.read_to_string(&mut heard).await;
                if heard.contains(" 200 ") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, ask).await.unwrap();
    }

    /// The head and body of a query's request.
    pub(crate) fn raw_post(query: &str) -> String {
        let body = json!({ "query": query }).to_string();
        let length = body.len();
        format!(
            "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
            content-length: {length}\r\n\r\n{body}"
        )
    }

    pub(crate) async fn post(&self, query: &str, variables: Value) -> Reply {
        self.post_raw(json!({ "query": query, "variables": variables }).to_string(), &[])
            .await
    }

    pub(crate) async fn get(&self, path_and_query: &str, headers: &[(&'static str, &str)]) -> Reply {
        let mut request = Request::get(self.url(path_and_query))
            .body(Body::empty())
            .unwrap();
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        self.send(request).await
    }

    /// Asks and expects data without errors.
    pub(crate) async fn data(&self, query: &str, variables: Value) -> Value {
        let reply = self.post(query, variables).await;
        let answer = reply.json();
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        assert_eq!(reply.status, StatusCode::OK);
        answer["data"].clone()
    }

    /// Asks and expects an error without data, whose code is returned.
    pub(crate) async fn refused(&self, query: &str, variables: Value) -> String {
        let answer = self.post(query, variables).await.json();
        assert!(answer["data"].is_null(), "{answer}");
        let extensions = &answer["errors"][0]["extensions"];
        assert!(
            extensions["retryable"].is_boolean() && extensions["requestId"].is_string(),
            "{answer}"
        );
        code(&answer)
    }
}
