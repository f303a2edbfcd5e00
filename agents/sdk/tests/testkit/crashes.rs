use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use greenroom_agent_sdk::testkit::{FindingKind, Probe, Reply, Survival};
use greenroom_agent_sdk::{Context, Effect, FnTool, ModelMessage, ModelRequest, ModelRole, Output, Tool};
use serde_json::{Value, json};

use crate::charges_twice;
use crate::support::bench;

fn ask(text: impl Into<String>) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, text)],
        ..ModelRequest::default()
    }
}

fn only(survival: &Survival) -> (FindingKind, &str) {
    assert_eq!(survival.findings.len(), 1, "{survival}");
    (survival.findings[0].kind, &survival.findings[0].message)
}

#[tokio::test]
async fn an_effect_outside_a_step_is_found_and_its_place_is_named() {
    let source = include_str!("../../examples/charges_twice.rs");
    let line = source
        .lines()
        .position(|line| line.contains("the mistake"))
        .unwrap()
        + 1;
    let survival = charges_twice::bench(false).crashes().await;
    let (kind, message) = only(&survival);
    assert_eq!(kind, FindingKind::OutsideStep);
    let place = format!("charges_twice.rs:{line} fired outside a step: ");
    assert!(message.starts_with("effect `charge` at "), "{message}");
    assert!(message.contains(&place), "{message}");
    let crash = "a crash after step 0 (tool lookup) made it fire twice instead of once";
    assert!(message.contains(crash), "{message}");

    let survival = charges_twice::bench(true).crashes().await;
    assert!(survival.is_whole(), "{survival}");
    assert!(survival.runs > 60, "{survival}");
}

#[tokio::test]
#[should_panic(expected = "charges_twice.rs")]
async fn one_line_of_a_test_fails_with_the_place() {
    charges_twice::bench(false).assert_survives_crashes().await;
}

/// A tool that changes the world, says that repeating is harmless, and passes on its key or doesn't.
fn mailer(world: &Probe, keyed: bool) -> Arc<dyn Tool> {
    let world = world.clone();
    let send = move |_: Value, call: greenroom_agent_sdk::ToolContext| {
        if keyed {
            world.fire_keyed("mail", &call.key);
        } else {
            world.fire("mail");
        }
        async { Ok(json!("sent")) }
    };
    Arc::new(FnTool::new(
        "mail",
        "Sends mail",
        Effect::Idempotent,
        json!({}),
        send,
    ))
}

async fn mails(
    _: greenroom_agent_sdk::Task,
    ctx: Context,
) -> Result<Output, greenroom_agent_sdk::AgentError> {
    ctx.tool("mail", json!({ "to": "you" })).await?;
    Ok(Output::text("done"))
}

#[tokio::test]
async fn an_effect_that_is_called_idempotent_must_pass_on_a_key() {
    let world = Probe::new();
    let survival = bench(mails)
        .tool(mailer(&world, false))
        .probe(&world)
        .crashes()
        .await;
    let (kind, message) = only(&survival);
    assert_eq!(kind, FindingKind::Repeated);
    assert!(
        message.contains("in step 0 (tool mail), which says it is IDEMPOTENT but passed on no key"),
        "{message}"
    );
    bench(mails)
        .tool(mailer(&world, true))
        .probe(&world)
        .assert_survives_crashes()
        .await;
}

#[tokio::test]
async fn a_wall_clock_and_a_random_number_between_steps_are_found_and_the_step_is_named() {
    let line = line!() + 5;
    let survival = bench(|_, ctx| async move {
        ctx.model(ask("first")).await?;
        let luck: u64 = rand_like();
        let asked = ask(format!("luck is {luck}"));
        let answer = ctx.model(asked).await?;
        ctx.step("end", Effect::NonIdempotent, async { Ok(()) }).await?;
        Ok(Output::text(answer.content))
    })
    .reply(Reply::text("1"))
    .reply(Reply::text("2"))
    .crashes()
    .await;
    let (kind, message) = only(&survival);
    assert_eq!(kind, FindingKind::NonDeterministic);
    let place = format!("diverges at step 1 (model) at agents/sdk/tests/testkit/crashes.rs:{line}");
    assert!(message.contains(&place), "{message}");
    assert!(message.contains("luck is "), "{message}");

    let survival = bench(|_, ctx| async move {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        ctx.step("a", Effect::NonIdempotent, async { Ok(()) }).await?;
        let answer = ctx.model(ask(format!("it is {}", now.as_secs()))).await?;
        Ok(Output::text(answer.content))
    })
    .reply(Reply::text("1"))
    .crashes()
    .await;
    let (kind, message) = only(&survival);
    assert_eq!(kind, FindingKind::NonDeterministic, "{message}");
    assert!(message.contains("step 1 (model)"), "{message}");
}

/// Another number every time, without a crate for it.
fn rand_like() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

#[tokio::test]
async fn memory_that_outlives_an_attempt_is_found_unless_each_start_makes_it_anew() {
    fn counting(count: Arc<AtomicU32>) -> crate::support::Scripted {
        crate::support::scripted(move |_, ctx| {
            let count = count.fetch_add(1, Ordering::Relaxed);
            async move {
                ctx.tool("none", ()).await.err();
                let answer = ctx.model(ask(format!("call {count}"))).await?;
                Ok(Output::text(answer.content))
            }
        })
    }
    let kept = greenroom_agent_sdk::testkit::Bench::new(counting(Arc::default()));
    let survival = kept.reply(Reply::text("x")).crashes().await;
    assert_eq!(only(&survival).0, FindingKind::NonDeterministic);
    let anew = greenroom_agent_sdk::testkit::Bench::made_by(|| Arc::new(counting(Arc::default())));
    anew.reply(Reply::text("x")).assert_survives_crashes().await;
}

#[tokio::test]
async fn an_end_that_depends_on_the_attempt_is_found() {
    let survival = bench(|task, ctx| async move {
        ctx.model(ask("x")).await?;
        Output::data(&task.attempt)
    })
    .reply(Reply::text("x"))
    .crashes()
    .await;
    let (kind, message) = only(&survival);
    assert_eq!(kind, FindingKind::OtherEnd);
    assert!(message.contains("another end"), "{message}");
}

#[tokio::test]
async fn steps_that_a_crash_makes_or_saves_are_counted() {
    let survival = |asks_again: fn(u32) -> bool| {
        let bench = bench(move |task, ctx| async move {
            ctx.model(ask("x")).await?;
            if asks_again(task.attempt) {
                ctx.model(ask("x again")).await?;
            }
            Ok(Output::text("done"))
        });
        let bench = bench.reply_by(|_| Reply::text("x"));
        async move {
            let survival = bench.crashes().await;
            assert!(survival.is_whole(), "{survival}");
            survival.steps
        }
    };
    assert_eq!(survival(|_| false).await, 1..=1);
    assert_eq!(survival(|attempt| attempt > 1).await, 1..=2);
    assert_eq!(survival(|attempt| attempt == 1).await, 1..=2);
}

#[tokio::test]
async fn branches_and_slow_effects_survive() {
    let world = Probe::new();
    let inside = world.clone();
    let bench = bench(move |_, ctx| {
        let world = inside.clone();
        async move {
            let (left, right) = (ctx.scope(), ctx.scope());
            let branch = |ctx: Context, name: &'static str, world: Probe| async move {
                ctx.model(ask(name)).await?;
                ctx.step(name, Effect::NonIdempotent, async move {
                    tokio::task::yield_now().await;
                    world.fire(name);
                    tokio::task::yield_now().await;
                    Ok(())
                })
                .await
            };
            let (a, b) = (world.clone(), world.clone());
            futures::try_join!(branch(left, "left", a), branch(right, "right", b))?;
            Ok(Output::text("both"))
        }
    })
    .reply_by(|request| Reply::text(request.messages[0].content.text()))
    .probe(&world);
    let survival = bench.crashes().await;
    assert!(survival.is_whole(), "{survival}");
    assert_eq!(
        bench.run().await.effects(),
        [("left".to_owned(), 1), ("right".to_owned(), 1)].into()
    );
}

#[tokio::test]
async fn runs_are_bounded() {
    let survival = charges_twice::bench(true).runs_at_most(10).crashes().await;
    assert!(survival.runs <= 11, "{survival}");
}
