//! GraphQL over WebSocket: `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

mod close;
mod connection;
mod protocol;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, WebSocketUpgrade};
use axum::response::Response;
use greenroom_kernel::Failure;
use http::{HeaderName, header};

use crate::gateway::Inner;
use crate::http::{failure, peer};
use crate::request_id::RequestId;
use crate::server::Lease;
use crate::trace::Incoming;

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(request: &Request) -> bool {
    let names = |header: HeaderName, what: &str| {
        let value = request
            .headers()
            .get(header)
            .and_then(|value| value.to_str().ok());
        value.is_some_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(what))
        })
    };
    names(header::UPGRADE, "websocket") && names(header::CONNECTION, "upgrade")
}

/// Accepts the upgrade; the socket keeps its connection's place until it ends.
pub(crate) async fn upgrade(inner: Arc<Inner>, request: Request, request_id: RequestId) -> Response {
    let peer = peer(&request);
    let (mut parts, _body) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return failure(Failure::bad_input(rejection.body_text()), &request_id),
    };
    let lease = parts.extensions.remove::<Lease>();
    let opening = connection::Opening {
        incoming: Incoming::of(&parts.headers),
        headers: parts.headers,
        peer,
        request_id,
    };
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(inner.config.max_message_bytes)
        .max_frame_size(inner.config.max_message_bytes)
        .on_upgrade(move |socket| async move {
            let run = connection::serve(inner, opening, socket);
            match lease {
                Some(lease) => lease.until_abort(run).await,
                None => run.await,
            }
        })
}
