//! The course of one call over its targets: who may be tried next after what has failed. Pure.

use std::time::Duration;

use greenroom_kernel::{FaultClass, TryKind};

#[derive(Debug, Clone)]
struct Standing {
    window: Option<u32>,
    tries: u32,
    /// Trying it again can't help this call.
    out: bool,
    retry_after: Option<Duration>,
}

/// What is left to try, by index, the preferred first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// Not tried yet: going there is a failover and costs no retry.
    pub(crate) fresh: Vec<usize>,
    /// Tried before: going there is a retry, after a wait, out of the budget.
    pub(crate) again: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Course {
    targets: Vec<Standing>,
    made: u32,
    /// Whether what one target's content filter refuses may be asked of another.
    reroutes: bool,
}

impl Course {
    /// A call over targets with these context windows.
    pub(crate) fn new(windows: impl IntoIterator<Item = Option<u32>>) -> Self {
        let standing = |window| Standing {
            window,
            tries: 0,
            out: false,
            retry_after: None,
        };
        Self {
            targets: windows.into_iter().map(standing).collect(),
            made: 0,
            reroutes: false,
        }
    }

    /// The same, where what a content filter refuses may be asked of the next target.
    pub(crate) fn rerouting(mut self, reroutes: bool) -> Self {
        self.reroutes = reroutes;
        self
    }

    /// Why a try there would be made.
    pub(crate) fn kind(&self, at: usize) -> TryKind {
        let tried = self.targets.get(at).is_some_and(|target| target.tries > 0);
        match (self.made, tried) {
            (0, _) => TryKind::First,
            (_, true) => TryKind::Retry,
            (_, false) => TryKind::Failover,
        }
    }

    /// Whether a fault of this class ends the call, whoever is left.
    pub(crate) fn is_final(&self, class: FaultClass) -> bool {
        match class {
            FaultClass::BadRequest | FaultClass::Cancelled => true,
            FaultClass::ContentFilter => !self.reroutes,
            FaultClass::Transient
            | FaultClass::Throttled
            | FaultClass::Overloaded
            | FaultClass::HardDown
            | FaultClass::ContextLength => false,
        }
    }

    /// A try was given up because another had content first.
    pub(crate) fn outrun(&mut self, at: usize) {
        self.made += 1;
        if let Some(target) = self.targets.get_mut(at) {
            target.tries += 1;
        }
    }

    /// Tries that were made.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    pub(crate) fn plan(&self) -> Plan {
        let left = || self.targets.iter().enumerate().filter(|(_, t)| !t.out);
        let fresh = left().filter(|(_, t)| t.tries == 0).map(|(i, _)| i).collect();
        let mut again: Vec<usize> = left().filter(|(_, t)| t.tries > 0).map(|(i, _)| i).collect();
        again.sort_by_key(|i| self.targets.get(*i).map_or(u32::MAX, |t| t.tries));
        Plan { fresh, again }
    }

    /// The shortest wait any of these targets asked for; zero where one asked for none.
    pub(crate) fn retry_after(&self, targets: &[usize]) -> Option<Duration> {
        targets
            .iter()
            .filter_map(|i| self.targets.get(*i))
            .map(|t| t.retry_after.unwrap_or_default())
            .min()
            .filter(|wait| !wait.is_zero())
    }

    /// A try failed. Says whether anybody is left who could do better.
    pub(crate) fn failed(&mut self, at: usize, class: FaultClass, retry_after: Option<Duration>) -> bool {
        self.made += 1;
        let is_final = self.is_final(class);
        let Some(target) = self.targets.get_mut(at) else {
            return false;
        };
        target.tries += 1;
        target.retry_after = retry_after;
        let window = target.window;
        if is_final {
            return false;
        }
        match class {
            FaultClass::Transient | FaultClass::Throttled | FaultClass::Overloaded => {}
            // Whoever refused the content once refuses it again.
            FaultClass::HardDown | FaultClass::ContentFilter => target.out = true,
            FaultClass::ContextLength => {
                for other in &mut self.targets {
                    let larger = matches!((other.window, window), (Some(o), Some(w)) if o > w);
                    other.out |= !larger;
                }
            }
            FaultClass::BadRequest | FaultClass::Cancelled => return false,
        }
        self.targets.iter().any(|t| !t.out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(fresh: &[usize], again: &[usize]) -> Plan {
        Plan {
            fresh: fresh.to_vec(),
            again: again.to_vec(),
        }
    }

    #[test]
    fn untried_targets_come_first_then_the_least_tried() {
        let mut course = Course::new([None, None, None]);
        assert_eq!(course.plan(), plan(&[0, 1, 2], &[]));
        assert!(course.failed(0, FaultClass::Transient, None));
        assert_eq!(course.plan(), plan(&[1, 2], &[0]));
        assert!(course.failed(0, FaultClass::Transient, None));
        assert!(course.failed(1, FaultClass::Overloaded, None));
        assert_eq!(course.plan(), plan(&[2], &[1, 0]));
        assert_eq!(course.made(), 3);
    }

    #[test]
    fn a_target_that_is_hard_down_is_not_tried_again() {
        let mut course = Course::new([None, None]);
        assert!(course.failed(0, FaultClass::HardDown, None));
        assert_eq!(course.plan(), plan(&[1], &[]));
        assert!(!course.failed(1, FaultClass::HardDown, None));
    }

    #[test]
    fn a_conversation_too_long_goes_only_to_larger_windows() {
        let mut course = Course::new([Some(100), Some(50), None, Some(200)]);
        assert!(course.failed(0, FaultClass::ContextLength, None));
        assert_eq!(course.plan(), plan(&[3], &[]));
        assert!(!course.failed(3, FaultClass::ContextLength, None));
        assert!(!Course::new([None, Some(9)]).failed(0, FaultClass::ContextLength, None));
    }

    #[test]
    fn what_a_filter_refuses_goes_elsewhere_only_where_the_route_says_so_and_never_back() {
        assert!(!Course::new([None, None]).failed(0, FaultClass::ContentFilter, None));
        let mut course = Course::new([None, None]).rerouting(true);
        assert!(course.failed(0, FaultClass::ContentFilter, None));
        assert_eq!(course.plan(), plan(&[1], &[]));
        assert!(!course.failed(1, FaultClass::ContentFilter, None));
    }

    #[test]
    fn a_try_is_known_by_what_went_before_it() {
        let mut course = Course::new([None, None]);
        assert_eq!(course.kind(0), TryKind::First);
        course.failed(0, FaultClass::Transient, None);
        assert_eq!(
            (course.kind(0), course.kind(1)),
            (TryKind::Retry, TryKind::Failover)
        );
        course.outrun(1);
        assert_eq!((course.made(), course.kind(1)), (2, TryKind::Retry));
    }

    #[test]
    fn the_wait_is_the_shortest_anyone_asked_for() {
        let mut course = Course::new([None, None, None]);
        course.failed(0, FaultClass::Throttled, Some(Duration::from_secs(9)));
        course.failed(1, FaultClass::Throttled, Some(Duration::from_secs(4)));
        assert_eq!(course.retry_after(&[0, 1]), Some(Duration::from_secs(4)));
        assert_eq!(course.retry_after(&[0]), Some(Duration::from_secs(9)));
        course.failed(2, FaultClass::Transient, None);
        assert_eq!(course.retry_after(&[0, 2]), None);
    }

    proptest! {
        #[test]
        fn a_client_fault_always_ends_the_call_and_nobody_out_is_ever_planned(
            faults in prop::collection::vec((0..3usize, 0..7usize), 1..12),
        ) {
            use FaultClass::{BadRequest, ContentFilter, ContextLength, HardDown, Overloaded, Throttled, Transient};
            const CLASSES: [FaultClass; 7] =
                [Transient, Throttled, Overloaded, HardDown, BadRequest, ContextLength, ContentFilter];
            let mut course = Course::new([Some(10), Some(20), None]);
            let mut down = Vec::new();
            for (at, class) in faults {
                let class = CLASSES[class];
                let goes_on = course.failed(at, class, None);
                if matches!(class, BadRequest | ContentFilter) {
                    prop_assert!(!goes_on);
                }
                if class == HardDown {
                    down.push(at);
                }
                let Plan { fresh, again } = course.plan();
                prop_assert!(!fresh.iter().chain(&again).any(|i| down.contains(i)));
                if goes_on {
                    prop_assert!(!fresh.is_empty() || !again.is_empty());
                }
            }
        }
    }
}
