use std::sync::Arc;
use std::time::Duration;

use greenroom_agent_sdk::{AgentError, AgentHost, Context, Effect, Output, Timestamp};
use greenroom_kernel::{Clock, FromAgent, StepAnswer, StepCall, StepOutcome};
use serde_json::json;

use crate::support::{Served, agent, serve, start};

/// A clock that never says the same twice.
struct Restless(std::sync::atomic::AtomicI64);

impl Clock for Restless {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

async fn program(ctx: Context) -> Result<Output, AgentError> {
    let now = ctx.now().await?;
    let branch = ctx.scope();
    let (first, child) = futures::try_join!(
        ctx.step("first", Effect::Idempotent, async { Ok("made") }.map_owned()),
        branch.agent("other", json!({ "at": now, "luck": branch.random() })),
    )?;
    Output::data(&json!([now, ctx.random(), first, child.content]))
}

/// `async { Ok("…") }` as a step's work with an owned result.
trait MapOwned {
    fn map_owned(self) -> impl Future<Output = Result<String, AgentError>> + Send + 'static;
}

impl<F: Future<Output = Result<&'static str, AgentError>> + Send + 'static> MapOwned for F {
    async fn map_owned(self) -> Result<String, AgentError> {
        Ok(self.await?.to_owned())
    }
}

/// Runs an attempt, answering calls that `journal` knows from it and noting the others there.
async fn attempt(
    served: &Served,
    number: u32,
    journal: &mut Vec<(StepCall, String)>,
) -> (Vec<StepCall>, String) {
    let mut from = start();
    from.attempt = number;
    let mut run = served.run(from).await;
    let mut asked = Vec::new();
    let mut going: Vec<StepCall> = Vec::new();
    loop {
        match run.frame().await {
            FromAgent::Call(call) => {
                let known = journal.iter().find(|(past, _)| past.path == call.path);
                match known {
                    Some((_, result)) => run.finish(&call.path, &result.clone()),
                    None if call.name.as_deref() == Some("other") => {
                        let result = r#"{"content":"child"}"#;
                        journal.push((call.clone(), result.into()));
                        run.finish(&call.path, result);
                    }
                    None => {
                        run.answer(&call.path, StepAnswer::Go);
                        going.push(call.clone());
                    }
                }
                asked.push(call);
            }
            FromAgent::Report {
                path,
                outcome: StepOutcome::Done(result),
            } => {
                let call = going.iter().find(|call| call.path == path).unwrap();
                journal.push((call.clone(), result.as_inline().unwrap().to_owned()));
            }
            FromAgent::Completed { data, .. } => return (asked, data.unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_replay_asks_for_the_same_steps_and_comes_to_the_same_end() {
    let host = AgentHost::new()
        .clock(Arc::new(Restless(1.into())))
        .agent(agent("a", |_, ctx| program(ctx)));
    let served = serve(host).await;
    let mut journal = Vec::new();
    let (first, end) = attempt(&served, 1, &mut journal).await;
    let paths: Vec<_> = first.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["0", "2", "1.0"]);
    assert_eq!(journal.len(), 3);

    // Whole: nothing runs, everything is asked for again, equal to the byte.
    let (second, again) = attempt(&served, 2, &mut journal).await;
    assert_eq!((&second, &again), (&first, &end));

    // Lost after the first step: the time is repeated, the rest is made anew.
    journal.truncate(1);
    let (third, once_more) = attempt(&served, 3, &mut journal).await;
    assert_eq!(third, first);
    assert_eq!(once_more, end);
}
