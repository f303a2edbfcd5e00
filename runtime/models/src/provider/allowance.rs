//! What a provider says is left of the account's allowance, and what follows for new calls. Pure: `now` is any duration
//! since a fixed start.

use std::time::Duration;

use greenroom_kernel::Quota;

/// Nobody is left alone longer for an allowance that is used up: most fill again bit by bit, and long before all of it is
/// there some of it is. One that is still used up then says so itself.
const HOLD_AT_MOST: Duration = Duration::from_secs(60);

/// Less than this share of the most that was ever left is scarce.
const SCARCE: f64 = 0.1;

/// What the least that is left counts.
const LEAST_WEIGHT: f64 = 0.1;

/// How long a word without a time holds.
const WORD_HOLDS: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    quota: Quota,
    /// When all of it is there again.
    until: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Allowance {
    told: Option<Told>,
    most_requests: u64,
    most_tokens: u64,
}

impl Allowance {
    /// Takes the provider's word. Says how long to leave it alone, if nothing is left.
    pub(super) fn told(&mut self, quota: Quota, now: Duration) -> Option<Duration> {
        self.most_requests = self.most_requests.max(quota.requests_left.unwrap_or_default());
        self.most_tokens = self.most_tokens.max(quota.tokens_left.unwrap_or_default());
        let until = now.saturating_add(quota.resets_in.unwrap_or(WORD_HOLDS));
        self.told = Some(Told { quota, until });
        let used_up = quota.requests_left == Some(0) || quota.tokens_left == Some(0);
        let wait = quota.resets_in.filter(|_| used_up)?;
        Some(wait.min(HOLD_AT_MOST))
    }

    /// What is left, and for how long that is true; none once it is there again.
    pub(super) fn left(&self, now: Duration) -> Option<(Quota, Duration)> {
        let told = self.told.filter(|told| told.until > now)?;
        Some((told.quota, told.until - now))
    }

    /// What a target counts of its weight: all of it, unless little is left.
    pub(super) fn weight(&self, now: Duration) -> f64 {
        let Some((quota, _)) = self.left(now) else {
            return 1.0;
        };
        let share = |left: Option<u64>, most: u64| match left {
            Some(left) if most > 0 => left as f64 / most as f64,
            Some(_) => 0.0,
            None => 1.0,
        };
        let least =
            share(quota.requests_left, self.most_requests).min(share(quota.tokens_left, self.most_tokens));
        if least < SCARCE {
            (least / SCARCE).max(LEAST_WEIGHT)
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn quota(requests: Option<u64>, tokens: Option<u64>, seconds: Option<u64>) -> Quota {
        Quota {
            requests_left: requests,
            tokens_left: tokens,
            resets_in: seconds.map(Duration::from_secs),
        }
    }

    #[test]
    fn what_is_used_up_is_left_alone_until_it_is_there_again_but_a_minute_at_most() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.told(quota(Some(5), None, Some(9)), SECOND), None);
        assert_eq!(
            allowance.told(quota(Some(0), Some(9), Some(9)), SECOND),
            Some(9 * SECOND)
        );
        assert_eq!(
            allowance.told(quota(None, Some(0), Some(900)), SECOND),
            Some(60 * SECOND)
        );
        assert_eq!(allowance.told(quota(None, Some(0), None), SECOND), None);
    }

    #[test]
    fn what_is_scarce_counts_less_until_it_is_there_again() {
        let mut allowance = Allowance::default();
        let mut weight = |requests, tokens| {
            allowance.told(quota(requests, tokens, Some(10)), SECOND);
            allowance.weight(2 * SECOND)
        };
        assert_eq!(weight(Some(100), Some(1000)), 1.0);
        assert_eq!(weight(Some(10), Some(1000)), 1.0);
        assert!((weight(Some(5), Some(1000)) - 0.5).abs() < 1e-9);
        assert!((weight(Some(50), Some(20)) - 0.2).abs() < 1e-9);
        assert_eq!(weight(Some(0), None), LEAST_WEIGHT);
        assert_eq!(allowance.weight(11 * SECOND), 1.0);
        assert_eq!(allowance.left(11 * SECOND), None);
        assert_eq!(Allowance::default().weight(SECOND), 1.0);
    }
}
