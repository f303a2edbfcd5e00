//! How far off our own counts of tokens are, measured wherever a provider gives figures too.

use std::collections::HashMap;
use std::sync::Arc;

use greenroom_kernel::{EstimatorError, Usage};
use parking_lot::Mutex;

/// Every try of a model counts up to here.
const ALL_UP_TO: u64 = 64;
/// Of those beyond, where an estimate would have to be made for this alone, one in so many counts.
const ONE_IN: u64 = 16;
/// How much the latest measurement counts.
const LATEST: f64 = 0.05;
/// How many models are remembered.
const MODELS: usize = 1_024;

#[derive(Debug, Clone, Copy, Default)]
struct Estimator {
    seen: u64,
    samples: u64,
    ratio: f64,
    error: f64,
}

/// A provider and its model.
type Target = (Arc<str>, Arc<str>);

/// What was measured, by target.
#[derive(Default)]
pub(crate) struct Estimators(Mutex<HashMap<Target, Estimator>>);

impl Estimators {
    fn read(&self, provider: &Arc<str>, model: &Arc<str>) -> Option<Estimator> {
        let measured = self
            .0
            .lock()
            .get(&(Arc::clone(provider), Arc::clone(model)))
            .copied();
        measured.filter(|estimator| estimator.samples > 0)
    }

    /// A try whose provider gave figures has ended: says whether an estimate should be made to measure by.
    pub(crate) fn wants(&self, provider: &Arc<str>, model: &Arc<str>) -> bool {
        let mut all = self.0.lock();
        let key = (Arc::clone(provider), Arc::clone(model));
        if all.len() >= MODELS && !all.contains_key(&key) {
            return false;
        }
        let estimator = all.entry(key).or_default();
        estimator.seen += 1;
        estimator.seen <= ALL_UP_TO || estimator.seen.is_multiple_of(ONE_IN)
    }

    /// Both figures of one try.
    pub(crate) fn measured(
        &self,
        provider: &Arc<str>,
        model: &Arc<str>,
        estimated: &Usage,
        reported: &Usage,
    ) {
        let (estimated, reported) = (estimated.total_tokens() as f64, reported.total_tokens() as f64);
        if reported <= 0.0 {
            return;
        }
        let (ratio, error) = (
            reported / estimated.max(1.0),
            (reported - estimated).abs() / reported,
        );
        let mut all = self.0.lock();
        let Some(estimator) = all.get_mut(&(Arc::clone(provider), Arc::clone(model))) else {
            return;
        };
        estimator.samples += 1;
        // The first ones count alike.
        let weight = LATEST.max(1.0 / estimator.samples as f64);
        estimator.ratio += weight * (ratio - estimator.ratio);
        estimator.error += weight * (error - estimator.error);
    }

    /// Tokens as reported over tokens as estimated; 1 where nothing was measured.
    pub(crate) fn ratio(&self, provider: &Arc<str>, model: &Arc<str>) -> f64 {
        self.read(provider, model)
            .map_or(1.0, |estimator| estimator.ratio)
    }

    /// How far off an estimate is, as a share.
    pub(crate) fn error(&self, provider: &Arc<str>, model: &Arc<str>) -> Option<f64> {
        self.read(provider, model).map(|estimator| estimator.error)
    }

    /// Everything measured, by name.
    pub(crate) fn all(&self) -> Vec<EstimatorError> {
        let all = self.0.lock();
        let measured = all.iter().filter(|(_, estimator)| estimator.samples > 0);
        let mut errors: Vec<_> = measured
            .map(|((provider, model), estimator)| EstimatorError {
                provider: Arc::clone(provider),
                model: Arc::clone(model),
                samples: estimator.samples,
                ratio: estimator.ratio,
                error: estimator.error,
            })
            .collect();
        errors.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokens: u64) -> Usage {
        Usage {
            input_tokens: tokens,
            ..Usage::default()
        }
    }

    #[test]
    fn the_error_is_what_estimates_were_off_by_and_the_ratio_says_which_way() {
        let (provider, model): (Arc<str>, Arc<str>) = ("p".into(), "m".into());
        let estimators = Estimators::default();
        assert_eq!(
            (
                estimators.ratio(&provider, &model),
                estimators.error(&provider, &model)
            ),
            (1.0, None)
        );
        for reported in [120, 120, 120] {
            assert!(estimators.wants(&provider, &model));
            estimators.measured(&provider, &model, &tokens(100), &tokens(reported));
        }
        let [measured] = &estimators.all()[..] else {
            panic!("one model");
        };
        assert_eq!(measured.samples, 3);
        assert!((measured.ratio - 1.2).abs() < 1e-9 && (measured.error - 1.0 / 6.0).abs() < 1e-9);
    }

    #[test]
    fn after_the_first_tries_only_some_are_measured() {
        let (provider, model): (Arc<str>, Arc<str>) = ("p".into(), "m".into());
        let estimators = Estimators::default();
        let wanted = (0..ALL_UP_TO + 10 * ONE_IN).filter(|_| estimators.wants(&provider, &model));
        assert_eq!(wanted.count() as u64, ALL_UP_TO + 10);
    }
}
