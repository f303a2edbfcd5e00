//! Processes that come and go all the time, under work whose steps must not be repeated.

use super::*;

/// Repeatable numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Between one and four processes, coming and leaving in good order, and callers that follow.
async fn play(seed: u64) {
    let mut dice = Dice(seed);
    let host = careful();
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let (mut tasks, mut started) = (Vec::new(), 2);
    let mut sessions: Vec<SessionId> = Vec::new();
    for round in 0..12 {
        for number in 0..3 {
            let key = format!("k{round}-{number}");
            let session = match sessions.len() {
                0..=2 => None,
                all => Some(sessions[usize::try_from(dice.below(all as u64)).unwrap()].clone()),
            };
            let told = fleet
                .accept(chat(session.as_ref(), "go", &key, NOT))
                .await
                .task
                .id;
            if session.is_none() {
                sessions.push(told.journal.clone());
            }
            tasks.push(told);
        }
        tokio::time::sleep(Duration::from_millis(200 + dice.below(5_000))).await;
        let leaves = fleet.live.len() > 1 && (fleet.live.len() == 4 || dice.below(2) == 0);
        if leaves {
            let place = usize::try_from(dice.below(fleet.live.len() as u64)).unwrap();
            let node = fleet.live[place].node.to_string();
            fleet.drain(&node, Duration::from_secs(20)).await;
        } else {
            fleet.start(&format!("n{started}")).await;
            started += 1;
        }
    }
    for id in &tasks {
        let row = fleet.ended(id).await;
        assert_eq!(row.status, TaskStatus::Completed, "seed {seed}: {row:?}");
    }
    each_once(&host, 5 * tasks.len());
}

#[tokio::test(start_paused = true)]
async fn scaling_up_and_down_leaves_no_step_in_doubt_and_repeats_none() {
    for seed in 0..4 {
        play(seed).await;
    }
}
