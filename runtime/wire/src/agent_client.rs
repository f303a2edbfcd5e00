//! The supervisor's half of the agent protocol: an agent host, reached by gRPC.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use futures::{Stream, StreamExt as _};
use greenroom_kernel::{
    AgentCard, AgentEndpoint, AgentGone, AgentRun, AgentSink, Failure, FromAgent, HostState, RunStart,
    ToAgent,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::agent_service_client::AgentServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::channel::{dial_in_process, dial_lazily};
use crate::convert::{decode_card, decode_from_agent, encode_start, encode_to_agent};
use crate::{
    FrameQueue, InProcessDialer, InvalidEndpoint, MAX_MESSAGE_BYTES, failure_from_status, inject_trace,
};

/// How long an answer may take that needs no agent's work: a card, a health check, a run's acceptance.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const SERVICE: &str = "greenroom.v1.AgentService";

/// An agent host, reached over one HTTP/2 connection that is dialled when first needed and again whenever it broke.
/// Each run is one stream of it.
#[derive(Debug, Clone)]
pub struct GrpcAgent {
    address: Arc<str>,
    client: AgentServiceClient<Channel>,
    health: HealthClient<Channel>,
}

impl GrpcAgent {
    /// An agent host at `address`, `http://host:port` or `host:port`, in plaintext. Connects to nothing yet; must be called
    /// within a tokio runtime.
    pub fn new(address: &str) -> Result<Self, InvalidEndpoint> {
        Ok(Self::over(dial_lazily(address)?, address))
    }

    /// The agent host of this process that listens at the other end of `dialer`; `name` is what its address is said
    /// to be.
    pub fn in_process(dialer: InProcessDialer, name: &str) -> Self {
        Self::over(dial_in_process(dialer), name)
    }

    pub(crate) fn over(channel: Channel, address: &str) -> Self {
        Self {
            address: address.into(),
            client: AgentServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
            health: HealthClient::new(channel),
        }
    }

    async fn answered<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, tonic::Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
            Ok(answer) => answer.map_err(|status| failure_from_status(&status, &self.address)),
            Err(_) => Err(Failure::unavailable(format!(
                "{}: no answer to {what} within {} s",
                self.address,
                ANSWER_TIMEOUT.as_secs()
            ))),
        }
    }
}

#[async_trait]
impl AgentEndpoint for GrpcAgent {
    fn address(&self) -> String {
        self.address.to_string()
    }

    async fn describe(&self) -> Result<Vec<AgentCard>, Failure> {
        let mut client = self.client.clone();
        let mut request = Request::new(pb::DescribeRequest {});
        request.set_timeout(ANSWER_TIMEOUT);
        inject_trace(request.metadata_mut(), None);
        let answer = self.answered("Describe", client.describe(request)).await?;
        let cards = answer.into_inner().agents.into_iter().map(decode_card);
        cards
            .collect::<Result<_, _>>()
            .map_err(|malformed| malformed.by_agent())
    }

    /// What the host's health service says; a host without one is judged by whether it describes itself.
    async fn check(&self) -> Result<HostState, Failure> {
        let mut health = self.health.clone();
        let mut request = Request::new(HealthCheckRequest {
            service: SERVICE.to_owned(),
        });
        request.set_timeout(ANSWER_TIMEOUT);
        let missing = |status: &tonic::Status| matches!(status.code(), Code::Unimplemented | Code::NotFound);
        let checked = self.answered("a health check", async {
            match health.check(request).await {
                Ok(answer) => Ok(Some(answer.into_inner().status())),
                Err(status) if missing(&status) => Ok(None),
                Err(status) => Err(status),
            }
        });
        match checked.await? {
            Some(ServingStatus::Serving) => Ok(HostState::Serving),
            Some(ServingStatus::NotServing) => Ok(HostState::Draining),
            Some(status) => Err(Failure::unavailable(format!(
                "{}: the host says {}",
                self.address,
                status.as_str_name()
            ))),
            None => self.describe().await.map(|_| HostState::Serving),
        }
    }

    async fn run(&self, start: RunStart) -> Result<AgentRun, Failure> {
        let trace = start.trace.clone();
        let queue = Arc::new(FrameQueue::default());
        let mut request = Request::new(Outbound {
            start: Some(encode_start(start)),
            queue: Arc::clone(&queue),
        });
        inject_trace(request.metadata_mut(), trace.as_deref());
        let mut client = self.client.clone();
        let answer = self.answered("Run", client.run(request)).await?;
        let inbound = Inbound {
            frames: answer.into_inner(),
            queue: Arc::clone(&queue),
            address: Arc::clone(&self.address),
            ended: false,
        };
        Ok(AgentRun {
            outbound: Box::new(Sink(queue)),
            inbound: inbound.boxed(),
        })
    }
}

/// What the supervisor says. Dropping it ends its half of the stream.
struct Sink(Arc<FrameQueue<pb::RunRequest>>);

impl AgentSink for Sink {
    fn send(&self, frame: ToAgent) -> Result<(), AgentGone> {
        self.0.push(encode_to_agent(frame)).map_err(|_| AgentGone)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The request stream: the start, then what is queued.
struct Outbound {
    start: Option<pb::RunRequest>,
    queue: Arc<FrameQueue<pb::RunRequest>>,
}

impl Stream for Outbound {
    type Item = pb::RunRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.start.take() {
            Some(start) => Poll::Ready(Some(start)),
            None => self.queue.poll_pop(cx),
        }
    }
}

/// Nobody pulls any more (the call ended or the connection broke): sending fails from here on.
impl Drop for Outbound {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// What the agent says, up to the frame that ends the run.
struct Inbound {
    frames: Streaming<pb::RunResponse>,
    queue: Arc<FrameQueue<pb::RunRequest>>,
    address: Arc<str>,
    ended: bool,
}

impl Stream for Inbound {
    type Item = Result<FromAgent, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = match ready!(self.frames.poll_next_unpin(cx)) {
            Some(Ok(frame)) => decode_from_agent(frame).map_err(|malformed| malformed.by_agent()),
            Some(Err(status)) => Err(failure_from_status(&status, &self.address)),
            None => {
                self.end();
                return Poll::Ready(None);
            }
        };
        if matches!(
            item,
            Err(_) | Ok(FromAgent::Completed { .. } | FromAgent::Failed(_) | FromAgent::Panicked(_))
        ) {
            self.end();
        }
        Poll::Ready(Some(item))
    }
}

impl Inbound {
    fn end(&mut self) {
        self.ended = true;
        self.queue.close();
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.queue.close();
    }
}
