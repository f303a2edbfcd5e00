//! `PeerService` over whatever holds journals.

use std::sync::Arc;

use greenroom_kernel::Holder;
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::peer_service_server::{PeerService, PeerServiceServer};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::convert::peers::{decode_release, encode_holding};
use crate::{MAX_MESSAGE_BYTES, continue_trace, status_from_failure};

/// The service over `holder`: mount it with [`GrpcServer::service`](crate::GrpcServer::service).
pub fn peer_service(holder: Arc<dyn Holder>) -> PeerServiceServer<ServedHolder> {
    PeerServiceServer::new(ServedHolder(holder)).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// What holds journals, as a service.
#[derive(Clone)]
pub struct ServedHolder(Arc<dyn Holder>);

#[tonic::async_trait]
impl PeerService for ServedHolder {
    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseAnswer>, Status> {
        let (metadata, _, question) = request.into_parts();
        let span = tracing::info_span!("peer call", otel.kind = "server", operation = "Release");
        continue_trace(&span, &metadata, None);
        let key =
            decode_release(question).map_err(|malformed| status_from_failure(&malformed.by_caller()))?;
        let holding = self.0.release(&key).instrument(span).await;
        Ok(Response::new(encode_holding(holding)))
    }
}
