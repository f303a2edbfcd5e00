//! What the tests share: fixed ports, an actor that fails on demand, and waiting for what the tree tells.

mod admission;
mod backoff;
mod dynamic;
mod gates;
mod hangs;
mod matrix;
mod strategies;
mod trees;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Backoff, Clock, Randomness, SupervisionChange, SupervisionEvent, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::*;

pub(crate) struct Ports;

impl Clock for Ports {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(7)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Jitter that always chooses the shortest wait.
impl Randomness for Ports {
    fn next_u64(&self) -> u64 {
        0
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn environment() -> Environment {
    Environment::new(Arc::new(Ports), Arc::new(Ports))
}

/// Waits of 50, 100, 200, 400 ms and no more.
fn supervisor(name: &str) -> SupervisorSpec {
    SupervisorSpec::new(name).backoff(
        Backoff {
            base: ms(100),
            at_most: ms(800),
        },
        ms(60_000),
    )
}

async fn started(environment: &Environment, spec: SupervisorSpec) -> Root {
    let root = Root::start(environment, spec).unwrap();
    soon(root.supervisor().ready()).await.unwrap();
    root
}

/// No test waits for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(ms(600_000), what)
        .await
        .expect("it takes too long")
}

async fn event_where(watch: &mut TreeWatch, wanted: impl Fn(&SupervisionEvent) -> bool) -> SupervisionEvent {
    let found = async {
        loop {
            match watch.next().await.expect("the tree is gone") {
                TreeNews::Event(event) if wanted(&event) => return event,
                TreeNews::Event(_) => {}
                TreeNews::Missed(n) => panic!("missed {n} events"),
            }
        }
    };
    soon(found).await
}

async fn event(watch: &mut TreeWatch, path: &str, what: SupervisionChange) -> SupervisionEvent {
    event_where(watch, |event| event.path == path && event.what == what).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    PreStart,
    PostStart,
    Handle,
    PostStop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panic,
    Err,
    /// Waits to be killed, after telling that it does.
    Kill,
    Hang,
}

/// What an actor of these tests is to do, over all its incarnations, and what it did.
#[derive(Default)]
struct Script {
    faults: Mutex<Vec<(Hook, Fault)>>,
    awaiting_kill: Notify,
    log: Mutex<Vec<String>>,
}

impl Script {
    fn failing(hook: Hook, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            faults: Mutex::new(vec![(hook, fault)]),
            ..Self::default()
        })
    }

    fn log(&self, line: impl Into<String>) {
        self.log.lock().push(line.into());
    }

    fn logged(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    async fn pass(&self, hook: Hook) -> Result<(), ActorError> {
        let fault = {
            let mut faults = self.faults.lock();
            let next = faults.iter().position(|(at, _)| *at == hook);
            next.map(|at| faults.remove(at).1)
        };
        match fault {
            None => Ok(()),
            Some(Fault::Panic) => panic!("boom"),
            Some(Fault::Err) => Err("boom".into()),
            Some(Fault::Kill) => {
                self.awaiting_kill.notify_one();
                std::future::pending().await
            }
            Some(Fault::Hang) => std::future::pending().await,
        }
    }
}

enum Say {
    /// Passes the script's `Handle` hook, then answers.
    Echo(u32, Reply<u32>),
    /// Which incarnation answers.
    Incarnation(Reply<u32>),
    Fail(Fault),
    Stop,
    /// Sleeps in the handler.
    Nap(Duration),
    /// Works in a task that holds the admission until told to end.
    Work(Arc<Notify>, Reply<()>),
}

struct Player {
    name: &'static str,
    script: Arc<Script>,
}

impl Player {
    fn spec(name: &'static str, script: &Arc<Script>) -> ChildSpec<Player> {
        let script = Arc::clone(script);
        ChildSpec::new(name, "player", move || Player {
            name,
            script: Arc::clone(&script),
        })
        .start_within(ms(5_000))
        .watchdog(Some(Watchdog {
            interval: ms(1_000),
            patience: ms(3_000),
        }))
    }
}

impl Supervised for Player {
    type Msg = Say;

    async fn pre_start(&mut self, _: &Context<Say>) -> Result<(), ActorError> {
        self.script.pass(Hook::PreStart).await?;
        self.script.log(format!("{} starts", self.name));
        Ok(())
    }

    async fn post_start(&mut self, _: &Context<Say>) -> Result<(), ActorError> {
        self.script.pass(Hook::PostStart).await
    }

    async fn handle(&mut self, ctx: &Context<Say>, say: Say, admission: Admission) -> Result<(), ActorError> {
        match say {
            Say::Echo(n, reply) => {
                self.script.pass(Hook::Handle).await?;
                reply.send(n);
            }
            Say::Incarnation(reply) => reply.send(ctx.incarnation()),
            Say::Fail(fault) => {
                self.script.faults.lock().push((Hook::Handle, fault));
                self.script.pass(Hook::Handle).await?;
            }
            Say::Stop => ctx.stop("done"),
            Say::Nap(length) => tokio::time::sleep(length).await,
            Say::Work(end, reply) => ctx.spawn(async move {
                end.notified().await;
                reply.send(());
                drop(admission);
            }),
        }
        Ok(())
    }

    async fn post_stop(&mut self, _: &Context<Say>) -> Result<(), ActorError> {
        self.script.log(format!("{} stops", self.name));
        self.script.pass(Hook::PostStop).await
    }
}
