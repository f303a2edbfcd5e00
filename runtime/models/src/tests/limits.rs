//! The gate's adaptive limit, holds and allowance, on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use greenroom_kernel::{
    Credentials, FaultClass, HealthThresholds, ModelBackend, ProviderFault, ProviderStatus, Quota, Timestamp,
};

use super::script::{Act, Scripted, refuses, streams};
use super::world::{World, config};
use crate::deadlines::Deadlines;
use crate::provider::{ProviderGate, Refusal, Report};
use crate::{ModelsConfig, ProviderSpec};

const SECOND: Duration = Duration::from_secs(1);

fn gate(limit: u32) -> ProviderGate {
    let backend = Scripted::new("a", vec![]) as Arc<dyn ModelBackend>;
    let spec = ProviderSpec {
        concurrency_limit: limit,
        ..ProviderSpec::new(backend)
    };
    ProviderGate::new(spec, Deadlines::default(), HealthThresholds::default()).unwrap()
}

fn status(gate: &ProviderGate) -> ProviderStatus {
    gate.status("node", Timestamp::from_millis(0))
}

fn fault(class: FaultClass, retry_after: Option<Duration>) -> ProviderFault {
    ProviderFault {
        retry_after,
        ..ProviderFault::new("a", class, "scripted")
    }
}

/// One call that ends with this.
fn settle(gate: &ProviderGate, report: &Report<'_>) {
    gate.settle(gate.try_admit().unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn throttling_and_silence_lower_the_limit_and_other_faults_don_t() {
    let gate = gate(20);
    for class in [
        FaultClass::Transient,
        FaultClass::HardDown,
        FaultClass::BadRequest,
    ] {
        settle(
            &gate,
            &Report {
                fault: Some(&fault(class, None)),
                ..Report::default()
            },
        );
        assert_eq!(status(&gate).concurrency_limit, 20, "{class:?}");
    }
    let throttled = fault(FaultClass::Throttled, None);
    settle(
        &gate,
        &Report {
            fault: Some(&throttled),
            ..Report::default()
        },
    );
    assert_eq!(
        (status(&gate).concurrency_limit, status(&gate).concurrency_ceiling),
        (12, 20)
    );
    tokio::time::advance(SECOND).await;
    let silent = fault(FaultClass::Transient, None);
    let took = Deadlines::default().first_token;
    settle(
        &gate,
        &Report {
            fault: Some(&silent),
            took,
            ..Report::default()
        },
    );
    assert_eq!(status(&gate).concurrency_limit, 7);
    let held: Vec<_> = std::iter::from_fn(|| gate.try_admit().ok()).collect();
    assert_eq!((held.len(), status(&gate).in_flight), (7, 7));
    assert!(matches!(gate.try_admit(), Err(Refusal::Busy)));
}

#[tokio::test(start_paused = true)]
async fn calls_that_ran_above_a_lowered_limit_give_their_places_up() {
    let gate = gate(10);
    let mut held: Vec<_> = std::iter::from_fn(|| gate.try_admit().ok()).collect();
    let throttled = fault(FaultClass::Throttled, None);
    let report = Report {
        fault: Some(&throttled),
        ..Report::default()
    };
    gate.settle(held.pop().unwrap(), &report);
    assert_eq!((status(&gate).concurrency_limit, status(&gate).in_flight), (6, 9));
    assert!(gate.try_admit().is_err());
    held.truncate(6);
    assert!(gate.try_admit().is_err());
    held.truncate(5);
    assert!(gate.try_admit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn after_a_retry_after_few_calls_are_let_through_and_the_limit_grows_with_their_success() {
    let gate = gate(40);
    let throttled = fault(FaultClass::Throttled, Some(10 * SECOND));
    settle(
        &gate,
        &Report {
            fault: Some(&throttled),
            ..Report::default()
        },
    );
    assert_eq!(status(&gate).held_until, Some(Timestamp::from_millis(10_000)));
    assert!(matches!(gate.try_admit(), Err(Refusal::Held(left)) if left == 10 * SECOND));
    tokio::time::advance(10 * SECOND).await;
    let mut allowed = Vec::new();
    for _ in 0..4 {
        let round: Vec<_> = std::iter::from_fn(|| gate.try_admit().ok()).collect();
        allowed.push(round.len());
        for admitted in round {
            gate.settle(
                admitted,
                &Report {
                    first_sign: Some(SECOND),
                    took: SECOND,
                    ..Report::default()
                },
            );
        }
        tokio::time::advance(SECOND).await;
    }
    assert_eq!(allowed, [4, 8, 12, 13]);
    assert_eq!(status(&gate).held_until, None);
}

#[tokio::test(start_paused = true)]
async fn when_a_breaker_closes_again_nobody_stampedes() {
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = refuses(FaultClass::HardDown);
    let mut config = config(&[&a]);
    config.providers[0].concurrency_limit = 30;
    let world = World::with(ModelsConfig {
        open_wait: 20 * SECOND,
        ..config
    });
    for _ in 0..3 {
        let _ = world.call().await;
    }
    *a.otherwise.lock() = streams(&[Act::Wait(SECOND), Act::Say("x"), Act::End(None)]);
    let outcomes = join_all((0..30).map(|_| world.call())).await;
    assert!(outcomes.iter().all(|o| o.result.is_ok()));
    let mut seconds: Vec<u64> = a.calls()[3..].iter().map(Duration::as_secs).collect();
    let begun = seconds[0];
    seconds.retain(|s| *s <= begun + 2);
    assert!(seconds.len() <= 1 + 3 + 6, "{seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn an_allowance_that_is_used_up_holds_calls_back_until_it_is_there_again_and_is_published() {
    let gate = gate(10);
    let quota = |requests, seconds| Quota {
        requests_left: Some(requests),
        tokens_left: Some(9_000),
        resets_in: Some(seconds * SECOND),
    };
    settle(
        &gate,
        &Report {
            quota: Some(quota(100, 30)),
            ..Report::default()
        },
    );
    assert_eq!(status(&gate).requests_left, Some(100));
    assert_eq!(
        status(&gate).quota_resets_at,
        Some(Timestamp::from_millis(30_000))
    );
    settle(
        &gate,
        &Report {
            quota: Some(quota(5, 30)),
            ..Report::default()
        },
    );
    assert!((gate.form().weight - 0.5).abs() < 1e-9);
    settle(
        &gate,
        &Report {
            quota: Some(quota(0, 5)),
            ..Report::default()
        },
    );
    assert!(matches!(gate.try_admit(), Err(Refusal::Away(left)) if left == 5 * SECOND));
    tokio::time::advance(5 * SECOND).await;
    let all: Vec<_> = std::iter::from_fn(|| gate.try_admit().ok()).collect();
    assert_eq!(all.len(), 10);
    let after = status(&gate);
    assert_eq!(
        (after.requests_left, after.tokens_left, after.quota_resets_at),
        (None, None, None)
    );
}

#[tokio::test(start_paused = true)]
async fn speed_is_published_as_it_was_of_late() {
    let gate = gate(10);
    let report = |first: u64| Report {
        took: Duration::from_millis(first) + 2 * SECOND,
        first_sign: Some(Duration::from_millis(first)),
        first_content: Some(Duration::from_millis(first)),
        output_tokens: Some(100),
        ..Report::default()
    };
    settle(&gate, &report(400));
    tokio::time::advance(60 * SECOND).await;
    settle(&gate, &report(1_000));
    let seen = status(&gate);
    assert_eq!(
        (seen.ttft_ms_average, seen.tokens_per_second),
        (Some(800), Some(50.0))
    );
    assert_eq!(seen.credentials, None::<Credentials>);
    tokio::time::advance(3600 * SECOND).await;
    assert_eq!(status(&gate).ttft_ms_average, None);
}
