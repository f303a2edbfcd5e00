//! How many tokens a request of the Messages family takes: in the target's own words where it speaks the family, else by
//! estimate, which a header of the answer says.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use greenroom_kernel::{CallContext, Readable, TokenCount, Unreadable, WireCall, Wish};
use greenroom_provider_http::Dialect;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::answer::tell;
use super::call::{Asked, named};
use super::refusal::{Refused, json as answered};
use crate::gateway::Inner;
use crate::http::body;

const ESTIMATED: HeaderName = HeaderName::from_static("x-greenroom-estimated");

/// Answers a count.
pub(super) async fn count(
    inner: &Arc<Inner>,
    dialect: Arc<dyn Dialect>,
    request: Request,
) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let limit = inner.config.v1_max_body_bytes;
    let body = body::read(&inner.config, limit, &head.headers, body).await;
    let asked = Asked::of(&*dialect, &head.headers, body.map_err(Refused::unread)?)?;
    let cancel = CancellationToken::new();
    let _leaving = cancel.clone().drop_guard();
    let context = CallContext {
        deadline: Some(inner.door.clock.now().after(inner.config.request_timeout)),
        cancel,
        affinity: asked.own.affinity(),
        narrowing: asked.own.narrowing,
        ..CallContext::default()
    };
    let model = asked.peeked.model;
    let is_named = model.is_some();
    let call = WireCall {
        model,
        raw: asked.peeked.raw,
        readable: Arc::new(Unbounded {
            dialect,
            body: asked.body,
        }),
    };
    let counted = inner.door.models.count_tokens(call, context).await;
    match counted.map_err(|failed| named(failed.into(), is_named))? {
        TokenCount::Told { by, body } => {
            let mut response = answered(body);
            tell(response.headers_mut(), &by);
            Ok(response)
        }
        TokenCount::Estimated { tokens } => {
            let mut response = answered(json!({"input_tokens": tokens}).to_string());
            let headers = response.headers_mut();
            headers.insert(ESTIMATED, HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

/// A request that needs no bound for its answer, for nothing is answered.
struct Unbounded {
    dialect: Arc<dyn Dialect>,
    body: Bytes,
}

impl Readable for Unbounded {
    fn wish(&self) -> Result<Wish, Unreadable> {
        let read: Result<Map<String, Value>, _> = serde_json::from_slice(&self.body);
        match read {
            Ok(mut request) if !request.contains_key("max_tokens") => {
                request.insert("max_tokens".to_owned(), 1.into());
                self.dialect.read(Value::Object(request).to_string().as_bytes())
            }
            _ => self.dialect.read(&self.body),
        }
    }
}
