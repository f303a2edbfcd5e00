//! What calls of a provider experienced, and what it says of itself. Pure: `now` is any duration since a fixed start.

use std::time::Duration;

use greenroom_kernel::{Ewma, Quota};

use super::allowance::Allowance;
use super::gate::Report;
use super::samples::Samples;

/// How soon what was measured counts half.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// Answers shorter than this say nothing about speed.
const TIMED_AT_LEAST: Duration = Duration::from_millis(20);

/// Why nobody is let through for a while.
#[derive(Debug, Clone, Copy)]
struct Hold {
    until: Duration,
    /// It was in trouble: few are let through at first.
    ramps: bool,
}

#[derive(Debug)]
pub(super) struct Seen {
    hold: Option<Hold>,
    /// When one may be let through though the allowance is used up.
    early_at: Duration,
    pub(super) allowance: Allowance,
    pub(super) last_error: Option<String>,
    /// The last probe failed.
    pub(super) ailing: bool,
    pub(super) latency: Samples,
    pub(super) first_content: Samples,
    /// Seconds.
    pub(super) ttft: Ewma,
    /// Tokens a second.
    pub(super) speed: Ewma,
}

/// Whether new calls are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    No,
    /// It asked for that.
    For(Duration),
    /// Its allowance is used up.
    UsedUp(Duration),
    /// No more, since now: after trouble.
    OverAfterTrouble,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            hold: None,
            early_at: Duration::ZERO,
            allowance: Allowance::default(),
            last_error: None,
            ailing: false,
            latency: Samples::default(),
            first_content: Samples::default(),
            ttft: Ewma::new(HALF_LIFE),
            speed: Ewma::new(HALF_LIFE),
        }
    }

    /// Takes note of how a call ended.
    pub(super) fn ended(&mut self, report: &Report<'_>, now: Duration) {
        if let Some(fault) = report.fault {
            // What is wrong with one caller's request is nobody else's business.
            if fault.class.is_provider_fault() {
                self.last_error = Some(fault.message.clone());
                if let Some(wait) = fault.retry_after {
                    self.hold_for(wait, true, now);
                }
            }
        } else {
            self.latency.add(report.took);
            self.ailing = false;
            self.learn_speed(report, now);
        }
        if let Some(first) = report.first_content {
            self.first_content.add(first);
            self.ttft.add(first.as_secs_f64(), now);
        }
        if let Some(quota) = report.quota {
            self.told(quota, now);
        }
    }

    fn told(&mut self, quota: Quota, now: Duration) {
        if let Some(wait) = self.allowance.told(quota, now) {
            self.hold_for(wait, false, now);
        }
    }

    fn learn_speed(&mut self, report: &Report<'_>, now: Duration) {
        let writing = report.took.saturating_sub(report.first_sign.unwrap_or_default());
        if let Some(tokens) = report.output_tokens
            && tokens > 0
            && writing >= TIMED_AT_LEAST
        {
            self.speed.add(tokens as f64 / writing.as_secs_f64(), now);
        }
    }

    /// A call that began before and ends well, or asks for less, takes nothing of it back.
    fn hold_for(&mut self, wait: Duration, ramps: bool, now: Duration) {
        let until = now.saturating_add(wait);
        let before = self.hold.filter(|hold| hold.until > now || hold.ramps);
        self.hold = Some(Hold {
            until: before.map_or(until, |hold| hold.until.max(until)),
            ramps: ramps || before.is_some_and(|hold| hold.ramps),
        });
    }

    /// How long new calls are still held back.
    pub(super) fn held_for(&self, now: Duration) -> Option<Duration> {
        let left = self.hold?.until.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    /// Asks for a call against our own judgement. Says how long to wait for it; nothing where it may be made.
    pub(super) fn early(&mut self, every: Duration, now: Duration) -> Option<Duration> {
        let left = self.held_for(now)?;
        if self.hold.is_some_and(|hold| hold.ramps) {
            return Some(left);
        }
        let soon = self.early_at.saturating_sub(now);
        if soon.is_zero() {
            self.early_at = now.saturating_add(every);
            return None;
        }
        Some(soon.min(left))
    }

    /// Asks for a call. Says only once that a hold is over.
    pub(super) fn held(&mut self, now: Duration) -> Held {
        if let Some(left) = self.held_for(now) {
            return match self.hold {
                Some(Hold { ramps: false, .. }) => Held::UsedUp(left),
                _ => Held::For(left),
            };
        }
        match self.hold.take() {
            Some(Hold { ramps: true, .. }) => Held::OverAfterTrouble,
            _ => Held::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{FaultClass, ProviderFault};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttled(wait: Duration) -> ProviderFault {
        ProviderFault {
            retry_after: Some(wait),
            ..ProviderFault::new("a", FaultClass::Throttled, "slowly")
        }
    }

    #[test]
    fn the_longest_hold_counts_and_its_end_is_told_once() {
        let mut seen = Seen::new();
        assert_eq!(seen.held(SECOND), Held::No);
        for wait in [9, 3] {
            let fault = throttled(wait * SECOND);
            let report = Report {
                fault: Some(&fault),
                ..Report::default()
            };
            seen.ended(&report, SECOND);
        }
        let used_up = Quota {
            requests_left: Some(0),
            tokens_left: None,
            resets_in: Some(SECOND),
        };
        seen.ended(
            &Report {
                quota: Some(used_up),
                ..Report::default()
            },
            2 * SECOND,
        );
        assert_eq!(seen.held(2 * SECOND), Held::For(8 * SECOND));
        assert_eq!(seen.held(10 * SECOND), Held::OverAfterTrouble);
        assert_eq!(seen.held(10 * SECOND), Held::No);
        seen.ended(
            &Report {
                quota: Some(used_up),
                ..Report::default()
            },
            11 * SECOND,
        );
        assert_eq!(seen.held(11 * SECOND), Held::UsedUp(SECOND));
        assert_eq!(seen.held(12 * SECOND), Held::No);
    }

    #[test]
    fn only_our_own_judgement_is_gone_against_and_seldom() {
        let mut seen = Seen::new();
        assert_eq!(seen.early(SECOND, SECOND), None);
        let quota = Some(Quota {
            requests_left: Some(0),
            tokens_left: None,
            resets_in: Some(30 * SECOND),
        });
        seen.ended(
            &Report {
                quota,
                ..Report::default()
            },
            2 * SECOND,
        );
        assert_eq!(seen.early(SECOND, 2 * SECOND), None);
        assert_eq!(seen.early(SECOND, 2 * SECOND), Some(SECOND));
        assert_eq!(seen.early(SECOND, 3 * SECOND), None);
        let fault = throttled(9 * SECOND);
        let report = Report {
            fault: Some(&fault),
            ..Report::default()
        };
        seen.ended(&report, 3 * SECOND);
        assert_eq!(seen.early(SECOND, 20 * SECOND), Some(12 * SECOND));
    }

    #[test]
    fn speed_is_counted_from_the_first_sign_and_only_of_answers() {
        let mut seen = Seen::new();
        let report = Report {
            took: 6 * SECOND,
            first_sign: Some(SECOND),
            first_content: Some(2 * SECOND),
            output_tokens: Some(50),
            ..Report::default()
        };
        seen.ended(&report, SECOND);
        assert_eq!(
            (seen.speed.get(SECOND), seen.ttft.get(SECOND)),
            (Some(10.0), Some(2.0))
        );
        let fault = throttled(SECOND);
        let lost = Report {
            fault: Some(&fault),
            output_tokens: Some(5000),
            ..report
        };
        seen.ended(&lost, SECOND);
        let whole = Report {
            took: SECOND,
            first_sign: Some(SECOND),
            output_tokens: Some(9),
            ..Report::default()
        };
        seen.ended(&whole, SECOND);
        assert_eq!(seen.speed.get(SECOND), Some(10.0));
    }
}
