//! Whose turn it is among several credentials. Pure: `now` is any time that never steps backwards.

use std::time::Duration;

/// How long a refused credential is left alone at first.
const FIRST: Duration = Duration::from_secs(60);

/// What that grows to, doubling each time it is refused again.
const AT_MOST: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    unusable_until: Option<Duration>,
    /// Refusals since it was last accepted.
    refusals: u32,
}

impl Standing {
    fn is_usable(self, now: Duration) -> bool {
        self.unusable_until.is_none_or(|until| until <= now)
    }
}

#[derive(Debug)]
pub(super) struct Turns {
    current: usize,
    standings: Vec<Standing>,
}

impl Turns {
    pub(super) fn of(credentials: usize) -> Self {
        Self {
            current: 0,
            standings: vec![Standing::default(); credentials],
        }
    }

    /// The current one while it can be used, else the next that can. Where none can, the one that can soonest: whether
    /// it is refused again is for the provider to say.
    pub(super) fn turn(&mut self, now: Duration) -> Option<usize> {
        let soonest = || {
            let all = self.standings.iter().enumerate();
            all.min_by_key(|(_, s)| s.unusable_until).map(|(at, _)| at)
        };
        let turn = self.usable_from(self.current, &[], now).or_else(soonest)?;
        self.current = turn;
        Some(turn)
    }

    /// Who may be tried after these were refused.
    pub(super) fn instead(&mut self, tried: &[usize], now: Duration) -> Option<usize> {
        let next = self.usable_from(self.current, tried, now)?;
        self.current = next;
        Some(next)
    }

    fn usable_from(&self, from: usize, tried: &[usize], now: Duration) -> Option<usize> {
        let count = self.standings.len();
        let order = (0..count).map(|step| (from + step) % count);
        let fit =
            |at: &usize| !tried.contains(at) && self.standings.get(*at).is_some_and(|s| s.is_usable(now));
        order.into_iter().find(fit)
    }

    pub(super) fn accepted(&mut self, at: usize) {
        if let Some(standing) = self.standings.get_mut(at) {
            *standing = Standing::default();
        }
    }

    /// Leaves one alone. Calls that were under way with it and are refused too don't count again.
    pub(super) fn refused(&mut self, at: usize, wait: Option<Duration>, now: Duration) {
        let Some(standing) = self.standings.get_mut(at) else {
            return;
        };
        let asked = wait.map(|wait| now.saturating_add(wait));
        if !standing.is_usable(now) {
            standing.unusable_until = standing.unusable_until.max(asked);
            return;
        }
        let own = FIRST.saturating_mul(1 << standing.refusals.min(16)).min(AT_MOST);
        standing.unusable_until = asked.or(Some(now.saturating_add(own)));
        standing.refusals = standing.refusals.saturating_add(1);
    }

    pub(super) fn usable(&self, now: Duration) -> usize {
        self.standings.iter().filter(|s| s.is_usable(now)).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_is_used_until_it_is_refused_and_the_next_is_kept_after_that() {
        let mut turns = Turns::of(3);
        assert_eq!(turns.turn(Duration::ZERO), Some(0));
        turns.refused(0, None, SECOND);
        assert_eq!(turns.instead(&[0], SECOND), Some(1));
        assert_eq!((turns.turn(2 * SECOND), turns.usable(2 * SECOND)), (Some(1), 2));
        assert_eq!((turns.turn(62 * SECOND), turns.usable(62 * SECOND)), (Some(1), 3));
        turns.refused(1, None, 62 * SECOND);
        turns.refused(2, None, 62 * SECOND);
        assert_eq!(turns.turn(63 * SECOND), Some(0));
    }

    #[test]
    fn what_is_refused_again_and_again_is_left_alone_twice_as_long_up_to_an_hour() {
        let mut turns = Turns::of(1);
        let (mut now, mut waits) = (Duration::ZERO, Vec::new());
        for _ in 0..8 {
            turns.refused(0, None, now);
            let mut waited = 0;
            while turns.usable(now) == 0 {
                now += SECOND;
                waited += 1;
            }
            waits.push(waited);
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        turns.accepted(0);
        turns.refused(0, None, now);
        assert_eq!(
            (turns.usable(now + 59 * SECOND), turns.usable(now + 60 * SECOND)),
            (0, 1)
        );
    }

    #[test]
    fn the_provider_s_word_is_heard_and_calls_that_were_under_way_don_t_count_again() {
        let mut turns = Turns::of(1);
        turns.refused(0, Some(5 * SECOND), Duration::ZERO);
        turns.refused(0, None, SECOND);
        turns.refused(0, Some(2 * SECOND), SECOND);
        assert_eq!((turns.usable(4 * SECOND), turns.usable(5 * SECOND)), (0, 1));
        turns.refused(0, None, 5 * SECOND);
        assert_eq!((turns.usable(124 * SECOND), turns.usable(125 * SECOND)), (0, 1));
    }

    #[test]
    fn where_none_can_be_used_it_is_the_one_s_turn_that_can_soonest() {
        let mut turns = Turns::of(2);
        turns.refused(0, Some(9 * SECOND), Duration::ZERO);
        turns.refused(1, Some(5 * SECOND), Duration::ZERO);
        assert_eq!(turns.turn(SECOND), Some(1));
        assert_eq!(turns.instead(&[1], SECOND), None);
        assert_eq!(Turns::of(0).turn(SECOND), None);
    }

    proptest! {
        #[test]
        fn a_try_uses_each_at_most_once_and_always_ends(
            count in 1..5usize,
            refusals in prop::collection::vec((0..5usize, prop::option::of(0..100u64)), 0..12),
            wait in prop::option::of(0..3u64),
        ) {
            let mut turns = Turns::of(count);
            let mut now = Duration::ZERO;
            for (at, wait) in refusals {
                turns.refused(at, wait.map(Duration::from_secs), now);
                now += SECOND;
            }
            let (mut tried, mut turn) = (Vec::new(), turns.turn(now));
            while let Some(at) = turn {
                prop_assert!(at < count && !tried.contains(&at));
                tried.push(at);
                turns.refused(at, wait.map(Duration::from_secs), now);
                turn = turns.instead(&tried, now);
            }
            prop_assert!(!tried.is_empty());
            // One that may be asked again at once is usable, and not asked again by the same try.
            prop_assert!(turns.usable(now) == 0 || wait == Some(0));
        }
    }
}
