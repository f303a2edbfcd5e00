//! Actors that neither work nor end.

use std::sync::mpsc;

use super::*;

#[tokio::test(start_paused = true)]
async fn idle_and_slow_actors_are_left_alone() {
    let environment = environment();
    let (child, handle) = Player::spec("p", &Arc::default()).build();
    let _root = started(&environment, supervisor("node").child(child)).await;
    tokio::time::sleep(ms(60_000)).await;
    // Each message takes nearly the watchdog's patience, and its pings wait behind them all.
    for _ in 0..20 {
        handle.send(Say::Nap(ms(2_000))).unwrap();
    }
    assert_eq!(soon(handle.call(Say::Incarnation)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn an_unwatched_actor_may_take_its_time() {
    let environment = environment();
    let root = started(&environment, supervisor("node")).await;
    let player = Player {
        name: "p",
        script: Arc::default(),
    };
    let handle = root
        .supervisor()
        .add(ChildSpec::once("p", "player", player))
        .await
        .unwrap();
    handle.send(Say::Nap(ms(100_000))).unwrap();
    assert_eq!(soon(handle.call(Say::Incarnation)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn removing_what_does_not_stop_is_bounded() {
    let environment = environment();
    let root = started(&environment, supervisor("node")).await;
    let script = Script::failing(Hook::PostStop, Fault::Hang);
    let spec = Player::spec("p", &script).stop_within(ms(700)).watchdog(None);
    root.supervisor().add(spec).await.unwrap();
    let asked = tokio::time::Instant::now();
    soon(root.supervisor().remove("p")).await.unwrap();
    assert!(
        asked.elapsed() >= ms(700) && asked.elapsed() < ms(800),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_with_a_child_that_does_not_stop_ends_in_time() {
    let environment = environment();
    let script = Script::failing(Hook::PostStop, Fault::Hang);
    let (child, _) = Player::spec("p", &script)
        .stop_within(ms(700))
        .watchdog(None)
        .build();
    let (sibling, handle) = Player::spec("q", &Arc::default()).build();
    let root = started(&environment, supervisor("node").child(child).child(sibling)).await;
    let waiting = handle.clone();
    let mut call = tokio::task::JoinSet::new();
    let asked = tokio::time::Instant::now();
    call.spawn(async move {
        let answer = waiting.call(|reply| Say::Work(Arc::default(), reply)).await;
        (answer, asked.elapsed())
    });
    while handle.depth() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(soon(root.stop()).await, Cause::Stopped(None));
    assert!(
        asked.elapsed() >= ms(700) && asked.elapsed() < ms(800),
        "{:?}",
        asked.elapsed()
    );
    let (answer, told_after) = soon(call.join_next()).await.unwrap().unwrap();
    assert_eq!(answer, Err(CallError::Unanswered { actor: "q".into() }));
    assert!(
        told_after < ms(100),
        "callers of its sibling don't wait for it: {told_after:?}"
    );
}

/// Blocks its thread in the handler until the test lets go.
struct Blocker(Arc<Mutex<mpsc::Receiver<()>>>);

enum Ask {
    Block(Reply<()>),
    Incarnation(Reply<u32>),
}

impl Supervised for Blocker {
    type Msg = Ask;

    async fn handle(&mut self, ctx: &Context<Ask>, ask: Ask, _: Admission) -> Result<(), ActorError> {
        match ask {
            Ask::Block(reply) => {
                let _ = self.0.lock().recv();
                reply.send(());
            }
            Ask::Incarnation(reply) => reply.send(ctx.incarnation()),
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_actor_that_blocks_its_thread_is_given_up_and_replaced() {
    let environment = environment();
    let mut watch = environment.tree().subscribe();
    let (let_go, blocked) = mpsc::channel();
    let blocked = Arc::new(Mutex::new(blocked));
    let spec = ChildSpec::new("b", "blocker", move || Blocker(Arc::clone(&blocked)))
        .capacity(1)
        .watchdog(Some(Watchdog {
            interval: ms(10),
            patience: ms(50),
        }));
    let (child, handle) = spec.build();
    let root = started(&environment, supervisor("node").child(child)).await;
    let answer = soon(handle.call(Ask::Block)).await;
    assert_eq!(
        answer,
        Err(CallError::Unanswered { actor: "b".into() }),
        "the caller is let go"
    );
    event(&mut watch, "node/b", SupervisionChange::Restarted).await;
    assert_eq!(
        soon(handle.call(Ask::Incarnation)).await,
        Ok(2),
        "it has permits of its own"
    );

    let_go.send(()).unwrap();
    drop(let_go);
    soon(root.stop()).await;
    environment.tasks().close();
    soon(environment.tasks().wait()).await;
    assert_eq!(
        environment.tree().snapshot()[0].children[0].restarts,
        1,
        "the old one's end is no news"
    );
}
