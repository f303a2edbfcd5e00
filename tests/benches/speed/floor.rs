//! The floor: a bare async-graphql mutation on axum, of the same shape and without anything behind it.

use async_graphql::{EmptySubscription, ID, InputObject, Json, Object, Schema, SimpleObject};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::Value;

#[derive(InputObject)]
struct ExecuteTaskInput {
    agent: String,
    #[allow(dead_code, reason = "the floor does nothing with it")]
    input: Json<Value>,
}

#[derive(SimpleObject)]
struct Task {
    id: ID,
    status: &'static str,
    agent: String,
}

struct Query;

#[Object]
impl Query {
    async fn ok(&self) -> bool {
        true
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn execute_task_on_agent(&self, input: ExecuteTaskInput) -> Task {
        Task {
            id: ID::from("01JD0000000000000000000000.0"),
            status: "COMPLETED",
            agent: input.agent,
        }
    }
}

type Bare = Schema<Query, Mutation, EmptySubscription>;

async fn run(
    State(schema): State<Bare>,
    axum::Json(request): axum::Json<async_graphql::Request>,
) -> axum::Json<async_graphql::Response> {
    axum::Json(schema.execute(request).await)
}

/// Serves until killed; writes its address to `ready`.
pub(crate) fn serve(ready: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let schema = Schema::build(Query, Mutation, EmptySubscription).finish();
        let router = Router::new().route("/graphql", post(run)).with_state(schema);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        std::fs::write(ready, listener.local_addr().unwrap().to_string()).unwrap();
        axum::serve(
            axum::serve::ListenerExt::tap_io(listener, |io| {
                let _ = io.set_nodelay(true);
            }),
            router,
        )
        .await
        .unwrap();
    });
}
