//! The remote supervisor is the local one: every call reaches it unchanged over real gRPC, and so does every answer.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod mirror;
mod pool;
mod samples;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use greenroom_kernel::{
    AcceptCall, AcceptRequest, AggregateRequest, Cursor, ErrorCode, EventScope, Failure, HistoryQuery,
    MessageRange, PageRequest, Payload, Position, ResolveAction, SessionQuery, Subject, Supervisor,
    TaskStatus, Timestamp,
};
use greenroom_wire::{GrpcServer, GrpcSupervisor, supervisor_service};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use mirror::Mirror;
use samples::{agent_name, key, principal, session_id, task_id};

struct Pair {
    mirror: Arc<Mirror>,
    remote: Arc<dyn Supervisor>,
    shutdown: CancellationToken,
    _server: JoinSet<()>,
}

async fn pair(mirror: Mirror) -> Pair {
    let mirror = Arc::new(mirror);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = GrpcSupervisor::new(&listener.local_addr().unwrap().to_string()).unwrap();
    let server = GrpcServer::new().service(supervisor_service(Arc::clone(&mirror) as Arc<dyn Supervisor>));
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let stop = shutdown.clone();
    tasks.spawn(async move { server.serve(listener, stop).await.unwrap() });
    Pair {
        mirror,
        remote: Arc::new(remote),
        shutdown,
        _server: tasks,
    }
}

/// A supervisor and a handle that must be the same to whoever calls it.
trait Alike {
    fn local(&self) -> &dyn Supervisor;
    fn remote(&self) -> &dyn Supervisor;
    /// What was heard behind either.
    fn heard(&self) -> Vec<String>;

    /// Makes one call on both and compares what was heard and what was answered.
    async fn same<T: PartialEq + Debug>(&self, call: impl AsyncFn(&dyn Supervisor) -> Result<T, Failure>) {
        let local = call(self.local()).await;
        let heard = self.heard();
        let remote = call(self.remote()).await;
        assert_eq!(remote, local, "{heard:?}");
        assert_eq!(self.heard(), heard);
        assert_eq!(heard.len(), 1, "{heard:?}");
    }
}

impl Alike for Pair {
    fn local(&self) -> &dyn Supervisor {
        &*self.mirror
    }

    fn remote(&self) -> &dyn Supervisor {
        &*self.remote
    }

    fn heard(&self) -> Vec<String> {
        self.mirror.heard()
    }
}

fn page() -> PageRequest {
    PageRequest {
        after: Some("behind".into()),
        limit: 20,
    }
}

async fn everything(pair: &Pair) {
    about_journals(pair).await;
    about_the_process(pair).await;
}

async fn about_journals(pair: &impl Alike) {
    let who = &principal();
    let (session, task, agent) = (&session_id(), &task_id(), agent_name());
    for title in [None, Some("t".to_owned())] {
        let id = Some(session.clone());
        pair.same(async |s| s.create_session(who, id.clone(), title.clone()).await)
            .await;
        pair.same(async |s| s.update_session(who, session, title.clone()).await)
            .await;
    }
    pair.same(async |s| s.delete_session(who, session).await).await;
    pair.same(async |s| s.session(who, session).await).await;
    let query = SessionQuery {
        subject: Some(Subject::parse("other").unwrap()),
        created_after: Some(Timestamp::from_millis(1)),
        created_before: Some(Timestamp::from_millis(2)),
        title: Some("x".into()),
    };
    for query in [SessionQuery::default(), query] {
        pair.same(async |s| s.sessions(who, query.clone(), page()).await)
            .await;
    }
    let place = Position { seq: 3, index: 1 };
    for range in [
        MessageRange::After(None),
        MessageRange::After(Some(place)),
        MessageRange::Before(None),
        MessageRange::Before(Some(place)),
    ] {
        pair.same(async |s| s.messages(who, session, range, 7).await)
            .await;
    }
    for request in samples::accepts() {
        pair.same(async |s| s.accept(who, request.clone()).await).await;
    }
    pair.same(async |s| s.task(who, task).await).await;
    for status in [None, Some(TaskStatus::OutcomeUnknown)] {
        let journal = status.map(|_| session.clone());
        pair.same(async |s| s.tasks(who, journal.clone(), status, page()).await)
            .await;
    }
    pair.same(async |s| s.steps(who, task).await).await;
    pair.same(async |s| s.children(who, task, page()).await).await;
    pair.same(async |s| s.cancel(who, task).await).await;
    pair.same(async |s| s.retry(who, task).await).await;
    for action in [
        ResolveAction::Approve(Some("1".into())),
        ResolveAction::Approve(None),
        ResolveAction::Reject,
        ResolveAction::SettleDone(Some("{}".into())),
        ResolveAction::SettleNotDone,
    ] {
        for attempt in [None, Some(2)] {
            if attempt.is_none() && action == ResolveAction::SettleNotDone {
                // A pool finds out which attempt is meant, and names it.
                continue;
            }
            let note = Some("why".to_owned());
            pair.same(async |s| {
                s.resolve(who, task, 4, attempt, action.clone(), note.clone())
                    .await
            })
            .await;
        }
    }
    let aggregate = AggregateRequest {
        targets: vec![(agent.clone(), None), (agent.clone(), Some("[1]".into()))],
        input: "{}".into(),
        timeout: Some(Duration::from_millis(1500)),
        quorum: Some(1),
        synthesize: true,
        key: key(),
        trace: Some("00-1-2-01".into()),
    };
    pair.same(async |s| s.aggregate(who, aggregate.clone()).await)
        .await;
    let query = HistoryQuery {
        agent: agent.clone(),
        from: Timestamp::from_millis(-1),
        to: Timestamp::from_millis(2),
    };
    pair.same(async |s| s.agent_history(query.clone(), page()).await)
        .await;
    for payload in [samples::stored(), Payload::Hollow] {
        pair.same(async |s| s.payload(who, session, &payload).await).await;
    }
    for scope in [
        EventScope::Session(session.clone()),
        EventScope::Task(task.clone()),
    ] {
        for after in [Some(Cursor::START), Some(samples::cursor())] {
            pair.same(async |s| {
                let events = s.events(who, scope.clone(), after).await?;
                Ok(events.collect::<Vec<_>>().await)
            })
            .await;
        }
    }
}

/// And what a pool of several does not leave as it is.
async fn about_the_process(pair: &impl Alike) {
    let (who, agent) = (&principal(), agent_name());
    pair.same(async |s| s.create_session(who, None, None).await).await;
    for scope in [EventScope::Session(session_id()), EventScope::Task(task_id())] {
        pair.same(async |s| {
            Ok(s.events(who, scope.clone(), None)
                .await?
                .collect::<Vec<_>>()
                .await)
        })
        .await;
    }
    pair.same(async |s| s.agent(&agent).await).await;
    pair.same(async |s| s.agents().await).await;
    for name in [None, Some(agent.clone())] {
        pair.same(async |s| Ok(s.watch_agents(name.clone()).await?.collect::<Vec<_>>().await))
            .await;
    }
    pair.same(async |s| s.providers().await).await;
    pair.same(async |s| s.supervision_tree().await).await;
    pair.same(async |s| Ok(s.watch_supervision().await?.collect::<Vec<_>>().await))
        .await;
}

#[tokio::test]
async fn every_call_and_every_answer_crosses_the_wire_unchanged() {
    everything(&pair(Mirror::full()).await).await;
}

#[tokio::test]
async fn absent_answers_stay_absent() {
    everything(&pair(Mirror::bare()).await).await;
}

#[tokio::test]
async fn every_failure_crosses_the_wire_unchanged() {
    for code in ErrorCode::ALL {
        let failure = Failure::new(code, "the reason and the remedy").retry_after(Duration::from_millis(250));
        everything(&pair(Mirror::failing(failure)).await).await;
    }
}

#[tokio::test]
async fn a_failure_in_a_subscription_is_its_last_item() {
    let failure = Failure::new(ErrorCode::NotFound, "the session is gone");
    let pair = pair(Mirror::breaking_off(failure.clone())).await;
    let scope = EventScope::Session(session_id());
    let events = pair.remote.events(&principal(), scope, None).await.unwrap();
    let events: Vec<_> = events.collect().await;
    assert_eq!(events.len(), samples::events().len() + 1);
    assert_eq!(events.last().unwrap(), &Err(failure));
}

#[tokio::test]
async fn an_inline_payload_needs_no_call() {
    let pair = pair(Mirror::failing(Failure::internal("called"))).await;
    let payload = Payload::inline("here");
    let text = pair
        .remote
        .payload(&principal(), &session_id(), &payload)
        .await
        .unwrap();
    assert_eq!(&*text, "here");
    assert!(pair.mirror.heard().is_empty());
}

#[tokio::test]
async fn a_supervisor_that_is_gone_is_unavailable_and_worth_repeating() {
    let mut pair = pair(Mirror::full()).await;
    pair.remote.agents().await.unwrap();
    pair.shutdown.cancel();
    pair._server.join_next().await.unwrap().unwrap();
    let request = AcceptRequest {
        call: AcceptCall::Task {
            agent: agent_name(),
            input: "1".into(),
        },
        session: None,
        key: key(),
        timeout: None,
        wait: Duration::ZERO,
        trace: None,
    };
    let failure = pair.remote.accept(&principal(), request).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.retryable),
        (ErrorCode::Unavailable, true),
        "{failure}"
    );
}
