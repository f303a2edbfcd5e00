//! The gateway as a whole: built unstarted, then served.

use std::sync::Arc;

use axum::routing::{any, get};
use axum::{Router, middleware};
use greenroom_kernel::{Clock, Costs, Models, Randomness, Supervisor};
use greenroom_provider_http::Dialect;
use greenroom_telemetry::Metrics;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authenticator;
use crate::config::GatewayConfig;
use crate::engine::Engine;
use crate::schema::Backend;
use crate::server::{self, ServeError};
use crate::v1::Door;
use crate::{edge, http, page};

/// What a gateway is made of.
pub struct GatewayParts {
    /// Its bounds.
    pub config: GatewayConfig,
    /// The owner of sessions.
    pub supervisor: Arc<dyn Supervisor>,
    /// Who knows what was spent, and what may be.
    pub costs: Arc<dyn Costs>,
    /// Who makes the model calls of `/v1`.
    pub models: Arc<dyn Models>,
    /// The wire families that are spoken under `/v1`, each once; without any there is nothing there.
    pub dialects: Vec<Arc<dyn Dialect>>,
    /// Who decides who calls.
    pub authenticator: Arc<dyn Authenticator>,
    /// The wall clock, for minted keys.
    pub clock: Arc<dyn Clock>,
    /// Where request ids and minted keys come from.
    pub random: Arc<dyn Randomness>,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Mutations run on it, so that a caller who leaves ends none: wait for it after serving.
    pub tasks: TaskTracker,
}

/// What every request shares.
pub(crate) struct Inner {
    pub(crate) config: GatewayConfig,
    pub(crate) engine: Arc<Engine>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) random: Arc<dyn Randomness>,
    pub(crate) metrics: Metrics,
    pub(crate) door: Door,
    /// Fires when the gateway shuts down: streams end.
    pub(crate) closing: CancellationToken,
}

/// The HTTP edge, not yet listening.
pub struct Gateway {
    inner: Arc<Inner>,
    routes: Router,
}

impl Gateway {
    /// Builds it. Nothing runs before [`Gateway::serve`].
    pub fn new(parts: GatewayParts) -> Self {
        let GatewayParts {
            config,
            supervisor,
            costs,
            models,
            dialects,
            authenticator,
            clock,
            random,
            metrics,
            tasks,
        } = parts;
        let door = Door::new(Arc::clone(&models), dialects, &supervisor, &clock, &tasks);
        let backend = Backend {
            supervisor,
            costs,
            models,
            clock,
            random: Arc::clone(&random),
            default_wait: config.default_wait,
            max_wait: config.max_wait,
            answer_grace: config.answer_grace,
        };
        let engine = Arc::new(Engine::new(
            backend,
            config.query.clone(),
            config.introspection,
            tasks,
        ));
        let closing = CancellationToken::new();
        page::prepare();
        Self {
            inner: Arc::new(Inner {
                config,
                engine,
                authenticator,
                random,
                metrics,
                door,
                closing,
            }),
            routes: Router::new(),
        }
    }

    /// Serves these paths too, behind the same checks. A path that is already served panics, as axum's routers do.
    #[must_use]
    pub fn with_routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Serves connections until `shutdown` fires, then gives open requests the configured time. Streams end at
    /// once, WebSockets with close code 1001. Mutations still running go on, on the task tracker.
    ///
    /// Dropping the future closes every connection.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> Result<(), ServeError> {
        let Self { inner, routes } = self;
        let routes = Router::new()
            .route(edge::GRAPHQL, any(http::graphql))
            .route(page::DOCUMENT, any(page::serve))
            .route(page::LOADED, any(page::serve))
            .route(
                "/healthz",
                get(async || axum::Json(serde_json::json!({ "status": "ok" }))),
            )
            .fallback(edge::unknown_path)
            .merge(routes.with_state(()))
            .layer(middleware::from_fn_with_state(Arc::clone(&inner), edge::guard))
            .with_state(Arc::clone(&inner));
        server::serve(inner, routes, listener, shutdown).await
    }
}
