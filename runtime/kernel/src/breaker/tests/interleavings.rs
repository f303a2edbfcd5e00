//! Any order of admitting, settling, dropping and waiting is a history of the breaker.

use proptest::prelude::*;

use super::*;

/// One move of a caller: any interleaving of these is a history of the breaker.
#[derive(Debug, Clone)]
enum Step {
    Admit,
    Settle(usize, CallOutcome, u64),
    Drop(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        3 => Just(CallOutcome::Failure),
        2 => Just(CallOutcome::Success),
        1 => Just(CallOutcome::Ignored),
    ];
    let step = prop_oneof![
        5 => Just(Step::Admit),
        4 => (any::<usize>(), outcome, 0..3u64).prop_map(|(i, o, l)| Step::Settle(i, o, l)),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => (0..12u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..300)
}

/// What two readings differ in when the state changed between them.
fn phase(b: &Breaker) -> (std::mem::Discriminant<Phase>, Option<Duration>) {
    (std::mem::discriminant(&b.phase), b.open_until())
}

proptest! {
    #[test]
    fn any_interleaving_keeps_one_probe_at_most_and_ignores_stragglers(steps in steps()) {
        let mut b = breaker();
        let mut now = Duration::ZERO;
        let mut changes = 0u64;
        // Each outstanding permit, with the number of changes of state before it was granted.
        let mut out: Vec<(Permit, u64)> = Vec::new();
        for step in steps {
            let (state, before) = (b.state(now), phase(&b));
            match step {
                Step::Admit => {
                    let probe_out = out.iter().any(|(p, at)| p.is_probe() && *at == changes);
                    let admitted = b.try_admit(now);
                    changes += u64::from(phase(&b) != before);
                    match state {
                        BreakerState::Closed => prop_assert!(admitted.is_ok()),
                        BreakerState::Open => {
                            let refused = admitted.as_ref().unwrap_err();
                            prop_assert!(refused.retry_after > Duration::ZERO);
                            prop_assert!(refused.retry_after <= config().open_at_most);
                        }
                        BreakerState::HalfOpen => prop_assert_eq!(admitted.is_ok(), !probe_out),
                    }
                    if let Ok(permit) = admitted {
                        prop_assert_eq!(permit.is_probe(), state == BreakerState::HalfOpen);
                        out.push((permit, changes));
                    }
                    let probes = out.iter().filter(|(p, at)| p.is_probe() && *at == changes).count();
                    prop_assert!(probes <= 1);
                }
                Step::Settle(i, outcome, latency) if !out.is_empty() => {
                    let (permit, granted) = out.swap_remove(i % out.len());
                    let stats = b.stats(now);
                    b.settle(permit, outcome, s(latency), now);
                    if granted != changes || outcome == CallOutcome::Ignored {
                        prop_assert_eq!(phase(&b), before, "a straggler moved it");
                        prop_assert_eq!(b.stats(now), stats, "a straggler was counted");
                    } else if state == BreakerState::HalfOpen {
                        prop_assert_ne!(phase(&b), before, "the probe decided nothing");
                    }
                    changes += u64::from(phase(&b) != before);
                }
                Step::Drop(i) if !out.is_empty() => {
                    drop(out.swap_remove(i % out.len()));
                    prop_assert_eq!(phase(&b), before);
                }
                Step::Wait(seconds) => now += s(seconds),
                Step::Settle(..) | Step::Drop(_) => {}
            }
        }
    }
}
