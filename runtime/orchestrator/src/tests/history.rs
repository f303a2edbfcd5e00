//! What is seen of agents is written down, at the right time and at nobody's cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::{
    AgentHistory, AgentRecord, AgentSeen, BreakerState, Clock, Health, HistoryQuery, InstanceSeen,
    PageRequest, Span, Timestamp,
};

use super::*;

const BEAT: Duration = Duration::from_secs(30);
/// What a change may take to be looked at.
const LOOKED: Duration = Duration::from_secs(3);

fn all(stage: &Stage) -> HistoryQuery {
    HistoryQuery {
        agent: name("helper"),
        from: Timestamp::from_millis(i64::MIN),
        to: stage.clock.now().after(Duration::from_millis(1)),
    }
}

fn page() -> PageRequest {
    PageRequest {
        after: None,
        limit: 100,
    }
}

async fn history(stage: &Stage) -> Vec<AgentRecord> {
    let page = stage.show.agent_history(all(stage), page()).await.unwrap();
    assert_eq!(page.next, None);
    page.rows
}

fn instance(record: &AgentRecord) -> &InstanceSeen {
    match &record.seen {
        AgentSeen::Instance(seen) => seen,
        AgentSeen::Gone => panic!("{record:?}"),
    }
}

async fn an_agent_at_rest_is_one_record_that_grows_every_half_minute(door: Door) {
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", echo))]).await;
    let begun = stage.clock.now();
    let writes = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&writes);
    tokio::time::sleep(LOOKED).await;
    stage.store.set_rule(move |asked| {
        if matches!(asked, Asked::Write("note")) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        None
    });
    tokio::time::sleep(BEAT * 10).await;
    assert_eq!(writes.load(Ordering::SeqCst), 10, "a write each half minute");
    let records = history(&stage).await;
    assert_eq!(records.len(), 1, "{records:?}");
    let seen = instance(&records[0]);
    assert_eq!(
        (
            seen.id.as_str(),
            &*seen.version,
            seen.health,
            seen.breaker,
            seen.in_flight
        ),
        ("helper@h", "1", Health::Healthy, BreakerState::Closed, 0)
    );
    assert_eq!(records[0].node.as_str(), "n");
    let span = records[0].span;
    assert!(begun.until(span.since()) < LOOKED, "{span:?}");
    assert!(span.until().until(stage.clock.now()) <= BEAT, "{span:?}");
}

async fn a_breaker_that_opens_is_in_the_history_at_its_moment(door: Door) {
    let panics = host("h").agent("helper", |talk: Talk| async move {
        talk.say(FromAgent::Panicked("boom".into()));
    });
    let stage = Stage::with(door, [Arc::new(panics)]).await;
    let mut watch = stage
        .orchestrator
        .watch_agents(Some(name("helper")))
        .await
        .unwrap();
    // Not together with what is told every half minute.
    tokio::time::sleep(BEAT / 2).await;
    for number in 0..30 {
        stage.task("helper", &format!("k{number}"), NOT).await;
    }
    let opened = async {
        while watch.next().await.unwrap().breaker != BreakerState::Open {}
        stage.clock.now()
    };
    let opened = tokio::time::timeout(LONG, opened).await.expect("it opens");
    tokio::time::sleep(LOOKED).await;
    let records = history(&stage).await;
    let open = records
        .iter()
        .rfind(|record| instance(record).breaker == BreakerState::Open)
        .expect("that it opened");
    let late = opened.until(open.span.since());
    assert!(opened <= open.span.since() && late <= LOOKED, "{late:?} late");
    assert_eq!(instance(open).health, Health::Unhealthy);
    let first = records.last().unwrap();
    assert_eq!(instance(first).breaker, BreakerState::Closed);
    assert!(first.span.until() <= open.span.since());
}

async fn what_runs_is_told_every_half_minute_and_the_last_instance_that_leaves_is_missed(door: Door) {
    let works = host("h").agent("helper", |mut talk: Talk| async move { talk.linger().await });
    let stage = Stage::with(door, [Arc::new(works)]).await;
    tokio::time::sleep(LOOKED).await;
    let told = stage.task("helper", "k", NOT).await;
    stage.at(&told.task.id, TaskStatus::Running).await;
    tokio::time::sleep(BEAT).await;
    let busy = history(&stage).await;
    let in_flight: Vec<_> = busy.iter().map(|record| instance(record).in_flight).collect();
    assert_eq!(in_flight, [1, 0]);

    stage.show.cancel(&ann(), &told.task.id).await.unwrap();
    stage.ended(&told.task.id).await;
    stage.orchestrator.leave("h").await.unwrap();
    let left = stage.clock.now();
    tokio::time::sleep(BEAT * 3).await;
    let records = history(&stage).await;
    let gone: Vec<_> = records
        .iter()
        .filter(|record| record.seen == AgentSeen::Gone)
        .map(|record| record.span)
        .collect();
    assert!(
        matches!(gone[..], [one] if one == Span::at(one.since())),
        "once: {gone:?}"
    );
    assert!(left.until(gone[0].since()) <= LOOKED);
    assert_eq!(records[0].seen, AgentSeen::Gone, "nothing behind it");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_holds_up_nobody_and_what_lasts_is_told_once_it_is_back() {
    let stage = Stage::with(Door::Local, [Arc::new(host("h").agent("helper", echo))]).await;
    tokio::time::sleep(LOOKED).await;
    let before = history(&stage).await;
    stage.store.set_rule(|asked| {
        matches!(asked, Asked::Write("note")).then_some(Fault::StartLate(Duration::from_secs(86_400)))
    });
    for number in 0..5 {
        tokio::time::sleep(BEAT).await;
        let begun = tokio::time::Instant::now();
        let told = stage.task("helper", &format!("k{number}"), LONG).await;
        assert_eq!(told.task.status, TaskStatus::Completed);
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(history(&stage).await, before, "nothing was kept");
    let page = stage.orchestrator.shared().metrics.render();
    let lost = page
        .lines()
        .find_map(|line| line.strip_prefix("greenroom_agent_history_lost_total "))
        .and_then(|count| count.parse::<u32>().ok());
    assert!(lost.is_some_and(|lost| lost >= 4), "{lost:?}");

    stage.store.heal();
    tokio::time::sleep(BEAT + Duration::from_secs(15)).await;
    let after = history(&stage).await;
    assert_eq!(after.len(), 1, "it lasted all the while: {after:?}");
    assert_eq!(after[0].span.since(), before[0].span.since());
    assert!(after[0].span.until().until(stage.clock.now()) <= BEAT + Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn what_ended_while_the_store_was_away_is_told_when_it_is_back() {
    let stage = Stage::with(Door::Local, [Arc::new(host("h").agent("helper", echo))]).await;
    tokio::time::sleep(LOOKED).await;
    stage.store.set_rule(|asked| {
        matches!(asked, Asked::Write("note")).then_some(Fault::StartLate(Duration::from_secs(86_400)))
    });
    stage.orchestrator.leave("h").await.unwrap();
    let left = stage.clock.now();
    tokio::time::sleep(BEAT * 3).await;
    assert_eq!(history(&stage).await.len(), 1, "nothing was kept");

    stage.store.heal();
    tokio::time::sleep(BEAT + Duration::from_secs(15)).await;
    let records = history(&stage).await;
    let gone = records[0].span.since();
    assert_eq!(records[0].seen, AgentSeen::Gone, "{records:?}");
    assert!(left.until(gone) <= BEAT, "{records:?}");
    assert_eq!(instance(&records[1]).health, Health::Draining);
    assert_eq!(records[1].span.until(), gone, "{records:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_it_is_kept_is_shown_to_nobody_and_goes() {
    let stage = Stage::with(Door::Local, []).await;
    let old = |age: Duration| {
        let age = i64::try_from(age.as_millis()).unwrap();
        let since = Timestamp::from_millis(stage.clock.now().as_millis() - age);
        AgentRecord {
            agent: name("helper"),
            node: greenroom_kernel::NodeId::parse("n").unwrap(),
            seen: AgentSeen::Gone,
            span: Span::at(since),
        }
    };
    let minute = Duration::from_secs(60);
    let records: Vec<_> = (1..1_200).map(|n| old(KEEP + minute * n)).collect();
    let young = old(KEEP - Duration::from_secs(7_200));
    stage
        .memory
        .note([records, vec![young.clone()]].concat())
        .await
        .unwrap();
    assert_eq!(history(&stage).await, [young]);
    let left = async || {
        let page = PageRequest {
            after: None,
            limit: 2_000,
        };
        stage
            .memory
            .history(&all(&stage), &page)
            .await
            .unwrap()
            .rows
            .len()
    };
    assert_eq!(left().await, 1_200);
    tokio::time::sleep(Duration::from_secs(3_610)).await;
    assert_eq!(left().await, 1);
}

through_every_door! {
    an_agent_at_rest_is_one_record_that_grows_every_half_minute,
    a_breaker_that_opens_is_in_the_history_at_its_moment,
    what_runs_is_told_every_half_minute_and_the_last_instance_that_leaves_is_missed,
}
