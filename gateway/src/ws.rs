//! stub
use std::sync::Arc;
use axum::extract::Request;
use axum::response::Response;
use crate::gateway::Inner;
use crate::request_id::RequestId;
pub(crate) fn is_upgrade(_r: &Request) -> bool { false }
pub(crate) async fn upgrade(_inner: Arc<Inner>, _request: Request, _id: RequestId) -> Response { Response::default() }
