//! Several agents at once: a task each, until a quorum has answered or the time is over.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use greenroom_kernel::{
    AcceptCall, AcceptRequest, AgentName, Aggregate, AggregateRequest, Failure, IdempotencyKey, Principal,
    Supervisor, TaskRow, TaskStatus,
};

use crate::handle::{Orchestrator, not_refused};
use crate::membership::Way;

const TIMEOUT: Duration = Duration::from_secs(55);
const MOST: usize = 32;

/// Runs an aggregation: every target gets a task, named by the caller's key and its place, so that the same call
/// again finds the same tasks. A quorum reached, or the time over, cancels the rest.
pub(crate) async fn run(
    orchestrator: &Orchestrator,
    who: &Principal,
    request: AggregateRequest,
) -> Result<Aggregate, Failure> {
    let targets = request.targets.len();
    if targets == 0 || targets > MOST {
        return Err(Failure::bad_input(format!("name between 1 and {MOST} agents")));
    }
    let quorum = match request.quorum {
        None => targets,
        Some(quorum) if (1..=targets).contains(&(quorum as usize)) => quorum as usize,
        Some(quorum) => {
            return Err(Failure::bad_input(format!(
                "a quorum of {quorum} of {targets} agents can't be reached"
            )));
        }
    };
    let timeout = request.timeout.unwrap_or(TIMEOUT);
    let part = |place: usize, agent: &AgentName, input: &Option<String>| {
        let key = part_key(&request.key, place)?;
        let input = input.clone().unwrap_or_else(|| request.input.clone());
        Ok::<_, Failure>(task(agent.clone(), input, key, timeout, request.trace.clone()))
    };
    for (place, (agent, input)) in request.targets.iter().enumerate() {
        let shared = orchestrator.shared();
        let given = input.as_ref().unwrap_or(&request.input);
        let admits = shared.agents.admits(agent, given, shared.config.instance_wait());
        if let Err(refused) = admits.await {
            // The same call again finds the parts that it made.
            orchestrator
                .find(who, &part(place, agent, input)?, Way::Inside, refused)
                .await?;
        }
    }
    let deadline = tokio::time::Instant::now() + timeout;
    let mut rows: Vec<Option<TaskRow>> = vec![None; targets];
    let mut running = FuturesUnordered::new();
    for (place, (agent, input)) in request.targets.iter().enumerate() {
        let accept = part(place, agent, input)?;
        match orchestrator.begin(who, &accept, Way::Inside).await {
            Ok(begun) => {
                rows[place] = Some(begun.row().clone());
                running.push(async move { (place, orchestrator.finish(who, begun).await) });
            }
            // The same call again finds the parts that run already.
            Err(failure) if failure.retryable && rows.iter().any(Option::is_some) => {
                return Err(not_refused(failure));
            }
            Err(failure) if failure.retryable => return Err(failure),
            Err(failure) => {
                // All or nothing: a refusal means that nothing runs on.
                drop(running);
                cancel(orchestrator, who, &mut rows).await;
                return Err(failure);
            }
        }
    }
    let well = |rows: &[Option<TaskRow>]| {
        rows.iter()
            .flatten()
            .filter(|row| row.status == TaskStatus::Completed)
            .count()
    };
    while well(&rows) < quorum {
        match tokio::time::timeout_at(deadline, running.next()).await {
            Ok(Some((place, Ok(accepted)))) => rows[place] = Some(accepted.task),
            Ok(Some((_, Err(failure)))) => {
                tracing::debug!(%failure, "a part of an aggregation can't be followed")
            }
            Ok(None) | Err(_) => break,
        }
    }
    drop(running);
    cancel(orchestrator, who, &mut rows).await;
    let parts: Vec<TaskRow> = rows.into_iter().flatten().collect();
    let complete = parts.iter().all(|row| row.status == TaskStatus::Completed);
    let synthesis = if request.synthesize && parts.iter().any(|row| row.status == TaskStatus::Completed) {
        let made = synthesize(orchestrator, who, &request, &parts, deadline).await;
        // The parts are there and paid for, whatever becomes of their summary.
        made.inspect_err(|failure| tracing::warn!(%failure, "an aggregation has no synthesis"))
            .ok()
    } else {
        None
    };
    Ok(Aggregate {
        complete,
        parts,
        synthesis,
    })
}

/// Ends the parts that nobody waits for any more.
async fn cancel(orchestrator: &Orchestrator, who: &Principal, rows: &mut [Option<TaskRow>]) {
    for row in rows.iter_mut().flatten().filter(|row| !row.status.is_terminal()) {
        match orchestrator.cancel(who, &row.id).await {
            Ok(cancelled) => *row = cancelled,
            Err(failure) if failure.elsewhere.is_some() => {
                crate::children::end_later(orchestrator.shared(), &who.tenant, &row.id);
            }
            Err(failure) => tracing::warn!(task = %row.id, %failure, "a part of an aggregation runs on"),
        }
    }
}

/// The answers as one: a task of the default agent.
async fn synthesize(
    orchestrator: &Orchestrator,
    who: &Principal,
    request: &AggregateRequest,
    parts: &[TaskRow],
    deadline: tokio::time::Instant,
) -> Result<TaskRow, Failure> {
    let mut content = String::from("Make one answer of these, naming who said what where they differ.\n");
    for row in parts.iter().filter(|row| row.status == TaskStatus::Completed) {
        let output = row.output.clone().unwrap_or_default();
        let Some(said) = output.content.or(output.data) else {
            continue;
        };
        let text = orchestrator.payload(who, &row.id.journal, &said).await?;
        content.push_str(&format!("\n[{}]\n{text}\n", row.agent));
    }
    let agent = orchestrator.shared().config.default_agent.clone();
    let key = part_key(&request.key, MOST)?;
    let input = serde_json::json!({ "content": content }).to_string();
    let left = deadline
        .saturating_duration_since(tokio::time::Instant::now())
        .max(Duration::from_secs(5));
    let accept = task(agent, input, key, left, request.trace.clone());
    let begun = orchestrator.begin(who, &accept, Way::Inside).await?;
    Ok(orchestrator.finish(who, begun).await?.task)
}

fn task(
    agent: AgentName,
    input: String,
    key: IdempotencyKey,
    timeout: Duration,
    trace: Option<String>,
) -> AcceptRequest {
    AcceptRequest {
        call: AcceptCall::Task { agent, input },
        session: None,
        key,
        timeout: Some(timeout),
        wait: timeout,
        trace,
    }
}

fn part_key(key: &IdempotencyKey, place: usize) -> Result<IdempotencyKey, Failure> {
    let key: String = key.as_str().chars().take(100).collect();
    Ok(IdempotencyKey::parse(&format!("part:{place}:{key}"))?)
}
