//! `PeerService` over whatever holds journals.

use std::sync::Arc;

use greenroom_kernel::{ErrorCode, Failure, Holder, Holding, JournalKey, MemberRole, TaskId};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::peer_service_server::{PeerService, PeerServiceServer};
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Span};

use crate::convert::peers::{decode_journal, encode_holding};
use crate::convert::rows::encode_task;
use crate::convert::{decode_principal, parsed};
use crate::tls::TlsCaller;
use crate::{MAX_MESSAGE_BYTES, Malformed, continue_trace, status_from_failure};

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

    async fn kill(&self, request: Request<pb::TaskRequest>) -> Result<Response<pb::Task>, Status> {
        let (span, question) = heard("Kill", request)?;
        let refused = |malformed: Malformed| status_from_failure(&malformed.by_caller());
        let who = decode_principal(question.principal).map_err(refused)?;
        let id = parsed(TaskId::parse, &question.id, "id").map_err(refused)?;
        let killed = self.0.kill(&who, &id).instrument(span).await;
        killed
            .map(|row| Response::new(encode_task(row)))
            .map_err(|failure| status_from_failure(&failure))
    }
}

type Answer = Result<Response<pb::HoldingAnswer>, Status>;

/// The span of a call about a journal, and which that is.
#[allow(
    clippy::result_large_err,
    reason = "a status is what the generated service answers with"
)]
fn begin(
    operation: &'static str,
    request: Request<pb::JournalRequest>,
) -> Result<(Span, JournalKey), Status> {
    let (span, question) = heard(operation, request)?;
    let key = decode_journal(question).map_err(|malformed| status_from_failure(&malformed.by_caller()))?;
    Ok((span, key))
}

/// The span of a call, continuing the caller's trace, and what is asked. Of a supervisor only.
#[allow(
    clippy::result_large_err,
    reason = "a status is what the generated service answers with"
)]
fn heard<T>(operation: &'static str, request: Request<T>) -> Result<(Span, T), Status> {
    let (metadata, extensions, question) = request.into_parts();
    // The port is the gateways' too. Who shows no certificate comes from this machine, where none is asked for.
    let caller = extensions.get::<TlsCaller>();
    if caller.is_some_and(|caller| !caller.is_of(MemberRole::Supervisor)) {
        let refused = Failure::new(
            ErrorCode::Forbidden,
            "only a supervisor may ask this of another: this caller's certificate names another role",
        );
        return Err(status_from_failure(&refused));
    }
    let span = tracing::info_span!("peer call", otel.kind = "server", operation);
    continue_trace(&span, &metadata, None);
    Ok((span, question))
}

fn answer(holding: Holding) -> Answer {
    Ok(Response::new(encode_holding(holding)))
}
