//! The picture, in paused time, of a directory that does as it is told.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use greenroom_kernel::{Failure, HealthHint, Member};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::*;
use crate::testkit::{Board, StandingClock, member};

/// Members that answer, by id.
#[derive(Default)]
struct Answering {
    well: Mutex<BTreeSet<String>>,
    slow: AtomicU32,
    asked: AtomicU32,
}

impl Answering {
    fn well(&self, ids: &[&str]) {
        *self.well.lock() = ids.iter().map(|id| (*id).to_owned()).collect();
    }
}

#[async_trait]
impl HealthProbe for Answering {
    async fn probe(&self, member: &Member) -> Result<(), Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(self.slow.load(Ordering::SeqCst).into())).await;
        let well = self.well.lock().contains(member.id.as_str());
        well.then_some(())
            .ok_or_else(|| Failure::unavailable("connection refused"))
    }
}

struct World {
    board: Arc<Board>,
    answering: Arc<Answering>,
    picture: watch::Receiver<Membership>,
    until: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    fn start(probed: bool) -> Self {
        Self::of(probed, Arc::default())
    }

    fn of(probed: bool, board: Arc<Board>) -> Self {
        let answering = Arc::<Answering>::default();
        let probe = probed.then(|| Arc::clone(&answering) as Arc<dyn HealthProbe>);
        let directory = Arc::clone(&board) as Arc<dyn Discovery>;
        let (watch, picture) = Watch::new(directory, probe, Arc::new(StandingClock), WatchConfig::default());
        let (until, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(watch.run(until.clone()));
        Self {
            board,
            answering,
            picture,
            until,
            tasks,
        }
    }

    fn usable(&self) -> Vec<String> {
        self.picture
            .borrow()
            .usable()
            .map(|member| member.id.to_string())
            .collect()
    }

    fn all(&self) -> Vec<String> {
        self.picture
            .borrow()
            .all()
            .map(|member| member.id.to_string())
            .collect()
    }
}

/// A little more than so many seconds.
async fn pass(seconds: u64) {
    sleep(Duration::from_millis(seconds * 1000 + 100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_stands_still_spares_the_list_but_for_a_few_seconds() {
    let world = World::start(false);
    world.board.set(vec![member("a", 1)]);
    pass(4).await;
    assert_eq!((world.usable(), world.board.lists()), (vec!["a".to_owned()], 1));
    pass(16).await;
    assert!(
        (4..=5).contains(&world.board.lists()),
        "{} lists in 20 s",
        world.board.lists()
    );
    // What moves it is seen at the next look.
    world.board.set(vec![member("a", 1), member("b", 2)]);
    pass(1).await;
    assert_eq!(world.usable(), ["a", "b"]);
    // What doesn't, with the next list.
    world.board.hint("b", HealthHint::Unhealthy);
    pass(5).await;
    let hints: Vec<_> = world
        .picture
        .borrow()
        .members
        .iter()
        .map(|view| view.hint)
        .collect();
    assert_eq!(hints, [HealthHint::Healthy, HealthHint::Unhealthy]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_keeps_the_last_known_members_and_says_since_when() {
    let world = World::start(false);
    world.board.set(vec![member("a", 1), member("b", 2)]);
    pass(1).await;
    for silent in [false, true] {
        world.board.silent(silent);
        world.board.away(!silent);
        pass(60).await;
        let now = world.picture.borrow().clone();
        assert_eq!(world.usable(), ["a", "b"]);
        assert_eq!(now.stale_since, Some(Timestamp::from_millis(1_000)));
        assert!(now.why.is_some_and(|why| why.starts_with("a board: ")));
        world.board.silent(false);
        world.board.away(false);
        pass(6).await;
        let now = world.picture.borrow().clone();
        assert_eq!((now.stale_since, now.why), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_it_is_asked_less_and_less_but_every_few_seconds() {
    let world = World::start(false);
    pass(1).await;
    world.board.away(true);
    pass(3600).await;
    world.board.set(vec![member("a", 1)]);
    world.board.away(false);
    pass(5).await;
    assert_eq!(world.usable(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn before_the_first_answer_nothing_is_known() {
    let board = Arc::<Board>::default();
    board.away(true);
    let world = World::of(false, board);
    pass(10).await;
    let now = world.picture.borrow().clone();
    assert!(
        !now.known && now.members.is_empty() && now.stale_since.is_some(),
        "{now:?}"
    );
    world.board.away(false);
    pass(6).await;
    let now = world.picture.borrow().clone();
    assert!(
        now.known && now.members.is_empty() && now.stale_since.is_none(),
        "{now:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_believed_when_it_comes_twice() {
    let world = World::start(false);
    world.board.set(vec![member("a", 1)]);
    pass(4).await;
    world.board.set(Vec::new());
    // One look has seen it, and the next hasn't come.
    pass(0).await;
    sleep(Duration::from_millis(900)).await;
    assert_eq!(world.all(), ["a"]);
    pass(1).await;
    assert_eq!(world.all(), Vec::<String>::new());
    // A single empty answer between full ones is none.
    world.board.set(vec![member("a", 1)]);
    pass(1).await;
    let mut picture = world.picture.clone();
    picture.mark_unchanged();
    world.board.set(Vec::new());
    pass(0).await;
    sleep(Duration::from_millis(900)).await;
    world.board.set(vec![member("a", 1)]);
    pass(10).await;
    assert_eq!(
        (world.all(), picture.has_changed().unwrap()),
        (vec!["a".to_owned()], false)
    );
}

#[tokio::test(start_paused = true)]
async fn unprobed_a_newcomer_said_to_be_unwell_is_not_used_and_one_in_use_stays() {
    let world = World::start(false);
    let unwell = Sighted::unwell("b", 2);
    world.board.set(vec![member("a", 1), unwell]);
    pass(1).await;
    assert_eq!((world.usable(), world.all().len()), (vec!["a".to_owned()], 2));
    // Whoever uses it finds out himself.
    world.board.hint("a", HealthHint::Unhealthy);
    world.board.hint("b", HealthHint::Healthy);
    pass(6).await;
    assert_eq!(world.usable(), ["a", "b"]);
}

struct Sighted;

impl Sighted {
    fn unwell(id: &str, port: u16) -> greenroom_kernel::Sighting {
        let mut seen = member(id, port);
        seen.hint = HealthHint::Unhealthy;
        seen
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_s_own_word_decides_over_the_directory_s() {
    let world = World::start(true);
    world.answering.well(&["b"]);
    world.board.set(vec![member("a", 1), Sighted::unwell("b", 2)]);
    pass(1).await;
    assert_eq!(world.usable(), ["b"], "said to be unwell, and well");
    let why = world.picture.borrow().members[0].unusable.clone();
    assert_eq!(
        why.as_deref(),
        Some("connection refused"),
        "said to be well, and gone"
    );
    world.answering.well(&["a"]);
    pass(2).await;
    assert_eq!(world.usable(), ["a", "b"], "one missed answer is none");
    pass(2).await;
    assert_eq!(world.usable(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn members_are_asked_through_an_outage_and_newcomers_at_once() {
    let world = World::start(true);
    world.answering.well(&["a", "b"]);
    world.board.set(vec![member("a", 1)]);
    pass(1).await;
    world.board.set(vec![member("a", 1), member("b", 2)]);
    pass(1).await;
    assert_eq!(world.usable(), ["a", "b"]);
    world.board.away(true);
    world.answering.well(&["b"]);
    pass(5).await;
    assert_eq!((world.usable(), world.all().len()), (vec!["b".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_member_is_unwell_holds_up_nobody_and_is_asked_no_more_when_it_left() {
    let world = World::start(true);
    world.answering.well(&["a"]);
    world.answering.slow.store(60_000, Ordering::SeqCst);
    world.board.set(vec![member("a", 1)]);
    pass(5).await;
    assert_eq!(world.usable(), Vec::<String>::new());
    world.board.set(vec![member("a", 1), member("b", 2)]);
    pass(1).await;
    assert_eq!(world.all(), ["a", "b"]);
    world.board.set(Vec::new());
    pass(10).await;
    let asked = world.answering.asked.load(Ordering::SeqCst);
    pass(60).await;
    assert_eq!(world.answering.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test(start_paused = true)]
async fn the_next_start_of_a_process_is_another_member() {
    let world = World::start(true);
    world.answering.well(&["a"]);
    let mut first = member("a", 1);
    first.member.incarnation = Some(1);
    world.board.set(vec![first.clone()]);
    pass(1).await;
    assert_eq!(world.usable(), ["a"]);
    world.answering.well(&[]);
    first.member.incarnation = Some(2);
    world.board.set(vec![first]);
    pass(1).await;
    assert_eq!(
        world.usable(),
        Vec::<String>::new(),
        "what the first one said is not its word"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_members_are_kept_than_the_bound() {
    let world = World::start(false);
    world
        .board
        .set((0..1200).map(|n| member(&format!("m-{n}"), 1 + n)).collect());
    pass(1).await;
    assert_eq!(world.all().len(), crate::MOST_MEMBERS);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_told_though_the_directory_hangs_and_closes_its_picture() {
    let mut world = World::start(false);
    pass(1).await;
    world.board.silent(true);
    pass(1).await;
    world.until.cancel();
    world.picture.mark_unchanged();
    let begun = Instant::now();
    while world.tasks.join_next().await.is_some() {}
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(world.picture.changed().await.is_err());
}
