use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{ActorNode, ActorState, BreakerState, ErrorCode, FaultClass, Health, ModelRequest};

use super::script::{Scripted, refuses};
use super::world::{World, context, request};

const SECOND: Duration = Duration::from_secs(1);

fn node(world: &World, path: &str) -> ActorNode {
    let roots = world.environment.tree().snapshot();
    let mut all = roots.iter().flat_map(|root| root.children.iter());
    all.find(|node| node.path == path)
        .cloned()
        .expect("the actor in the tree")
}

/// Waits for a condition, up to a minute of paused time.
async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came true");
}

#[tokio::test(start_paused = true)]
async fn a_killed_actor_comes_back_with_its_breaker_as_it_was_and_calls_go_on_meanwhile() {
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    *a.otherwise.lock() = refuses(FaultClass::HardDown);
    let world = World::of(&[&a, &b]);
    let root = world.tree().await;
    for _ in 0..3 {
        world.call().await.result.unwrap();
    }
    assert_eq!(node(&world, "providers/a").breaker, Some(BreakerState::Open));
    let before = world.router.provider("a").unwrap();
    before.kill();
    assert_eq!(world.call().await.result.unwrap().provider, "b");
    until(|| {
        let node = node(&world, "providers/a");
        node.restarts == 1 && node.state == ActorState::Running
    })
    .await;
    let back = node(&world, "providers/a");
    assert_eq!(
        (back.breaker, back.kind.as_str()),
        (Some(BreakerState::Open), "provider")
    );
    assert!(back.last_cause.is_some_and(|cause| cause.contains("killed")));
    assert_eq!(a.calls().len(), 3);
    assert_eq!(node(&world, "providers/b").restarts, 0);
    root.stop().await;
}

#[tokio::test(start_paused = true)]
async fn probes_tell_who_is_away_before_a_call_finds_out_and_when_it_is_back() {
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    *a.probe.lock() = Some(FaultClass::HardDown);
    let world = World::of(&[&a, &b]);
    let root = world.tree().await;
    until(|| world.router_status().health == Health::Unhealthy).await;
    assert_eq!(
        world.router_status().last_error.as_deref(),
        Some("scripted HardDown")
    );
    assert_eq!(world.router_status().breaker, BreakerState::Closed);
    assert_eq!(world.call().await.result.unwrap().provider, "b");
    assert!(a.calls().is_empty());

    *a.probe.lock() = None;
    until(|| world.router_status().health == Health::Healthy).await;
    assert_eq!(world.call().await.result.unwrap().provider, "a");
    root.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_probed_at_its_start_regularly_and_when_asked() {
    let a = Scripted::new("a", vec![]);
    let world = World::of(&[&a]);
    let root = world.tree().await;
    tokio::time::sleep(95 * SECOND).await;
    assert_eq!(a.probes.load(Ordering::SeqCst), 4);
    let handle = world.router.provider("a").unwrap();
    handle.probe().await.unwrap();
    assert_eq!(a.probes.load(Ordering::SeqCst), 5);
    *a.probe.lock() = Some(FaultClass::HardDown);
    assert_eq!(handle.probe().await.unwrap_err().class, FaultClass::HardDown);
    // Asking does not double the regular ones.
    let before = a.probes.load(Ordering::SeqCst);
    *a.probe.lock() = None;
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(a.probes.load(Ordering::SeqCst), before + 2);
    root.stop().await;
    assert!(handle.probe().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn models_learned_by_a_probe_can_be_called_by_name() {
    let a = Scripted::new("a", vec![]);
    a.serve(&["old"]);
    let world = World::of(&[&a]);
    let root = world.tree().await;
    until(|| a.probes.load(Ordering::SeqCst) > 0).await;
    let new = ModelRequest {
        model: Some("new".into()),
        ..request()
    };
    let failure = world.call_with(&new, &context()).await.result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::NotFound);
    a.serve(&["old", "new"]);
    world.router.provider("a").unwrap().probe().await.unwrap();
    assert_eq!(
        world.call_with(&new, &context()).await.result.unwrap().model,
        "new"
    );
    root.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_any_provider_a_call_is_unavailable_and_names_the_remedy() {
    let world = World::of(&[]);
    let root = world.tree().await;
    let failure = world.call().await.result.unwrap_err();
    assert_eq!((failure.code, failure.retryable), (ErrorCode::Unavailable, true));
    assert!(failure.message.contains("GREENROOM_MODEL_PATH"));
    root.stop().await;
}
