use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const QUICK: LimitSignal = LimitSignal::Answered(SECOND);

fn below(ceiling: u32) -> AdaptiveLimit {
    AdaptiveLimit::new(LimitConfig::below(ceiling))
}

/// As many calls as the limit allows, begun and ended together.
fn round(limit: &mut AdaptiveLimit, signal: LimitSignal, now: Duration) {
    let running = limit.current();
    for _ in 0..running {
        limit.ended(signal, now, running, now + SECOND);
    }
}

#[test]
fn a_round_of_refusals_cuts_once_and_good_rounds_give_one_back_each() {
    let mut limit = below(40);
    assert_eq!(limit.current(), 40);
    round(&mut limit, LimitSignal::TooMuch, SECOND);
    assert_eq!(limit.current(), 24);
    // From before the cut.
    limit.ended(LimitSignal::TooMuch, SECOND, 24, 3 * SECOND);
    assert_eq!(limit.current(), 24);
    for n in 1..=4 {
        round(&mut limit, QUICK, (2 + n) * SECOND);
    }
    assert!((27..=28).contains(&limit.current()), "{}", limit.current());
    round(&mut limit, LimitSignal::TooMuch, 9 * SECOND);
    assert!((16..=17).contains(&limit.current()), "{}", limit.current());
}

#[test]
fn a_limit_that_is_hardly_used_does_not_grow() {
    let mut limit = below(40);
    round(&mut limit, LimitSignal::TooMuch, SECOND);
    for n in 2..200 {
        limit.ended(QUICK, n * SECOND, 3, (n + 1) * SECOND);
    }
    assert_eq!(limit.current(), 24);
}

#[test]
fn latency_that_rises_while_the_limit_is_used_eases_it_and_what_stays_slow_is_accepted_at_last() {
    let mut limit = below(40);
    let slow = LimitSignal::Answered(5 * SECOND);
    round(&mut limit, QUICK, SECOND);
    // Hardly used: it isn't our queue.
    for n in 2..12 {
        limit.ended(slow, n * SECOND, 3, (n + 1) * SECOND);
    }
    assert_eq!(limit.current(), 40);
    for n in 12..22 {
        round(&mut limit, slow, n * SECOND);
    }
    let eased = limit.current();
    assert!((13..=16).contains(&eased), "{eased}");
    for n in 22..100 {
        round(&mut limit, slow, n * SECOND);
    }
    assert_eq!(limit.current(), 10);
    for n in 100..1000 {
        round(&mut limit, slow, n * SECOND);
    }
    assert_eq!(limit.current(), 40);
}

#[test]
fn after_a_recovery_few_are_let_through_then_twice_as_many_each_round_then_one_more() {
    let mut limit = below(80);
    limit.recovered(SECOND);
    let mut allowed = vec![limit.current()];
    for n in 2..9 {
        round(&mut limit, QUICK, n * SECOND);
        allowed.push(limit.current());
    }
    assert_eq!(allowed[..4], [8, 16, 32, 40], "{allowed:?}");
    assert!(
        allowed
            .windows(2)
            .skip(3)
            .all(|w| w[1] <= w[0] + 2 && w[1] > w[0]),
        "{allowed:?}"
    );
    limit.recovered(10 * SECOND);
    assert_eq!(limit.current(), 8);
}

#[test]
fn a_limit_of_one_stays_one() {
    let mut limit = below(1);
    for n in 0..20 {
        round(
            &mut limit,
            if n % 2 == 0 { LimitSignal::TooMuch } else { QUICK },
            n * SECOND,
        );
        assert_eq!(limit.current(), 1);
    }
    assert_eq!(below(0).current(), 1);
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Ended(LimitSignal, u64, u32),
    Recovered,
}

fn event() -> impl Strategy<Value = Event> {
    let signal = prop_oneof![
        3 => (0..100_000u64).prop_map(|ms| LimitSignal::Answered(Duration::from_millis(ms))),
        1 => Just(LimitSignal::TooMuch),
        1 => Just(LimitSignal::Nothing),
    ];
    prop_oneof![
        9 => (signal, 0..30u64, 0..200u32).prop_map(|(s, ago, running)| Event::Ended(s, ago, running)),
        1 => Just(Event::Recovered),
    ]
}

proptest! {
    #[test]
    fn a_limit_stays_between_one_and_its_ceiling_whatever_happens(
        ceiling in 1..150u32,
        events in prop::collection::vec(event(), 0..400),
    ) {
        let mut limit = below(ceiling);
        for (second, event) in (0u64..).zip(events) {
            let (now, before) = (Duration::from_secs(second), limit.current());
            match event {
                Event::Ended(signal, ago, running) => {
                    limit.ended(signal, Duration::from_secs(second.saturating_sub(ago)), running, now);
                    if signal != LimitSignal::TooMuch {
                        prop_assert!(limit.current() <= before + 1);
                    } else {
                        prop_assert!(limit.current() <= before);
                    }
                }
                Event::Recovered => {
                    limit.recovered(now);
                    prop_assert!(limit.current() <= (ceiling / 10).max(1));
                }
            }
            prop_assert!((1..=ceiling).contains(&limit.current()));
        }
    }

    #[test]
    fn good_rounds_lead_back_to_the_ceiling_from_anywhere(
        ceiling in 1..60u32,
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut limit = below(ceiling);
        for (second, event) in (0u64..).zip(events) {
            match event {
                Event::Ended(signal, ..) => {
                    let signal = if signal == LimitSignal::TooMuch { signal } else { QUICK };
                    limit.ended(signal, Duration::from_secs(second), ceiling, Duration::from_secs(second));
                }
                Event::Recovered => limit.recovered(Duration::from_secs(second)),
            }
        }
        let mut rounds = 0;
        while limit.current() < ceiling {
            round(&mut limit, QUICK, Duration::from_secs(1000 + rounds));
            rounds += 1;
            prop_assert!(rounds < 200, "{limit:?}");
        }
    }
}
