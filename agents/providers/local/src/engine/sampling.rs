//! Chooses the next token from the model's scores.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::error::EngineError;

/// What the model's authors advise where the caller states nothing.
const DEFAULT_TEMPERATURE: f32 = 0.2;
const DEFAULT_TOP_P: f32 = 0.9;

/// Tokens this many nats below the best one (after tempering) are never drawn: together they weigh less than a
/// thousandth of it even in the largest vocabularies.
const NEGLIGIBLE: f32 = 20.0;

/// A sampler for one answer. Temperature 0 is greedy and needs no randomness.
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f32,
    top_p: f32,
    random: StdRng,
}

impl Sampler {
    /// Checks the parameters. Without a seed every answer draws differently.
    pub(crate) fn new(
        temperature: Option<f32>,
        top_p: Option<f32>,
        seed: Option<u64>,
    ) -> Result<Self, EngineError> {
        let temperature = temperature.unwrap_or(DEFAULT_TEMPERATURE);
        if !(0.0..=2.0).contains(&temperature) {
            return Err(EngineError::Sampling {
                name: "temperature",
                value: temperature,
                range: "from 0 to 2",
            });
        }
        let top_p = top_p.unwrap_or(DEFAULT_TOP_P);
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(EngineError::Sampling {
                name: "top_p",
                value: top_p,
                range: "above 0, at most 1",
            });
        }
        let random = match seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::from_os_rng(),
        };
        Ok(Self {
            temperature,
            top_p,
            random,
        })
    }

    /// The next token's id; none when there are no scores.
    pub(crate) fn sample(&mut self, scores: &[f32]) -> Option<u32> {
        let (best, highest) = best(scores)?;
        if self.temperature == 0.0 {
            return Some(best);
        }
        let mut candidates: Vec<(u32, f32)> = (0u32..)
            .zip(scores)
            .map(|(id, score)| (id, (score - highest) / self.temperature))
            .filter(|(_, score)| *score > -NEGLIGIBLE)
            .map(|(id, score)| (id, score.exp()))
            .collect();
        candidates.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f32 = candidates.iter().map(|(_, weight)| weight).sum();
        let mut nucleus = 0.0;
        let kept = candidates.iter().position(|(_, weight)| {
            nucleus += weight;
            nucleus >= self.top_p * total
        });
        candidates.truncate(kept.map_or(candidates.len(), |last| last + 1));
        let mut point = self.random.random::<f32>() * nucleus;
        let drawn = candidates.iter().find(|(_, weight)| {
            point -= weight;
            point < 0.0
        });
        Some(drawn.map_or(best, |(id, _)| *id))
    }
}

/// The highest score and its token; the lowest id of equals.
fn best(scores: &[f32]) -> Option<(u32, f32)> {
    (0u32..)
        .zip(scores.iter().copied())
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_zero_takes_the_best_token_whatever_the_seed() {
        for seed in 0..20 {
            let mut sampler = Sampler::new(Some(0.0), None, Some(seed)).unwrap();
            assert_eq!(sampler.sample(&[0.1, 2.0, 1.9]), Some(1));
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens_and_another_draws_others() {
        let scores: Vec<f32> = (0..50).map(|n| (n % 7) as f32 * 0.1).collect();
        let draw = |seed| {
            let mut sampler = Sampler::new(Some(1.0), Some(1.0), Some(seed)).unwrap();
            (0..20)
                .map(|_| sampler.sample(&scores).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn draws_follow_the_weights() {
        // Weights 3 : 1.
        let mut sampler = Sampler::new(Some(1.0), Some(1.0), Some(1)).unwrap();
        let scores = [3f32.ln(), 0.0];
        let first = (0..4_000).filter(|_| sampler.sample(&scores) == Some(0)).count();
        assert!((2_850..3_150).contains(&first), "{first} of 4000");
    }

    #[test]
    fn the_nucleus_leaves_out_the_unlikely_tail() {
        // Weights 6 : 3 : 1; the first two reach 0.85.
        let mut sampler = Sampler::new(Some(1.0), Some(0.85), Some(3)).unwrap();
        let scores = [1f32.ln(), 6f32.ln(), 3f32.ln()];
        let drawn: Vec<u32> = (0..500).map(|_| sampler.sample(&scores).unwrap()).collect();
        assert!(drawn.contains(&1) && drawn.contains(&2) && !drawn.contains(&0));
    }

    #[test]
    fn parameters_outside_their_range_are_refused_by_name() {
        for (temperature, top_p, name) in [
            (Some(-0.1), None, "temperature"),
            (Some(f32::NAN), None, "temperature"),
            (None, Some(0.0), "top_p"),
        ] {
            let error = Sampler::new(temperature, top_p, None).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
