//! A supervisor in another process.

mod port;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use greenroom_kernel::Failure;
use greenroom_proto::v1::supervisor_service_client::SupervisorServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::channel::dial_lazily;
use crate::{InvalidEndpoint, Malformed, failure_from_status, inject_trace};

/// How long an answer may take beyond what the caller asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// No answer is larger than this, in bytes: a hundred rows with as much of a caller's own data as a gateway takes.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// A supervisor in another process, reached over one HTTP/2 connection that is dialled when first needed and again
/// whenever it broke. What no answer came to fails UNAVAILABLE, worth repeating.
#[derive(Debug, Clone)]
pub struct GrpcSupervisor {
    address: Arc<str>,
    client: SupervisorServiceClient<Channel>,
}

impl GrpcSupervisor {
    /// The supervisor at `address`, `http://host:port` or `host:port`. Connects to nothing yet; must be called within
    /// a tokio runtime.
    pub fn new(address: &str) -> Result<Self, InvalidEndpoint> {
        Ok(Self::over(address, dial_lazily(address)?))
    }

    /// The supervisor at the other end of `channel`, called `address` in messages.
    pub(crate) fn over(address: &str, channel: Channel) -> Self {
        let client = SupervisorServiceClient::new(channel);
        Self {
            address: address.into(),
            client: client.max_decoding_message_size(ANSWER_BYTES),
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
