//! A supervisor made a service, with its node's name or without.

use std::sync::Arc;

use greenroom_kernel::{NodeId, Supervisor};
use greenroom_proto::v1::supervisor_service_server::SupervisorServiceServer;
use tonic::metadata::AsciiMetadataValue;

use crate::MAX_MESSAGE_BYTES;

/// The service over `supervisor`: mount it with [`GrpcServer::service`](crate::GrpcServer::service).
pub fn supervisor_service(supervisor: Arc<dyn Supervisor>) -> SupervisorServiceServer<ServedSupervisor> {
    serve(None, supervisor)
}

/// The same of a node among several: its name goes with every answer, so that whoever asks places journals as the
/// nodes themselves do.
pub fn supervisor_service_of(
    node: &NodeId,
    supervisor: Arc<dyn Supervisor>,
) -> SupervisorServiceServer<ServedSupervisor> {
    serve(Some(node), supervisor)
}

pub(crate) fn serve(
    node: Option<&NodeId>,
    supervisor: Arc<dyn Supervisor>,
) -> SupervisorServiceServer<ServedSupervisor> {
    let node = node.and_then(|node| AsciiMetadataValue::try_from(node.as_str()).ok());
    let served = ServedSupervisor { supervisor, node };
    SupervisorServiceServer::new(served).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// A supervisor as a service.
#[derive(Clone)]
pub struct ServedSupervisor {
    pub(super) supervisor: Arc<dyn Supervisor>,
    pub(super) node: Option<AsciiMetadataValue>,
}
