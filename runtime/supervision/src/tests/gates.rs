//! Breakers that outlive the actors behind them.

use greenroom_kernel::{BreakerConfig, BreakerState, CallOutcome, Health, HealthThresholds};

use super::*;

fn gate() -> Arc<Gate> {
    let config = BreakerConfig {
        minimum_calls: 2,
        open_for: ms(5_000),
        open_at_most: ms(5_000),
        ..BreakerConfig::default()
    };
    Gate::new(config, HealthThresholds::default()).unwrap()
}

fn open(gate: &Arc<Gate>) {
    while gate.status().breaker == BreakerState::Closed {
        gate.admit().unwrap().settle(CallOutcome::Failure);
    }
    assert_eq!(gate.status().breaker, BreakerState::Open);
}

struct Guarded {
    gate: Arc<Gate>,
}

enum Ask {
    IsAdmitted(Reply<bool>),
    Panic,
}

impl Supervised for Guarded {
    type Msg = Ask;

    async fn handle(&mut self, _: &Context<Ask>, ask: Ask, _: Admission) -> Result<(), ActorError> {
        match ask {
            Ask::IsAdmitted(reply) => reply.send(self.gate.admit().is_ok()),
            Ask::Panic => panic!("boom"),
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_actor_comes_back_with_its_breaker_as_it_was() {
    let (environment, gate) = (environment(), gate());
    let mut watch = environment.tree().subscribe();
    let inside = Arc::clone(&gate);
    let (child, handle) = ChildSpec::new("p", "provider", move || Guarded {
        gate: Arc::clone(&inside),
    })
    .gate(Arc::clone(&gate))
    .build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    let shown = || environment.tree().snapshot()[0].children[0].breaker;
    assert_eq!(soon(handle.call(Ask::IsAdmitted)).await, Ok(true));
    assert_eq!(shown(), Some(BreakerState::Closed));
    open(&gate);
    handle.send(Ask::Panic).unwrap();
    event(&mut watch, "node/p", SupervisionChange::Restarted).await;
    assert_eq!(soon(handle.call(Ask::IsAdmitted)).await, Ok(false));
    assert_eq!(shown(), Some(BreakerState::Open));
    tokio::time::sleep(ms(5_000)).await;
    assert_eq!(shown(), Some(BreakerState::HalfOpen));
}

#[tokio::test(start_paused = true)]
async fn many_callers_at_once_get_one_probe() {
    let gate = gate();
    open(&gate);
    assert_eq!(gate.admit().unwrap_err().retry_after, ms(5_000));
    tokio::time::sleep(ms(5_000)).await;
    let admitted: Vec<_> = (0..50).filter_map(|_| gate.admit().ok()).collect();
    assert_eq!(admitted.len(), 1);
    assert!(admitted[0].is_probe());
    drop(admitted);
    let second = gate.admit().unwrap();
    assert!(
        second.is_probe() && gate.admit().is_err(),
        "a dropped probe frees its place"
    );
    second.settle(CallOutcome::Success);
    assert_eq!(gate.status().breaker, BreakerState::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_race_get_one_probe() {
    let config = BreakerConfig {
        minimum_calls: 1,
        open_for: ms(1),
        open_at_most: ms(1),
        ..BreakerConfig::default()
    };
    let gate = Gate::new(config, HealthThresholds::default()).unwrap();
    gate.admit().unwrap().settle(CallOutcome::Failure);
    while gate.status().breaker != BreakerState::HalfOpen {
        tokio::task::yield_now().await;
    }
    let barrier = Arc::new(tokio::sync::Barrier::new(8));
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (gate, barrier) = (Arc::clone(&gate), Arc::clone(&barrier));
        racers.spawn(async move {
            barrier.wait().await;
            gate.admit().ok()
        });
    }
    let admitted: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(admitted.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn changes_of_breaker_and_health_are_published_and_nothing_else() {
    let gate = gate();
    let mut watch = gate.subscribe();
    gate.admit().unwrap().settle(CallOutcome::Success);
    assert!(!watch.has_changed().unwrap(), "a good call is no news");
    open(&gate);
    assert!(watch.has_changed().unwrap());
    let seen = *watch.borrow_and_update();
    assert_eq!(
        (seen.breaker, seen.health),
        (BreakerState::Open, Health::Unhealthy)
    );
    tokio::time::sleep(ms(5_000)).await;
    let probe = gate.admit().unwrap();
    let seen = *watch.borrow_and_update();
    assert_eq!(
        (seen.breaker, seen.health),
        (BreakerState::HalfOpen, Health::Degraded)
    );
    probe.settle_after(CallOutcome::Success, ms(1));
    let seen = *watch.borrow_and_update();
    assert_eq!(
        (seen.breaker, seen.health),
        (BreakerState::Closed, Health::Healthy)
    );
    gate.set_draining(true);
    assert_eq!(watch.borrow_and_update().health, Health::Draining);
}
