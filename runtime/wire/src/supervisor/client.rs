//! A supervisor in another process.

mod one_call;
mod port;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use greenroom_kernel::{Failure, MemberRole};
use greenroom_proto::v1::supervisor_service_client::SupervisorServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::channel::{dial_lazily, dial_with_tls};
use crate::{InvalidEndpoint, Malformed, TlsIdentity, failure_from_status, inject_trace};
use one_call::{OneCall, fate_of};

pub(crate) use one_call::Fate;

/// How long an answer may take beyond what the caller asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// No answer is larger than this, in bytes: a hundred rows with as much of a caller's own data as a gateway takes.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;
const SERVICE: &str = "greenroom.v1.SupervisorService";

/// A supervisor in another process, reached over one HTTP/2 connection that is dialled when first needed and again
/// whenever it broke. What no answer came to fails UNAVAILABLE, worth repeating.
#[derive(Debug, Clone)]
pub struct GrpcSupervisor {
    address: Arc<str>,
    client: SupervisorServiceClient<Channel>,
    health: HealthClient<Channel>,
    /// Of a clone that is made for one call.
    one_call: Option<Arc<OneCall>>,
}

impl GrpcSupervisor {
    /// The supervisor at `address`, `http://host:port` or `host:port`. Connects to nothing yet; must be called within
    /// a tokio runtime.
    pub fn new(address: &str) -> Result<Self, InvalidEndpoint> {
        Ok(Self::over(address, dial_lazily(address)?))
    }

    /// The same by TLS: both ends show certificates, and the other's must be a supervisor's.
    pub fn with_tls(address: &str, identity: Arc<TlsIdentity>) -> Result<Self, InvalidEndpoint> {
        let channel = dial_with_tls(address, identity, MemberRole::Supervisor)?;
        Ok(Self::over(address, channel))
    }

    /// The supervisor at the other end of `channel`, called `address` in messages.
    pub(crate) fn over(address: &str, channel: Channel) -> Self {
        let client = SupervisorServiceClient::new(channel.clone());
        Self {
            address: address.into(),
            client: client.max_decoding_message_size(ANSWER_BYTES),
            health: HealthClient::new(channel),
            one_call: None,
        }
    }

    /// A clone for one call that ends within `at_most`, and what will be known of that call.
    pub(crate) fn for_one_call(&self, at_most: Option<Duration>) -> (Self, Arc<OneCall>) {
        let one_call = Arc::new(OneCall::new(at_most));
        let mut clone = self.clone();
        clone.one_call = Some(Arc::clone(&one_call));
        (clone, one_call)
    }

    /// Whether it says that it serves.
    ///
    /// # Errors
    /// UNAVAILABLE: it says something else, or nothing.
    pub async fn check(&self) -> Result<(), Failure> {
        let mut health = self.health.clone();
        let service = SERVICE.to_owned();
        let within = self.bound(Some(ANSWER_TIMEOUT));
        let question = asking(HealthCheckRequest { service }, within);
        let checked = self
            .answered("a health check", within, health.check(question))
            .await?;
        match checked.status() {
            ServingStatus::Serving => Ok(()),
            other => Err(Failure::unavailable(format!(
                "{}: the supervisor says {}",
                self.address,
                other.as_str_name()
            ))),
        }
    }

    fn bound(&self, within: Option<Duration>) -> Option<Duration> {
        match &self.one_call {
            Some(one_call) => one_call.bound(within),
            None => within,
        }
    }

    async fn answered<T>(
        &self,
        what: &str,
        within: Option<Duration>,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let answer = match within {
            None => call.await,
            Some(within) => match tokio::time::timeout(within, call).await {
                Ok(answer) => answer,
                Err(_) => {
                    let (address, ms) = (&self.address, within.as_millis());
                    let message = format!("{address}: no answer to {what} within {ms} ms");
                    return Err(Failure::unavailable(message));
                }
            },
        };
        if let Some(one_call) = &self.one_call {
            match &answer {
                Ok(answer) => one_call.note(Fate::Answered, answer.metadata()),
                Err(status) => one_call.note(fate_of(status), status.metadata()),
            }
        }
        match answer {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(failure_from_status(&status, &self.address)),
        }
    }

    /// Items until the stream ends, which it does behind the first failure.
    fn items<A: Send + 'static, B: Send + 'static>(
        &self,
        stream: Streaming<A>,
        decode: fn(A) -> Result<B, Malformed>,
    ) -> impl Stream<Item = Result<B, Failure>> + Send + 'static {
        let address = Arc::clone(&self.address);
        let decoded = stream.map(move |item| match item {
            Ok(item) => decode(item).map_err(|malformed| malformed.by_peer()),
            Err(status) => Err(failure_from_status(&status, &address)),
        });
        decoded.scan(false, |ended, item| {
            let over = std::mem::replace(ended, item.is_err());
            std::future::ready((!over).then_some(item))
        })
    }

    /// The same where the port has no place for a failure: the stream just ends, and the reader asks again.
    fn news<A: Send + 'static, B: Send + 'static>(
        &self,
        stream: Streaming<A>,
        decode: fn(A) -> Result<B, Malformed>,
    ) -> BoxStream<'static, B> {
        let items = self.items(stream, decode).filter_map(|item| {
            if let Err(failure) = &item {
                tracing::debug!(%failure, "a subscription to a supervisor ended");
            }
            std::future::ready(item.ok())
        });
        items.boxed()
    }
}

fn asking<Q>(question: Q, within: Option<Duration>) -> Request<Q> {
    let mut request = Request::new(question);
    if let Some(within) = within {
        request.set_timeout(within);
    }
    inject_trace(request.metadata_mut(), None);
    request
}
