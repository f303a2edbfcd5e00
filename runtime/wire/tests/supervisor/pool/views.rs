//! What every supervisor has a view of its own of.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use greenroom_kernel::{
    ActorState, AgentInstance, AgentStatus, BreakerState, Failure, Health, Supervisor, Timestamp,
};

use super::fleet::{Stand, node};
use crate::mirror::{Act, Mirror};
use crate::samples::{self, agent_name};

fn instance(id: &str, health: Health, in_flight: u32) -> AgentInstance {
    AgentInstance {
        id: id.into(),
        health,
        breaker: BreakerState::Closed,
        in_flight,
        ..samples::agent(true).instances.remove(0)
    }
}

async fn next(watched: &mut BoxStream<'static, AgentStatus>) -> AgentStatus {
    let next = tokio::time::timeout(Duration::from_secs(60), watched.next());
    next.await.unwrap().unwrap()
}

fn agent(health: Health, instances: Vec<AgentInstance>) -> AgentStatus {
    AgentStatus {
        health,
        breaker: BreakerState::Closed,
        in_flight: instances.iter().map(|instance| instance.in_flight).sum(),
        instances,
        checked_at: Timestamp::from_millis(7),
        ..samples::agent(true)
    }
}

#[tokio::test(start_paused = true)]
async fn providers_and_actors_of_all_are_told_apart_by_their_nodes() {
    let stand = Stand::of(2, |_| Mirror::full());
    assert_eq!(stand.pool.providers().await.unwrap().len(), 4);
    let tree = stand.pool.supervision_tree().await.unwrap();
    let paths: Vec<_> = tree.iter().map(|node| node.path.as_str()).collect();
    assert_eq!(paths, ["n0", "n1"]);
    let own = &samples::actors(true)[0];
    let under = &tree[1].children[0];
    assert_eq!(under.path, "n1/node");
    assert_eq!(under.children[0].children[0].path, "n1/node/a/b");
    assert_eq!((&under.kind, under.restarts), (&own.kind, own.restarts));

    // One that doesn't answer is seen too.
    stand.kill(1);
    let tree = stand.pool.supervision_tree().await.unwrap();
    assert_eq!(
        (tree[0].state, tree[1].state),
        (ActorState::Running, ActorState::Failed)
    );
    assert!(tree[1].last_cause.is_some());
    stand.kill(0);
    assert!(stand.pool.supervision_tree().await.is_err());
    assert!(stand.pool.agents().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_one_whoever_sees_it() {
    let stand = Stand::of(2, |_| Mirror::full());
    let told = [
        agent(
            Health::Degraded,
            vec![
                instance("a", Health::Healthy, 1),
                instance("b", Health::Unhealthy, 0),
            ],
        ),
        agent(Health::Healthy, vec![instance("a", Health::Degraded, 2)]),
    ];
    let news: Vec<_> = stand.mirrors.iter().map(|mirror| mirror.news()).collect();
    let mut watched = stand.pool.watch_agents(Some(agent_name())).await.unwrap();
    news[0].send(told[0].clone()).unwrap();
    assert_eq!(next(&mut watched).await, told[0]);
    news[1].send(told[1].clone()).unwrap();
    let both = next(&mut watched).await;
    assert_eq!((both.health, both.in_flight), (Health::Healthy, 3));
    let seen: Vec<_> = both
        .instances
        .iter()
        .map(|i| (i.id.as_str(), i.health, i.in_flight))
        .collect();
    assert_eq!(
        seen,
        [("a", Health::Degraded, 3), ("b", Health::Unhealthy, 0)],
        "the trouble that one has with it is seen"
    );
    // The same again, looked at later, is no news; a supervisor that leaves takes its view along.
    let later = AgentStatus {
        checked_at: Timestamp::from_millis(8),
        ..told[1].clone()
    };
    news[1].send(later).unwrap();
    stand.kill(0);
    let left = next(&mut watched).await;
    assert_eq!((left.in_flight, left.instances.len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_watch_follows_supervisors_that_come_and_those_that_come_back() {
    let stand = Stand::of(2, |_| Mirror::full());
    stand.list([0]);
    tokio::task::yield_now().await;
    let first = stand.mirrors[0].news();
    let mut watched = stand.pool.watch_agents(None).await.unwrap();
    first
        .send(agent(Health::Healthy, vec![instance("a", Health::Healthy, 1)]))
        .unwrap();
    assert_eq!(next(&mut watched).await.in_flight, 1);
    let second = stand.mirrors[1].news();
    stand.list([0, 1]);
    second
        .send(agent(Health::Healthy, vec![instance("a", Health::Healthy, 4)]))
        .unwrap();
    assert_eq!(next(&mut watched).await.in_flight, 5);
    let again = stand.mirrors[1].news();
    stand.kill(1);
    assert_eq!(next(&mut watched).await.in_flight, 1);
    stand.serve_again(1);
    again
        .send(agent(Health::Healthy, vec![instance("a", Health::Healthy, 2)]))
        .unwrap();
    assert_eq!(next(&mut watched).await.in_flight, 3);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_nobody_knows_is_refused_as_by_one() {
    let unknown = Failure::not_found("agent");
    let stand = Stand::of(2, |_| Mirror::full());
    stand
        .mirrors
        .iter()
        .for_each(|mirror| mirror.always(Act::Fail(unknown.clone())));
    let refused = stand.pool.watch_agents(Some(agent_name())).await.err();
    assert_eq!(refused, Some(unknown));
    let stand = Stand::of(2, |_| Mirror::bare());
    assert_eq!(stand.pool.agent(&agent_name()).await, Ok(None));
    assert_eq!(stand.pool.agents().await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_happens_in_any_tree_is_told_under_its_nodes_name() {
    let stand = Stand::of(2, |_| Mirror::full());
    let told = stand.pool.watch_supervision().await.unwrap();
    let told: Vec<_> = told.take(10).collect().await;
    for number in 0..2 {
        let path = format!("{}/node", node(number));
        assert_eq!(told.iter().filter(|event| event.path == path).count(), 5);
    }
}
