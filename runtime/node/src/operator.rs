//! The operator's HTTP port: metrics, liveness, readiness. Never exposed with the API.

mod checks;
mod gauges;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use greenroom_kernel::{Clock, Models, Store, Supervisor};
use greenroom_models::Accounts;
use greenroom_supervision::Tree;
use greenroom_telemetry::Metrics;
use greenroom_wire::{Links, TlsIdentity};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::parts::{Life, World};

pub(crate) use checks::{AgentKnown, Check, InFleet, StoreAnswers, SupervisorServes};

/// What the port tells about: what this process has of it.
pub(crate) struct Operator {
    pub(crate) metrics: Metrics,
    pub(crate) tree: Arc<Tree>,
    pub(crate) models: Option<Arc<dyn Models>>,
    /// Who knows agents' breakers.
    pub(crate) agents: Option<Arc<dyn Supervisor>>,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) accounts: Option<Arc<Accounts>>,
    /// By what it proves itself to others.
    pub(crate) identity: Option<Arc<TlsIdentity>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Set once the process takes no new work.
    pub(crate) draining: Arc<AtomicBool>,
    /// What being ready takes.
    pub(crate) checks: Vec<Box<dyn Check>>,
}

impl Operator {
    /// Of a process that has nothing yet: what it has is filled in.
    pub(crate) fn of(world: &World, life: &Life, links: &Links) -> Self {
        Self {
            metrics: world.metrics.clone(),
            tree: Arc::clone(world.environment.tree()),
            models: None,
            agents: None,
            store: None,
            accounts: None,
            identity: links.identity().cloned(),
            clock: Arc::clone(&world.clock),
            draining: Arc::clone(&life.draining),
            checks: Vec::new(),
        }
    }

    /// Serves until `shutdown` fires.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || "ok\n"))
            // What `greenroom healthcheck` asks for: a container is ended when it fails.
            .route("/healthz", get(async || "ok\n"))
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
        for check in &self.checks {
            if let Some(why) = check.obstacle().await {
                return Some(why);
            }
        }
        None
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
