//! Supervisors among themselves: one asks another to let a journal go, and answers when it is asked; and passes on what an
//! operator asked of the wrong one.
//!
//! A service of its own: gateways have no business with it, and the port that they call, a supervisor's whole, knows
//! nothing of nodes and holdings.

mod server;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    Failure, Holding, HostPort, JournalKey, MemberRole, Peers, Principal, TaskId, TaskRow,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::peer_service_client::PeerServiceClient;
use parking_lot::Mutex;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::channel::dial_process;
use crate::convert::encode_principal;
use crate::convert::peers::{decode_holding, encode_journal};
use crate::convert::rows::decode_task;
use crate::{GrpcSupervisor, MAX_MESSAGE_BYTES, TlsIdentity, failure_from_status, inject_trace};

pub use server::{ServedHolder, peer_service};

/// How long the other may take to answer, which needs no work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to end a task: it is written first.
const KILL_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections kept: more supervisors than a fleet has. Beyond them all are laid anew.
const CONNECTIONS: usize = 256;

/// The other supervisors, reached by gRPC: by TLS where this process has an identity, else on loopback only.
#[derive(Debug)]
pub struct GrpcPeers {
    tls: Option<Arc<TlsIdentity>>,
    connections: Mutex<HashMap<HostPort, Channel>>,
}

impl GrpcPeers {
    /// Connects to nobody yet.
    pub fn new(tls: Option<Arc<TlsIdentity>>) -> Self {
        Self {
            tls,
            connections: Mutex::default(),
        }
    }

    fn channel(&self, address: &HostPort) -> Result<Channel, Failure> {
        let mut connections = self.connections.lock();
        if let Some(channel) = connections.get(address) {
            return Ok(channel.clone());
        }
        let channel = dial_process(address, MemberRole::Supervisor, self.tls.as_ref())?;
        if connections.len() >= CONNECTIONS {
            connections.clear();
        }
        connections.insert(address.clone(), channel.clone());
        Ok(channel)
    }

    fn at(&self, address: &HostPort) -> Result<PeerServiceClient<Channel>, Failure> {
        let client = PeerServiceClient::new(self.channel(address)?);
        Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// The supervisor at an address, as gateways call it.
    ///
    /// # Errors
    /// An address that must not be called without an identity.
    pub fn supervisor(&self, at: &HostPort) -> Result<GrpcSupervisor, Failure> {
        Ok(GrpcSupervisor::over(&at.to_string(), self.channel(at)?))
    }

    /// Has the process at an address end a task as failed, by an operator's hand. Asking again is no harm.
    ///
    /// # Errors
    /// What it answers; UNAVAILABLE when nobody answers there, or its journal is elsewhere.
    pub async fn kill(&self, at: &HostPort, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let mut client = self.at(at)?;
        let mut request = Request::new(pb::TaskRequest {
            principal: Some(encode_principal(who)),
            id: id.to_string(),
        });
        request.set_timeout(KILL_TIMEOUT);
        inject_trace(request.metadata_mut(), None);
        match tokio::time::timeout(KILL_TIMEOUT, client.kill(request)).await {
            Ok(Ok(task)) => decode_task(task.into_inner()).map_err(|malformed| malformed.by_peer()),
            Ok(Err(status)) => Err(failure_from_status(&status, &at.to_string())),
            Err(_) => Err(Failure::unavailable(format!("{at}: no answer to kill"))),
        }
    }
}

/// Asks one unary question of the process at an address about a journal.
macro_rules! ask {
    ($self:ident . $call:ident ( $at:ident, $key:ident )) => {{
        let mut client = $self.at($at)?;
        let mut request = Request::new(encode_journal($key));
        request.set_timeout(ANSWER_TIMEOUT);
        inject_trace(request.metadata_mut(), None);
        answered($at, stringify!($call), client.$call(request)).await
    }};
}

async fn answered(
    at: &HostPort,
    what: &str,
    call: impl Future<Output = Result<Response<pb::HoldingAnswer>, Status>>,
) -> Result<Holding, Failure> {
    let Ok(answer) = tokio::time::timeout(ANSWER_TIMEOUT, call).await else {
        let seconds = ANSWER_TIMEOUT.as_secs();
        let message = format!("{at}: no answer to {what} within {seconds} s");
        return Err(Failure::unavailable(message));
    };
    match answer {
        Ok(answer) => decode_holding(answer.into_inner()).map_err(|malformed| malformed.by_peer()),
        Err(status) => Err(failure_from_status(&status, &at.to_string())),
    }
}

#[async_trait]
impl Peers for GrpcPeers {
    async fn release(&self, at: &HostPort, key: &JournalKey) -> Result<Holding, Failure> {
        ask!(self.release(at, key))
    }

    async fn holds(&self, at: &HostPort, key: &JournalKey) -> Result<Holding, Failure> {
        ask!(self.holds(at, key))
    }
}

#[cfg(test)]
mod tests;
