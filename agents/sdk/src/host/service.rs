//! `AgentService`: accepts runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{AgentName, ErrorCode, Failure, RunStart};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::agent_service_server::AgentService;
use greenroom_wire::{continue_trace, decode_start, encode_card, status_from_failure};
use serde::de::IgnoredAny;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use super::stream::RunStream;
use super::{Hosted, Hosting};
use crate::run::{Facts, Run};
use crate::{Context, Task};

/// How long a stream may be open without its first frame.
const FIRST_FRAME: Duration = Duration::from_secs(10);

pub(super) struct HostService(Arc<Hosting>);

impl HostService {
    pub(super) fn new(hosting: Arc<Hosting>) -> Self {
        Self(hosting)
    }

    fn hosted(&self, name: &AgentName) -> Result<&Hosted, Failure> {
        self.0.agents.get(name).ok_or_else(|| {
            let mut known: Vec<_> = self.0.agents.keys().map(AgentName::as_str).collect();
            known.sort_unstable();
            let message = format!("no agent {name} on this host, which has: {}", known.join(", "));
            Failure::new(ErrorCode::NotFound, message)
        })
    }
}

#[tonic::async_trait]
impl AgentService for HostService {
    type RunStream = RunStream;

    async fn describe(
        &self,
        _: Request<pb::DescribeRequest>,
    ) -> Result<Response<pb::DescribeResponse>, Status> {
        let mut cards: Vec<_> = self.0.agents.values().map(|hosted| hosted.card.clone()).collect();
        cards.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Response::new(pb::DescribeResponse {
            agents: cards.into_iter().map(encode_card).collect(),
        }))
    }

    async fn run(&self, request: Request<Streaming<pb::RunRequest>>) -> Result<Response<RunStream>, Status> {
        let (metadata, _, mut inbound) = request.into_parts();
        let start = first_frame(&mut inbound).await?;
        let hosted = self.hosted(&start.agent).map_err(|e| status_from_failure(&e))?;
        if self.0.draining.load(Ordering::Acquire) {
            let failure = Failure::unavailable("this agent host is shutting down");
            return Err(status_from_failure(&failure));
        }
        let span = tracing::info_span!(
            "agent run",
            otel.kind = "server",
            task = %start.task,
            agent = %start.agent,
            attempt = start.attempt,
            trace_id = tracing::field::Empty,
        );
        continue_trace(&span, &metadata, start.trace.as_deref());

        let heartbeat = start.heartbeat / 3;
        let (task, run) = self.begin(hosted, start);
        let (agent, context) = (Arc::clone(&hosted.agent), Context::new(Arc::clone(&run)));
        let work = async move { agent.run(task, context).await }.instrument(span);
        let stream = RunStream::start(&self.0, run, inbound, Box::pin(work), heartbeat);
        Ok(Response::new(stream))
    }
}

impl HostService {
    fn begin(&self, hosted: &Hosted, start: RunStart) -> (Task, Arc<Run>) {
        let facts = Facts {
            task: start.task.clone(),
            attempt: start.attempt,
            history: start.history,
            model: start.model.clone(),
            deadline: start.deadline,
            seed: start.seed,
            tools: Arc::clone(&hosted.tools),
            clock: Arc::clone(&self.0.clock),
            #[cfg(feature = "testkit")]
            watch: None,
        };
        let run = Run::new(facts, start.credit, self.0.stop.child_token());
        let task = Task {
            id: start.task,
            attempt: start.attempt,
            principal: start.principal,
            accepted_at: start.accepted_at,
            model: start.model,
            input: start.input,
        };
        (task, run)
    }
}

async fn first_frame(inbound: &mut Streaming<pb::RunRequest>) -> Result<RunStart, Status> {
    let refused = |message: String| status_from_failure(&Failure::bad_input(message));
    let frame = match tokio::time::timeout(FIRST_FRAME, inbound.message()).await {
        Ok(frame) => frame?.ok_or_else(|| refused("the stream ended before its start".into()))?,
        Err(_) => return Err(refused(format!("no start within {} s", FIRST_FRAME.as_secs()))),
    };
    let start = decode_start(frame).map_err(|malformed| status_from_failure(&malformed.by_caller()))?;
    match serde_json::from_str::<IgnoredAny>(&start.input) {
        Ok(_) => Ok(start),
        Err(error) => Err(refused(format!("malformed start.input_json: {error}"))),
    }
}
