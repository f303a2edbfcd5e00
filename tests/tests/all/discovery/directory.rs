//! A directory as Cloud Map speaks, in this process.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

#[derive(Default)]
struct Known {
    hosts: Vec<String>,
    revision: i64,
    away: bool,
}

pub(super) struct Directory {
    pub(super) url: String,
    known: Arc<Mutex<Known>>,
}

impl Directory {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let known = Arc::<Mutex<Known>>::default();
        let router = Router::new()
            .route("/", post(answer))
            .with_state(Arc::clone(&known));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, known }
    }

    /// Lets agent hosts be registered at exactly these URLs.
    pub(super) fn set(&self, urls: &[&str]) {
        let mut known = self.known.lock();
        known.hosts = urls
            .iter()
            .map(|url| url.trim_start_matches("http://").to_owned())
            .collect();
        known.revision += 1;
    }

    pub(super) fn away(&self, away: bool) {
        self.known.lock().away = away;
    }
}

async fn answer(State(known): State<Arc<Mutex<Known>>>, headers: HeaderMap, asked: Bytes) -> Response {
    // The body's content type is AWS's own, which axum's reader of JSON doesn't take.
    let asked: Value = serde_json::from_slice(&asked).unwrap();
    let known = known.lock();
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let signed = text(header::AUTHORIZATION.as_str());
    if known.away {
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({ "__type": "InternalFailure" })),
        )
            .into_response();
    }
    if !signed.contains("Credential=AKIDFORATEST/") || !signed.contains("/eu-west-1/servicediscovery/") {
        return (
            StatusCode::FORBIDDEN,
            Json(json!({ "__type": "AccessDeniedException" })),
        )
            .into_response();
    }
    assert_eq!(
        (&asked["NamespaceName"], &asked["ServiceName"]),
        (&json!("prod.test"), &json!("agents"))
    );
    let instance = |host: &String| {
        let (ip, port) = host.rsplit_once(':').unwrap();
        json!({ "InstanceId": host, "HealthStatus": "HEALTHY",
            "Attributes": { "AWS_INSTANCE_IPV4": ip, "AWS_INSTANCE_PORT": port } })
    };
    let said = match text("x-amz-target").rsplit('.').next() {
        Some("DiscoverInstances") => {
            let instances: Vec<Value> = known.hosts.iter().map(instance).collect();
            json!({ "Instances": instances, "InstancesRevision": known.revision })
        }
        Some("DiscoverInstancesRevision") => json!({ "InstancesRevision": known.revision }),
        other => panic!("nobody expected {other:?}"),
    };
    (
        [(header::CONTENT_TYPE, "application/x-amz-json-1.1")],
        said.to_string(),
    )
        .into_response()
}
