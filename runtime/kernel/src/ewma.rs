//! Averages that forget.

use std::time::Duration;

/// An average of samples in which one counts half as much once it is a half-life older. Pure: `now` is any duration since
/// a fixed start that never steps backwards.
#[derive(Debug, Clone)]
pub struct Ewma {
    half_life: Duration,
    sum: f64,
    weight: f64,
    latest: Option<Duration>,
}

/// After so many half-lives without a sample nothing is known any more.
const FORGOTTEN_AFTER: u32 = 10;

impl Ewma {
    /// An average of nothing yet.
    pub fn new(half_life: Duration) -> Self {
        Self {
            half_life: half_life.max(Duration::from_millis(1)),
            sum: 0.0,
            weight: 0.0,
            latest: None,
        }
    }

    /// Takes a sample; what is no finite number is left out.
    pub fn add(&mut self, sample: f64, now: Duration) {
        if !sample.is_finite() {
            return;
        }
        let age = self.age(now).unwrap_or_default();
        let kept = 0.5_f64.powf(age.as_secs_f64() / self.half_life.as_secs_f64());
        self.sum = self.sum * kept + sample;
        self.weight = self.weight * kept + 1.0;
        self.latest = self.latest.max(Some(now));
    }

    /// The average; none without samples, or when the latest is forgotten.
    pub fn get(&self, now: Duration) -> Option<f64> {
        let remembered = self.age(now)? <= self.half_life * FORGOTTEN_AFTER;
        remembered.then(|| self.sum / self.weight)
    }

    fn age(&self, now: Duration) -> Option<Duration> {
        self.latest.map(|latest| now.saturating_sub(latest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_sample_counts_half_after_its_half_life_and_is_forgotten_after_ten() {
        let mut average = Ewma::new(MINUTE);
        assert_eq!(average.get(MINUTE), None);
        average.add(10.0, MINUTE);
        assert_eq!(average.get(MINUTE), Some(10.0));
        average.add(40.0, 2 * MINUTE);
        assert_eq!(average.get(2 * MINUTE), Some(30.0));
        assert_eq!(average.get(12 * MINUTE), Some(30.0));
        assert_eq!(average.get(12 * MINUTE + Duration::from_secs(1)), None);
        average.add(1.0, 5_000_000 * MINUTE);
        assert_eq!(average.get(5_000_000 * MINUTE), Some(1.0));
    }

    proptest! {
        #[test]
        fn an_average_lies_between_its_samples(
            samples in prop::collection::vec((0.0..1e6f64, 0..200u64), 1..100),
        ) {
            let mut average = Ewma::new(MINUTE);
            let mut now = Duration::ZERO;
            for (sample, later) in &samples {
                now += Duration::from_secs(*later);
                average.add(*sample, now);
            }
            let least = samples.iter().map(|(s, _)| *s).fold(f64::MAX, f64::min);
            let most = samples.iter().map(|(s, _)| *s).fold(f64::MIN, f64::max);
            let got = average.get(now).unwrap();
            prop_assert!(got >= least - 1e-6 && got <= most + 1e-6, "{least} {got} {most}");
        }
    }
}
