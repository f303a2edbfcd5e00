mod interleavings;

use std::time::Duration;

use super::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn config() -> BreakerConfig {
    BreakerConfig {
        window_calls: 10,
        window: s(60),
        minimum_calls: 4,
        failure_rate: 0.5,
        slow_call: s(2),
        slow_rate: 0.75,
        open_for: s(5),
        open_growth: 2.0,
        open_at_most: s(15),
        calm: s(100),
        probe_retry_after: s(1),
    }
}

fn breaker() -> Breaker {
    Breaker::new(config()).unwrap()
}

fn call(b: &mut Breaker, outcome: CallOutcome, latency: Duration, now: Duration) {
    let permit = b.try_admit(now).unwrap();
    b.settle(permit, outcome, latency, now);
}

fn opened_at(now: Duration) -> Breaker {
    let mut b = breaker();
    for _ in 0..4 {
        call(&mut b, CallOutcome::Failure, Duration::ZERO, now);
    }
    assert_eq!(b.state(now), BreakerState::Open);
    b
}

#[test]
fn too_few_calls_are_no_evidence() {
    let mut b = breaker();
    for _ in 0..3 {
        call(&mut b, CallOutcome::Failure, Duration::ZERO, s(0));
    }
    assert_eq!(b.state(s(0)), BreakerState::Closed);
    call(&mut b, CallOutcome::Failure, Duration::ZERO, s(0));
    assert_eq!(b.state(s(0)), BreakerState::Open);
}

#[test]
fn calls_that_left_the_window_by_age_or_by_count_do_not_count() {
    let mut b = breaker();
    for _ in 0..3 {
        call(&mut b, CallOutcome::Failure, Duration::ZERO, s(0));
    }
    call(&mut b, CallOutcome::Failure, Duration::ZERO, s(61));
    assert_eq!(b.state(s(61)), BreakerState::Closed, "the old three are too old");
    assert_eq!(
        b.stats(s(61)),
        CallStats {
            calls: 1,
            failures: 1,
            slow: 0
        }
    );

    let mut b = breaker();
    call(&mut b, CallOutcome::Failure, Duration::ZERO, s(0));
    for _ in 0..10 {
        call(&mut b, CallOutcome::Success, Duration::ZERO, s(0));
    }
    assert_eq!(
        b.stats(s(0)),
        CallStats {
            calls: 10,
            failures: 0,
            slow: 0
        }
    );
}

#[test]
fn slow_calls_open_it_though_they_succeed() {
    let mut b = breaker();
    for _ in 0..3 {
        call(&mut b, CallOutcome::Success, s(2), s(1));
    }
    assert_eq!(b.state(s(1)), BreakerState::Closed);
    call(&mut b, CallOutcome::Success, Duration::ZERO, s(1));
    assert_eq!(b.state(s(1)), BreakerState::Open, "three of four were slow");
}

#[test]
fn an_open_breaker_says_when_to_come_back() {
    let mut b = opened_at(s(10));
    assert_eq!(b.try_admit(s(12)).unwrap_err(), Refused { retry_after: s(3) });
    assert_eq!(b.open_until(), Some(s(15)));
    assert_eq!(b.state(s(15)), BreakerState::HalfOpen);
}

#[test]
fn asked_early_it_lets_one_probe_through_after_a_while_and_never_two() {
    let mut b = opened_at(s(10));
    let refused = |r: Result<Permit, Refused>| r.unwrap_err().retry_after;
    assert_eq!(refused(b.try_admit_early(s(1), s(10))), s(1));
    assert_eq!(
        refused(b.try_admit_early(s(60), s(10))),
        s(5),
        "never later than as ever"
    );
    let probe = b.try_admit_early(s(1), s(11)).unwrap();
    assert!(probe.is_probe());
    assert_eq!(refused(b.try_admit_early(s(1), s(11))), s(1));
    assert_eq!(refused(b.try_admit(s(11))), s(1));
    b.settle(probe, CallOutcome::Failure, Duration::ZERO, s(11));
    assert_eq!(
        b.open_until(),
        Some(s(11) + s(10)),
        "it opens for longer, as after any probe"
    );
    let probe = b.try_admit_early(s(1), s(12)).unwrap();
    b.settle(probe, CallOutcome::Success, Duration::ZERO, s(12));
    assert!(!b.try_admit_early(s(1), s(12)).unwrap().is_probe());
}

#[test]
fn a_good_probe_closes_it_with_an_empty_window() {
    let mut b = opened_at(s(0));
    let probe = b.try_admit(s(5)).unwrap();
    assert!(probe.is_probe());
    assert_eq!(b.try_admit(s(5)).unwrap_err(), Refused { retry_after: s(1) });
    b.settle(probe, CallOutcome::Success, Duration::ZERO, s(6));
    assert_eq!(b.state(s(6)), BreakerState::Closed);
    assert_eq!(b.stats(s(6)).calls, 0);
}

#[test]
fn a_failed_or_slow_probe_opens_it_for_longer_up_to_the_bound() {
    for (outcome, latency) in [(CallOutcome::Failure, s(0)), (CallOutcome::Success, s(2))] {
        let mut b = opened_at(s(0));
        let mut now = s(5);
        for open_for in [s(10), s(15), s(15)] {
            let probe = b.try_admit(now).unwrap();
            b.settle(probe, outcome, latency, now);
            assert_eq!(b.open_until(), Some(now + open_for));
            now += open_for;
        }
    }
}

#[test]
fn a_calm_time_makes_the_next_opening_a_first_one() {
    for (failing_again_at, open_for) in [(s(6), s(10)), (s(106), s(5))] {
        let mut b = opened_at(s(0));
        call(&mut b, CallOutcome::Success, Duration::ZERO, s(6));
        for _ in 0..4 {
            call(&mut b, CallOutcome::Failure, Duration::ZERO, failing_again_at);
        }
        assert_eq!(b.open_until(), Some(failing_again_at + open_for));
    }
}

#[test]
fn a_cancelled_or_ignored_probe_frees_its_place() {
    let mut b = opened_at(s(0));
    drop(b.try_admit(s(5)).unwrap());
    let second = b.try_admit(s(5)).unwrap();
    b.settle(second, CallOutcome::Ignored, Duration::ZERO, s(5));
    let third = b.try_admit(s(5)).unwrap();
    assert!(third.is_probe());
    assert!(b.try_admit(s(5)).is_err());
}

#[test]
fn a_straggler_from_before_it_opened_changes_nothing() {
    for outcome in [CallOutcome::Success, CallOutcome::Failure] {
        let mut b = breaker();
        let before_opening = b.try_admit(s(0)).unwrap();
        let while_half_open = b.try_admit(s(0)).unwrap();
        let after_closing = b.try_admit(s(0)).unwrap();
        for _ in 0..4 {
            call(&mut b, CallOutcome::Failure, Duration::ZERO, s(0));
        }
        b.settle(before_opening, outcome, Duration::ZERO, s(1));
        assert_eq!(b.open_until(), Some(s(5)));
        let probe = b.try_admit(s(5)).unwrap();
        b.settle(while_half_open, outcome, Duration::ZERO, s(5));
        assert_eq!(b.state(s(5)), BreakerState::HalfOpen);
        assert!(b.try_admit(s(5)).is_err(), "the probe is still out");
        b.settle(probe, CallOutcome::Success, Duration::ZERO, s(5));
        b.settle(after_closing, outcome, Duration::ZERO, s(5));
        assert_eq!(b.stats(s(5)).calls, 0);
    }
}

#[test]
fn contradicting_numbers_are_refused_by_name() {
    let wrong = [
        (
            "window_calls",
            BreakerConfig {
                window_calls: 0,
                ..config()
            },
        ),
        (
            "window",
            BreakerConfig {
                window: s(0),
                ..config()
            },
        ),
        (
            "minimum_calls",
            BreakerConfig {
                minimum_calls: 11,
                ..config()
            },
        ),
        (
            "failure_rate",
            BreakerConfig {
                failure_rate: 0.0,
                ..config()
            },
        ),
        (
            "slow_rate",
            BreakerConfig {
                slow_rate: f64::NAN,
                ..config()
            },
        ),
        (
            "open_growth",
            BreakerConfig {
                open_growth: 0.9,
                ..config()
            },
        ),
        (
            "open_for",
            BreakerConfig {
                open_for: s(0),
                ..config()
            },
        ),
        (
            "open_at_most",
            BreakerConfig {
                open_at_most: s(1),
                ..config()
            },
        ),
    ];
    for (field, config) in wrong {
        assert_eq!(Breaker::new(config).unwrap_err().field, field);
    }
    assert!(BreakerConfig::default().validate().is_ok());
}

#[test]
fn states_travel_by_their_public_names() {
    for state in [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}
