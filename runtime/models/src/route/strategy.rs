//! Who comes first. Pure: chance is an argument.

use std::time::Duration;

use greenroom_kernel::Strategy;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A target, as a strategy sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contender {
    /// `provider/model`: sticky routes go by it.
    pub(crate) name: String,
    pub(crate) weight: u32,
    /// What it counts of its weight now, up to 1.
    pub(crate) form: f64,
    /// US dollars for this request, by estimate.
    pub(crate) cost: Option<f64>,
    /// Average time to first content.
    pub(crate) ttft: Option<Duration>,
    /// Its provider is known to be away.
    pub(crate) ailing: bool,
}

/// All of them, by index, in order. Those that ail come last, whatever the strategy.
pub(crate) fn rank(
    strategy: Strategy,
    contenders: &[Contender],
    affinity: Option<&str>,
    random: u64,
) -> Vec<usize> {
    let mut chance = StdRng::seed_from_u64(random);
    let mut order = match (strategy, affinity) {
        (Strategy::Priority, _) => (0..contenders.len()).collect(),
        (Strategy::LeastCost, _) => by(contenders, |c| c.cost.unwrap_or(f64::INFINITY)),
        (Strategy::LeastLatency, _) => quickest(contenders, &mut chance),
        (Strategy::Sticky, Some(key)) => {
            by(contenders, |c| race(drawn_for(key, &c.name), f64::from(c.weight)))
        }
        (Strategy::Weighted | Strategy::Sticky, _) => by(contenders, |c| {
            race(chance.random(), f64::from(c.weight) * c.form)
        }),
    };
    order.sort_by_key(|at| contenders.get(*at).is_some_and(|c| c.ailing));
    order
}

/// The lowest first; among equals the one that was named first.
fn by(contenders: &[Contender], mut key: impl FnMut(&Contender) -> f64) -> Vec<usize> {
    let mut keyed: Vec<(usize, f64)> = contenders.iter().map(&mut key).enumerate().collect();
    keyed.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    keyed.into_iter().map(|(at, _)| at).collect()
}

/// When a runner of this speed arrives who drew this number from 0 to 1: each is the first in proportion to its speed,
/// and who leaves the race changes nothing between the others. Without speed, never.
fn race(drawn: f64, speed: f64) -> f64 {
    if speed > 0.0 {
        -(1.0 - drawn).max(f64::MIN_POSITIVE).ln() / speed
    } else {
        f64::INFINITY
    }
}

/// A number from 0 to 1 that is always the same for these two, in every process and version.
fn drawn_for(key: &str, name: &str) -> f64 {
    let mut hash = blake3::Hasher::new();
    hash.update(&(key.len() as u64).to_le_bytes());
    hash.update(key.as_bytes());
    hash.update(name.as_bytes());
    let bytes = hash.finalize();
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes.as_bytes()[..8]);
    // The upper 53 bits: as many as a float holds.
    (u64::from_le_bytes(eight) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Those of which nothing is known first, so that it becomes known, in an order by chance; then the quicker of two drawn
/// by chance, since everybody going to the quickest would make it the slowest; then the others, the quicker first.
fn quickest(contenders: &[Contender], chance: &mut StdRng) -> Vec<usize> {
    let ttft = |at: &usize| contenders.get(*at).and_then(|c| c.ttft);
    let shuffled = by(contenders, |_| chance.random());
    let (mut order, mut known): (Vec<usize>, Vec<usize>) =
        shuffled.into_iter().partition(|at| ttft(at).is_none());
    // By chance the first two are as good as any.
    let ailing = |at: &usize| contenders.get(*at).is_some_and(|c| c.ailing);
    known.sort_by_key(ailing);
    let drawn: Vec<usize> = known.iter().take(2).copied().collect();
    let first = drawn.iter().min_by_key(|at| ttft(at)).copied();
    known.retain(|at| Some(*at) != first);
    known.sort_by_key(|at| (ttft(at), *at));
    order.extend(first);
    order.extend(known);
    order
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::Strategy::{self, LeastCost, LeastLatency, Priority, Sticky, Weighted};
    use proptest::prelude::*;
    use proptest::strategy::Strategy as _;

    use super::*;

    fn named(name: &str) -> Contender {
        Contender {
            name: name.to_owned(),
            weight: 1,
            form: 1.0,
            cost: None,
            ttft: None,
            ailing: false,
        }
    }

    fn three() -> Vec<Contender> {
        ["a/m", "b/m", "c/m"].map(named).to_vec()
    }

    /// How often each came first.
    fn firsts(strategy: Strategy, contenders: &[Contender]) -> Vec<usize> {
        let mut firsts = vec![0; contenders.len()];
        for random in 0..10_000 {
            firsts[rank(strategy, contenders, None, random)[0]] += 1;
        }
        firsts
    }

    #[test]
    fn priority_is_the_named_order() {
        assert_eq!(rank(Priority, &three(), Some("x"), 7), [0, 1, 2]);
    }

    #[test]
    fn the_cheapest_come_first_and_those_without_a_price_last() {
        let mut contenders = three();
        contenders[1].cost = Some(0.02);
        contenders[2].cost = Some(0.01);
        assert_eq!(rank(LeastCost, &contenders, None, 7), [2, 1, 0]);
        contenders[1].cost = Some(0.01);
        assert_eq!(rank(LeastCost, &contenders, None, 7), [1, 2, 0]);
    }

    #[test]
    fn weights_are_kept_in_proportion_and_one_that_is_scarce_or_weighs_nothing_comes_less_or_last() {
        let mut contenders = three();
        (contenders[0].weight, contenders[1].weight, contenders[2].weight) = (6, 3, 1);
        let near = |count: usize, share: usize| count.abs_diff(share) < 250;
        let counts = firsts(Weighted, &contenders);
        assert!(
            near(counts[0], 6_000) && near(counts[1], 3_000) && near(counts[2], 1_000),
            "{counts:?}"
        );
        contenders[0].form = 0.1;
        let counts = firsts(Weighted, &contenders);
        assert!(near(counts[0], 1_304) && near(counts[1], 6_522), "{counts:?}");
        contenders[1].weight = 0;
        assert!((0..100).all(|random| rank(Weighted, &contenders, None, random)[2] == 1));
    }

    #[test]
    fn the_unknown_are_explored_first_then_the_quicker_of_two_drawn_goes_first_and_never_the_slowest() {
        let mut contenders = three();
        contenders[0].ttft = Some(Duration::from_millis(300));
        contenders[1].ttft = Some(Duration::from_millis(100));
        let counts = firsts(LeastLatency, &contenders);
        assert_eq!(counts, [0, 0, 10_000]);
        contenders[2].ttft = Some(Duration::from_millis(200));
        let counts = firsts(LeastLatency, &contenders);
        assert_eq!(counts[0], 0);
        assert!((6_200..7_200).contains(&counts[1]), "{counts:?}");
        let two = rank(LeastLatency, &contenders[..2], None, 3);
        assert_eq!(two, [1, 0]);
        contenders[1].ttft = None;
        contenders[2].ttft = None;
        let counts = firsts(LeastLatency, &contenders);
        assert!((4_500..5_500).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn a_key_sticks_to_its_target_and_keys_spread_by_weight() {
        let mut contenders = three();
        contenders[0].weight = 2;
        let mut counts = [0_usize; 3];
        for key in 0..4_000 {
            let key = format!("session-{key}");
            let order = rank(Sticky, &contenders, Some(&key), 1);
            assert_eq!(order, rank(Sticky, &contenders, Some(&key), 2));
            counts[order[0]] += 1;
        }
        assert!(
            counts[0].abs_diff(2_000) < 150 && counts[1].abs_diff(1_000) < 150,
            "{counts:?}"
        );
        // Written down, since other processes and later versions must draw the same.
        assert_eq!(rank(Sticky, &contenders, Some("session-1"), 1), [0, 2, 1]);
    }

    fn contender() -> impl proptest::strategy::Strategy<Value = Contender> {
        let ms = prop::option::of(0..5_000u64);
        (
            "[a-c]/[a-z]{1,4}",
            0..5u32,
            0.1..1.0f64,
            prop::option::of(0.0..1.0f64),
            ms,
            any::<bool>(),
        )
            .prop_map(|(name, weight, form, cost, ms, ailing)| Contender {
                name,
                weight,
                form,
                cost,
                ttft: ms.map(Duration::from_millis),
                ailing,
            })
    }

    proptest! {
        #[test]
        fn every_strategy_only_orders_and_those_that_ail_come_last(
            contenders in prop::collection::vec(contender(), 0..7),
            key in prop::option::of("[a-z]{0,5}"),
            random: u64,
        ) {
            for strategy in [Priority, Weighted, LeastCost, LeastLatency, Sticky] {
                let order = rank(strategy, &contenders, key.as_deref(), random);
                let mut sorted = order.clone();
                sorted.sort_unstable();
                prop_assert!(sorted.into_iter().eq(0..contenders.len()), "{strategy:?}: {order:?}");
                prop_assert!(order.is_sorted_by_key(|at| contenders[*at].ailing), "{strategy:?}: {order:?}");
            }
        }

        #[test]
        fn who_leaves_changes_nothing_between_the_others_of_a_sticky_route(
            contenders in prop::collection::vec(contender(), 1..7),
            key in "[a-z]{1,8}",
            leaves: prop::sample::Index,
        ) {
            let leaves = leaves.index(contenders.len());
            let names = |of: &[Contender]| -> Vec<Contender> {
                rank(Sticky, of, Some(&key), 0).into_iter().map(|at| of[at].clone()).collect()
            };
            let mut before = names(&contenders);
            let mut fewer = contenders.clone();
            let gone = fewer.remove(leaves);
            let at = before.iter().position(|c| *c == gone).unwrap();
            before.remove(at);
            prop_assert_eq!(before, names(&fewer));
        }
    }
}
