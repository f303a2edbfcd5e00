//! The contract suite of the history of agents, one named case each.
//!
//! [`history_contract!`](crate::history_contract) makes a test of every case. Each begins without records.
#![allow(missing_docs, reason = "a case's name says what it shows")]

use std::sync::Arc;

use greenroom_kernel::{
    AgentHistory, AgentName, AgentRecord, AgentSeen, BreakerState, Health, HistoryQuery, InstanceId,
    InstanceSeen, NodeId, PageRequest, Span, StoreError, Timestamp,
};
use tokio::task::JoinSet;

/// What the cases see.
pub type Subject = Arc<dyn AgentHistory>;

/// Noon of a day, in milliseconds.
const NOON: i64 = 1_795_694_400_000;
const HOUR: i64 = 3_600_000;

/// A moment of that day.
pub fn noon_and(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOON + ms)
}

/// What node `n` saw of an instance of an agent from one moment until another, of the day.
pub fn record(agent: &str, instance: &str, since: i64, until: i64) -> AgentRecord {
    AgentRecord {
        agent: AgentName::parse(agent).unwrap(),
        node: NodeId::parse("n").unwrap(),
        seen: AgentSeen::Instance(InstanceSeen {
            id: InstanceId::parse(instance).unwrap(),
            version: "1.2.3".to_owned(),
            health: Health::Degraded,
            breaker: BreakerState::HalfOpen,
            in_flight: 3,
        }),
        span: Span::new(noon_and(since), noon_and(until)),
    }
}

fn query(from: i64, to: i64) -> HistoryQuery {
    HistoryQuery {
        agent: AgentName::parse("a").unwrap(),
        from: noon_and(from),
        to: noon_and(to),
    }
}

/// All pages of so many.
async fn paged(history: &Subject, query: &HistoryQuery, limit: u32) -> Vec<AgentRecord> {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = PageRequest { after, limit };
        let found = history.history(query, &page).await.unwrap();
        assert!(found.rows.len() <= limit as usize);
        seen.extend(found.rows);
        after = found.next;
        if after.is_none() {
            return seen;
        }
    }
}

async fn all(history: &Subject, from: i64, to: i64) -> Vec<AgentRecord> {
    paged(history, &query(from, to), 100).await
}

pub async fn records_are_read_back_whole_the_youngest_first_page_by_page(history: &Subject) {
    let gone = AgentRecord {
        seen: AgentSeen::Gone,
        ..record("a", "unused", 5, 5)
    };
    let elsewhere = AgentRecord {
        node: NodeId::parse("n-1.b:7070").unwrap(),
        ..record("a", "a@http://10.0.0.1:7071", 5, 9)
    };
    // In their order: by time, then by node, then by instance.
    let mut records = vec![
        record("a", "a@\u{e9}", -40 * HOUR, -40 * HOUR + 7),
        record("a", "a@http://10.0.0.2:7071", -12 * HOUR, -12 * HOUR),
        record("a", "a@x", 0, 1),
        gone,
        record("a", "a@!", 5, 6),
        record("a", "a@http://10.0.0.1:7071", 5, 7),
        record("a", "a@http://10.0.0.1:7071.", 5, 8),
        elsewhere,
    ];
    history.note(records[4..].to_vec()).await.unwrap();
    history.note(records[..4].to_vec()).await.unwrap();
    history.note(Vec::new()).await.unwrap();
    records.reverse();
    for limit in [1, 2, 3, 8, 9] {
        assert_eq!(
            paged(history, &query(-50 * HOUR, HOUR), limit).await,
            records,
            "{limit}"
        );
    }
}

pub async fn a_record_that_grows_stays_one_and_says_what_was_said_last(history: &Subject) {
    history
        .note(vec![record("a", "i", 0, 0), record("a", "j", 0, 0)])
        .await
        .unwrap();
    let mut grown = record("a", "i", 0, 60_000);
    let AgentSeen::Instance(seen) = &mut grown.seen else {
        panic!("an instance")
    };
    seen.in_flight = 0;
    // Said twice in one breath, it is said once.
    let sent = vec![record("a", "i", 0, 30_000), grown.clone()];
    history.note(sent.clone()).await.unwrap();
    history.note(sent).await.unwrap();
    assert_eq!(all(history, 0, 1).await, [record("a", "j", 0, 0), grown]);
}

pub async fn what_lasted_into_the_time_asked_for_is_told_and_what_began_behind_it_is_not(history: &Subject) {
    let long = record("a", "long", -HOUR, 0);
    let records = [
        record("a", "over", -HOUR, -1),
        long.clone(),
        record("a", "within", 3, 4),
        record("a", "late", 10, 11),
    ];
    history.note(records.to_vec()).await.unwrap();
    assert_eq!(all(history, 0, 10).await, [records[2].clone(), long]);
    assert_eq!(all(history, 1, 10).await, [records[2].clone()]);
    assert_eq!(
        all(history, 4, 11).await,
        [records[3].clone(), records[2].clone()]
    );
    assert_eq!(all(history, 5, 10).await, []);
    assert_eq!(all(history, 10, 0).await, []);
    // Over midnight, which is twelve hours ago.
    let night = record("a", "night", -12 * HOUR - 10, -12 * HOUR + 10);
    history.note(vec![night.clone()]).await.unwrap();
    assert_eq!(all(history, -12 * HOUR, -12 * HOUR + 1).await, [night]);
}

pub async fn agents_have_histories_of_their_own(history: &Subject) {
    let records = ["a", "A", "a-b", "ab", "a_"].map(|agent| record(agent, "i", 0, 0));
    history.note(records.to_vec()).await.unwrap();
    for record in records {
        let of = HistoryQuery {
            agent: record.agent.clone(),
            ..query(0, 1)
        };
        assert_eq!(paged(history, &of, 9).await, [record]);
    }
    let of_nobody = HistoryQuery {
        agent: AgentName::parse("nobody").unwrap(),
        ..query(0, 1)
    };
    assert_eq!(paged(history, &of_nobody, 9).await, []);
}

pub async fn a_long_time_in_which_nothing_was_is_looked_through_and_ends(history: &Subject) {
    let old = record("a", "i", -40 * 24 * HOUR, -40 * 24 * HOUR);
    history.note(vec![old.clone()]).await.unwrap();
    assert_eq!(all(history, -70 * 24 * HOUR, 0).await, [old]);
    assert_eq!(all(history, -39 * 24 * HOUR, 0).await, []);
}

pub async fn what_16_writers_note_at_once_is_all_there(history: &Subject) {
    let mut writers = JoinSet::new();
    for writer in 0..16_i64 {
        let history = Arc::clone(history);
        writers.spawn(async move {
            let of = |n: i64| record("a", &format!("i{n}"), writer, writer + n);
            history.note((0..40).map(of).collect()).await.unwrap();
        });
    }
    writers.join_all().await;
    let seen = all(history, 0, 100).await;
    assert_eq!(seen.len(), 16 * 40);
    assert!(seen.is_sorted_by(|one, next| one.place() > next.place()));
}

pub async fn a_place_in_a_history_that_no_page_gave_is_refused(history: &Subject) {
    let page = PageRequest {
        after: Some("nonsense".into()),
        limit: 1,
    };
    let refused = history.history(&query(0, 1), &page).await;
    assert!(matches!(refused, Err(StoreError::BadPage { .. })), "{refused:?}");
    // One beyond the time asked for brings nothing that wasn't asked for.
    history
        .note(vec![record("a", "i", 0, 0), record("a", "i", 5, 5)])
        .await
        .unwrap();
    let page = PageRequest {
        after: Some(record("a", "i", 9, 9).place().to_string()),
        limit: 9,
    };
    let found = history.history(&query(0, 5), &page).await.unwrap();
    assert_eq!(found.rows, [record("a", "i", 0, 0)]);
}

/// Makes a module `$name` with one test for every case, or with `in turn` a function that runs all of them: as
/// [`store_contract!`](crate::store_contract) does.
#[macro_export]
macro_rules! history_contract {
    ($name:ident => $make:expr) => {
        $crate::history_contract! { @list (each $name, $make) }
    };
    (in turn, $name:ident($from:ident: $of:ty) => $make:expr) => {
        $crate::history_contract! { @list (turn $name, $from, $of, $make) }
    };
    (@list ($($how:tt)*)) => {
        $crate::history_contract! { @($($how)*)
            records_are_read_back_whole_the_youngest_first_page_by_page
            a_record_that_grows_stays_one_and_says_what_was_said_last
            what_lasted_into_the_time_asked_for_is_told_and_what_began_behind_it_is_not
            agents_have_histories_of_their_own
            a_long_time_in_which_nothing_was_is_looked_through_and_ends
            what_16_writers_note_at_once_is_all_there
            a_place_in_a_history_that_no_page_gave_is_refused
        }
    };
    (@(each $name:ident, $make:expr) $($case:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (history, _guard) = ($make)().await;
                    $crate::testkit::history_contract::$case(&history).await;
                }
            )*
        }
    };
    (@(turn $name:ident, $from:ident, $of:ty, $make:expr) $($case:ident)*) => {
        async fn $name($from: &$of) {
            let mut failed: Vec<&str> = Vec::new();
            $(
                let (history, _guard) = ($make)($from).await;
                let case = ::std::panic::AssertUnwindSafe($crate::testkit::history_contract::$case(&history));
                if ::futures::FutureExt::catch_unwind(case).await.is_err() {
                    failed.push(stringify!($case));
                }
            )*
            assert!(failed.is_empty(), "these cases failed: {failed:#?}");
        }
    };
}
