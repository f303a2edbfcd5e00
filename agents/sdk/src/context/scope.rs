//! Names for steps and seeds for random numbers: fixed by the program's order, never by the order of arrival.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use greenroom_kernel::{ErrorCode, Failure, StepPath};

/// One sequence of calls.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Empty, or a path with a dot behind it.
    prefix: String,
    next: AtomicU32,
    draws: AtomicU64,
}

impl Scope {
    /// The next call's path.
    pub(crate) fn next_path(&self) -> Result<StepPath, Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        StepPath::parse(&format!("{}{number}", self.prefix)).map_err(|_| {
            let limit = "scopes are nested too deeply: a step's path has at most 256 bytes";
            Failure::new(ErrorCode::LimitExceeded, limit)
        })
    }

    /// A sequence inside this one, in the place of its next call.
    pub(crate) fn nested(&self) -> Arc<Self> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            prefix: format!("{}{number}.", self.prefix),
            ..Self::default()
        })
    }

    /// The next of the sequence's own random numbers.
    pub(crate) fn draw(&self, seed: u64) -> u64 {
        let count = self.draws.fetch_add(1, Ordering::Relaxed);
        let place = self
            .prefix
            .bytes()
            .fold(seed, |state, byte| mix(state ^ u64::from(byte)).wrapping_add(1));
        mix(place.wrapping_add(GAMMA.wrapping_mul(count.wrapping_add(1))))
    }
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators").
const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_count_in_their_scope_and_nest() {
        let root = Scope::default();
        let path = |scope: &Scope| scope.next_path().unwrap().to_string();
        assert_eq!(path(&root), "0");
        let (a, b) = (root.nested(), root.nested());
        assert_eq!(path(&root), "3");
        assert_eq!(path(&b), "2.0");
        assert_eq!(path(&a), "1.0");
        assert_eq!(path(&a.nested()), "1.1.0");
        assert_eq!(path(&b), "2.1");
    }

    #[test]
    fn scopes_nested_too_deeply_fail_instead_of_making_a_bad_path() {
        let mut scope = Arc::new(Scope::default());
        for _ in 0..200 {
            scope = scope.nested();
        }
        assert_eq!(scope.next_path().unwrap_err().code, ErrorCode::LimitExceeded);
    }

    #[test]
    fn random_numbers_repeat_with_the_seed_and_differ_between_scopes_and_draws() {
        let numbers = |seed| {
            let root = Scope::default();
            let branch = root.nested();
            [
                root.draw(seed),
                root.draw(seed),
                branch.draw(seed),
                branch.draw(seed),
            ]
        };
        assert_eq!(numbers(7), numbers(7));
        let all: HashSet<u64> = numbers(7).into_iter().chain(numbers(8)).collect();
        assert_eq!(all.len(), 8);
    }
}
