//! `PeerService` over whatever holds journals.

use std::sync::Arc;

use greenroom_kernel::{ErrorCode, Failure, Holder, Holding, JournalKey, MemberRole};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::peer_service_server::{PeerService, PeerServiceServer};
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Span};

use crate::convert::peers::{decode_journal, encode_holding};
use crate::tls::TlsCaller;
use crate::{MAX_MESSAGE_BYTES, continue_trace, status_from_failure};

/// The service over `holder`: mount it with [`GrpcServer::service`](crate::GrpcServer::service). Who comes by TLS must be
/// a supervisor.
pub fn peer_service(holder: Arc<dyn Holder>) -> PeerServiceServer<ServedHolder> {
    PeerServiceServer::new(ServedHolder(holder)).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// What holds journals, as a service.
#[derive(Clone)]
pub struct ServedHolder(Arc<dyn Holder>);

#[tonic::async_trait]
impl PeerService for ServedHolder {
    async fn release(&self, request: Request<pb::JournalRequest>) -> Answer {
        let (span, key) = begin("Release", request)?;
        answer(self.0.release(&key).instrument(span).await)
    }

    async fn holds(&self, request: Request<pb::JournalRequest>) -> Answer {
        let (span, key) = begin("Holds", request)?;
        answer(self.0.holds(&key).instrument(span).await)
    }
}

type Answer = Result<Response<pb::HoldingAnswer>, Status>;

/// The span of a call, continuing the caller's trace, and the journal that it is about.
#[allow(
    clippy::result_large_err,
    reason = "a status is what the generated service answers with"
)]
fn begin(
    operation: &'static str,
    request: Request<pb::JournalRequest>,
) -> Result<(Span, JournalKey), Status> {
    let (metadata, extensions, question) = request.into_parts();
    // The port is the gateways' too. Who shows no certificate comes from this machine, where none is asked for.
    let caller = extensions.get::<TlsCaller>();
    if caller.is_some_and(|caller| !caller.is_of(MemberRole::Supervisor)) {
        let refused = Failure::new(
            ErrorCode::Forbidden,
            "only a supervisor may ask another to let a session go: this caller's certificate names another role",
        );
        return Err(status_from_failure(&refused));
    }
    let span = tracing::info_span!("peer call", otel.kind = "server", operation);
    continue_trace(&span, &metadata, None);
    let key = decode_journal(question).map_err(|malformed| status_from_failure(&malformed.by_caller()))?;
    Ok((span, key))
}

fn answer(holding: Holding) -> Answer {
    Ok(Response::new(encode_holding(holding)))
}
