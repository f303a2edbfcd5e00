//! Chooses the next token from the model's scores.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::error::EngineError;

/// What the model's authors advise where the caller states nothing.
const DEFAULT_TEMPERATURE: f32 = 0.2;
const DEFAULT_TOP_P: f32 = 0.9;

/// Tokens this many nats below the best one (after tempering) are never drawn: together they weigh less than a
/// thousandth of it even in the largest vocabularies.
const NEGLIGIBLE: f32 = 20.0;

/// How much less likely a token of the answer's last part becomes: a small model that has said a sentence twice
/// would otherwise say it for ever. The value and the reach are llama.cpp's.
const REPETITION_PENALTY: f32 = 1.1;
/// How far back that part reaches, in tokens.
const REPETITION_REACH: usize = 64;

/// A sampler for one answer. Temperature 0 is greedy: it needs no randomness, and takes the best token whatever was
/// said before.
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f32,
    top_p: f32,
    random: StdRng,
    /// The last tokens drawn, oldest first.
    recent: VecDeque<u32>,
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
            recent: VecDeque::with_capacity(REPETITION_REACH),
        })
    }

    /// The next token's id; none when there are no scores. Unless greedy, the scores of what was said lately are
    /// lowered in place.
    pub(crate) fn sample(&mut self, scores: &mut [f32]) -> Option<u32> {
        if self.temperature == 0.0 {
            return best(scores).map(|(best, _)| best);
        }
        self.penalise(scores);
        let token = self.draw(scores)?;
        if self.recent.len() == REPETITION_REACH {
            self.recent.pop_front();
        }
        self.recent.push_back(token);
        Some(token)
    }

    /// Lowers the score of each recent token, once however often it was drawn.
    fn penalise(&self, scores: &mut [f32]) {
        for (index, token) in self.recent.iter().enumerate() {
            let score = usize::try_from(*token)
                .ok()
                .and_then(|token| scores.get_mut(token));
            let Some(score) = score else { continue };
            if self.recent.range(..index).any(|earlier| earlier == token) {
                continue;
            }
            *score = match *score > 0.0 {
                true => *score / REPETITION_PENALTY,
                false => *score * REPETITION_PENALTY,
            };
        }
    }

    fn draw(&mut self, scores: &[f32]) -> Option<u32> {
        let (best, highest) = best(scores)?;
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
            assert_eq!(sampler.sample(&mut [0.1, 2.0, 1.9]), Some(1));
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens_and_another_draws_others() {
        let scores: Vec<f32> = (0..50).map(|n| (n % 7) as f32 * 0.1).collect();
        let draw = |seed| {
            let mut sampler = Sampler::new(Some(1.0), Some(1.0), Some(seed)).unwrap();
            (0..20)
                .map(|_| sampler.sample(&mut scores.clone()).unwrap())
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
        let first = (0..4_000).filter(|_| sampler.draw(&scores) == Some(0)).count();
        assert!((2_850..3_150).contains(&first), "{first} of 4000");
    }

    #[test]
    fn the_nucleus_leaves_out_the_unlikely_tail() {
        // Weights 6 : 3 : 1; the first two reach 0.85.
        let mut sampler = Sampler::new(Some(1.0), Some(0.85), Some(3)).unwrap();
        let scores = [1f32.ln(), 6f32.ln(), 3f32.ln()];
        let drawn: Vec<u32> = (0..500).map(|_| sampler.draw(&scores).unwrap()).collect();
        assert!(drawn.contains(&1) && drawn.contains(&2) && !drawn.contains(&0));
    }

    #[test]
    fn what_was_said_lately_becomes_less_likely_and_is_forgiven_out_of_reach() {
        let mut sampler = Sampler::new(Some(1.0), Some(1.0), Some(1)).unwrap();
        sampler.recent.extend([0, 1, 0, 9]);
        let mut scores = [2.2, -1.0, 3.0];
        sampler.penalise(&mut scores);
        assert_eq!(
            scores,
            [2.2 / 1.1, -1.1, 3.0],
            "once each, and no token beyond the scores"
        );

        // Only token 0 can be drawn, until nothing else is within reach.
        for _ in 0..REPETITION_REACH {
            assert_eq!(sampler.sample(&mut [100.0, 0.0, 0.0]), Some(0));
        }
        assert_eq!(sampler.recent.len(), REPETITION_REACH);
        let mut scores = [2.2, -1.0, 3.0];
        sampler.penalise(&mut scores);
        assert_eq!(scores, [2.0, -1.0, 3.0]);
    }

    #[test]
    fn a_loop_is_left_when_sampling_and_kept_when_greedy() {
        // Whatever was said, token 0 is a little better than the rest: without a penalty it is drawn for ever.
        let scores = || [10.0, 9.6, 9.5, 9.4];
        let answer = |temperature| {
            let mut sampler = Sampler::new(Some(temperature), Some(0.9), Some(5)).unwrap();
            let draws = (0..40).map(|_| sampler.sample(&mut scores()).unwrap());
            draws.collect::<Vec<_>>()
        };
        let sampled = answer(0.05);
        assert_eq!(sampled, answer(0.05), "the same seed draws the same");
        assert!((0..4).all(|token| sampled.contains(&token)), "{sampled:?}");
        assert_eq!(answer(0.0), [0; 40]);
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
