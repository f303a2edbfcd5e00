//! Callers behind a gateway's pool, for whom several processes are one: nothing is shown to them of those that come, leave
//! and die but time.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::future::join_all;
use greenroom_kernel::{HostPort, MemberId};
use greenroom_wire::testkit::Fleet;
use greenroom_wire::{PoolConfig, SupervisorPool};

use super::*;

/// The wires between the processes and a gateway.
struct Gateway {
    wires: Fleet,
    pool: SupervisorPool,
}

impl Gateway {
    fn to(fleet: &Fleets) -> Self {
        let wires = Fleet::new();
        let clock = Arc::new(StageClock::new());
        let pool = wires.pool(clock, Arc::new(stage_random()), PoolConfig::default());
        let gateway = Self {
            wires,
            pool: pool.unwrap(),
        };
        fleet.live.iter().for_each(|process| gateway.serve(process));
        gateway.list(fleet, None);
        gateway
    }

    fn serve(&self, process: &Process) {
        let supervisor = Arc::clone(&process.orchestrator) as _;
        self.wires.serve(&process.address, &process.node, supervisor);
    }

    /// The directory names everybody `but` one.
    fn list(&self, fleet: &Fleets, but: Option<&str>) {
        let named = fleet
            .live
            .iter()
            .filter(|process| Some(process.node.as_str()) != but);
        let named: Vec<(MemberId, HostPort)> = named
            .map(|process| {
                let id = MemberId::parse(process.node.as_str()).unwrap();
                (id, process.address.clone())
            })
            .collect();
        self.wires.list(named.iter().map(|(id, address)| (id, address)));
    }

    /// A turn of a new session, from its caller's call to its answer, with its events read beside.
    async fn turn(&self, key: String) -> TaskRow {
        let show: &dyn Supervisor = &self.pool;
        let who = ann();
        let begun = show.accept(&who, chat(None, "go", &key, NOT)).await.unwrap();
        let told = async {
            let scope = EventScope::Task(begun.task.id.clone());
            let events = show.events(&who, scope, Some(begun.cursor)).await.unwrap();
            let told: Vec<_> = events.map(|event| event.unwrap()).collect().await;
            journaled(&told)
        };
        let waited = show.accept(&who, chat(None, "go", &key, LONG));
        let (told, waited) = tokio::time::timeout(LONG * 2, async { tokio::join!(told, waited) })
            .await
            .unwrap();
        let row = waited.unwrap().task;
        let once: BTreeSet<_> = told.iter().collect();
        assert_eq!(once.len(), told.len(), "told twice: {told:?}");
        let steps = told.iter().filter(|what| what.starts_with("step")).count();
        assert_eq!(steps, 5, "{told:?}");
        assert_eq!(told.last().map(String::as_str), Some("ended"), "{told:?}");
        row
    }
}

fn journaled(events: &[ChatEvent]) -> Vec<String> {
    let tell = |event: &ChatEvent| match &event.body {
        ChatEventBody::Step { step, .. } if step.status == StepStatus::Started => None,
        ChatEventBody::Step { step, .. } => Some(format!("step {}", step.number)),
        ChatEventBody::Message(row) => Some(format!("message {}", row.message.number)),
        ChatEventBody::Attempt { attempt, .. } => Some(format!("attempt {attempt}")),
        ChatEventBody::Ended(_) => Some("ended".to_owned()),
        ChatEventBody::Delta { .. } | ChatEventBody::Waiting { .. } => None,
    };
    events.iter().filter_map(tell).collect()
}

#[tokio::test(start_paused = true)]
async fn callers_notice_nothing_of_processes_that_come_and_leave() {
    let host = careful();
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let gateway = Gateway::to(&fleet);
    let turns = join_all((0..12).map(|number| gateway.turn(format!("k{number}"))));
    let changes = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.start("n2").await;
        gateway.serve(fleet.process("n2"));
        gateway.list(&fleet, None);
        tokio::time::sleep(Duration::from_secs(2)).await;
        gateway.list(&fleet, Some("n0"));
        let left = fleet.drain("n0", Duration::from_secs(20)).await;
        gateway.wires.kill(&left.address);
    };
    let (rows, ()) = tokio::join!(turns, changes);
    for row in rows {
        assert_eq!(row.status, TaskStatus::Completed, "{row:?}");
    }
    each_once(&host, 60);
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_process_that_dies_wait_until_another_goes_on() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        for number in 0..5 {
            let step = tool(&number.to_string(), Effect::Idempotent);
            if talk.slowly(step, 2).await.is_none() {
                return;
            }
        }
        talk.done("walked");
    }));
    let mut fleet = Fleets::of(3, [Arc::clone(&host)]).await;
    let gateway = Gateway::to(&fleet);
    let began = tokio::time::Instant::now();
    let early = join_all((0..12).map(|number| gateway.turn(format!("k{number}"))));
    let killed = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        // No directory says so for a while.
        let killed = fleet.kill("n1");
        gateway.wires.kill(&killed.address);
        tokio::time::sleep(Duration::from_secs(1)).await;
        join_all((12..24).map(|number| gateway.turn(format!("k{number}")))).await
    };
    let (early, late) = tokio::join!(early, killed);
    let again = early.iter().filter(|row| row.attempts == 2).count();
    assert!(again > 0, "some were on the one that died");
    for row in early.into_iter().chain(late) {
        assert_eq!(row.status, TaskStatus::Completed, "{row:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn readers_at_a_process_that_leaves_go_on_elsewhere_at_once() {
    let host = Arc::new(host("h").agent("helper", echo));
    let mut fleet = Fleets::of(3, [host]).await;
    let gateway = Gateway::to(&fleet);
    let (show, who) = (&gateway.pool, ann());
    let mut reading = tokio::task::JoinSet::new();
    let mut moved = Vec::new();
    for number in 0..200 {
        let session = show.create_session(&who, None, None).await.unwrap().id;
        let scope = EventScope::Session(session.clone());
        let mut events = show.events(&who, scope, None).await.unwrap();
        if fleet.owner(&session).node.as_str() == "n0" {
            moved.push((number, session));
        }
        reading.spawn(async move {
            let mut told = Vec::new();
            while !matches!(
                told.last(),
                Some(ChatEvent {
                    body: ChatEventBody::Ended(_),
                    ..
                })
            ) {
                told.push(events.next().await.unwrap().unwrap());
            }
            (number, tokio::time::Instant::now(), journaled(&told))
        });
    }
    assert!(moved.len() > 30, "{}", moved.len());
    // Nothing but readers is there.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let begun = tokio::time::Instant::now();
    // The directory names it all the while.
    let left = fleet.drain("n0", Duration::from_secs(20)).await;
    gateway.wires.kill(&left.address);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let gone = tokio::time::Instant::now();
    let said = moved.iter().map(|(number, session)| {
        let request = chat(Some(session), "hi", &format!("k{number}"), NOT);
        async { show.accept(&ann(), request).await.unwrap() }
    });
    join_all(said).await;
    let mut heard = 0;
    while heard < moved.len() {
        let read = tokio::time::timeout(Duration::from_secs(60), reading.join_next()).await;
        let (number, at, told) = read.unwrap().unwrap().unwrap();
        assert!(moved.iter().any(|(of, _)| *of == number));
        assert_eq!(told, ["message 0", "message 1", "ended"]);
        let after = at.saturating_duration_since(gone);
        assert!(after < Duration::from_secs(1), "{number} after {after:?}");
        heard += 1;
    }
}
