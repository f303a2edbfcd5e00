//! The operator's HTTP port: metrics, liveness, readiness. Never exposed with the API.

mod gauges;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use greenroom_kernel::{AgentName, Clock, Store, Supervisor};
use greenroom_models::Accounts;
use greenroom_telemetry::Metrics;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long readiness waits for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// What the port tells about.
pub(crate) struct Operator {
    pub(crate) metrics: Metrics,
    pub(crate) supervisor: Arc<dyn Supervisor>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Ready means that this one is known.
    pub(crate) default_agent: AgentName,
    /// Set once the process takes no new work.
    pub(crate) draining: Arc<AtomicBool>,
}

impl Operator {
    /// Serves until `shutdown` fires.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .with_state(Arc::new(self));
        tokio::select! {
            served = axum::serve(listener, routes).into_future() => served,
            // Its requests are short, and a scraper's idle connection is nothing to wait for.
            () = shutdown.cancelled() => Ok(()),
        }
    }

    /// Why the process is not ready.
    async fn obstacle(&self) -> Option<String> {
        if self.draining.load(Ordering::Acquire) {
            return Some("draining".to_owned());
        }
        let reading = self.store.open_journals(self.clock.now(), None, 1);
        match tokio::time::timeout(STORE_PATIENCE, reading).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Some(error.to_string()),
            Err(_) => return Some("store: no answer in time".to_owned()),
        }
        match self.supervisor.agent(&self.default_agent).await {
            Ok(Some(_)) => None,
            Ok(None) => Some(format!("agent {} is not known", self.default_agent)),
            Err(failure) => Some(failure.message),
        }
    }
}

async fn ready(State(operator): State<Arc<Operator>>) -> Response {
    match operator.obstacle().await {
        None => axum::Json(json!({ "ready": true })).into_response(),
        Some(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({ "ready": false, "why": why })),
        )
            .into_response(),
    }
}

async fn metrics(State(operator): State<Arc<Operator>>) -> Response {
    let page = gauges::page(&operator).await;
    ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], page).into_response()
}
