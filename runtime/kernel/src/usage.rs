//! What a model call used: token classes kept apart, because they are priced apart.

use serde::{Deserialize, Serialize};

/// The most tokens of a class that one try is taken to have used.
const CALL_AT_MOST: u64 = 1_000_000_000_000;

/// The most that one try is taken to have cost.
const USD_AT_MOST: f64 = 1e9;

/// Tokens by disjoint class, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Fresh input tokens.
    pub input_tokens: u64,
    /// Input tokens read from a cache.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Input tokens written to a cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Visible output tokens.
    pub output_tokens: u64,
    /// Reasoning tokens.
    #[serde(default)]
    pub reasoning_tokens: u64,
    /// US dollars; none when no price is known.
    #[serde(default)]
    pub cost_usd: Option<f64>,
    /// The upstream gave no figures and these are ours.
    #[serde(default)]
    pub estimated: bool,
}

/// What an upstream said of a try's usage while the try ran: what is billed for one that ends early.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reported {
    /// As told. Its input is exact.
    pub usage: Usage,
    /// How far its output reaches.
    pub output: Reach,
}

/// How much of an answer a figure of its output counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Not more than its beginning: what came is estimated.
    Begun,
    /// All that was told of it, and this many bytes of content that are told next.
    Until {
        /// Bytes.
        ahead: u32,
    },
    /// All of it.
    Whole,
}

impl Usage {
    /// All tokens of all classes.
    pub fn total_tokens(&self) -> u64 {
        [
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.output_tokens,
            self.reasoning_tokens,
        ]
        .into_iter()
        .fold(self.input_tokens, u64::saturating_add)
    }

    /// The same, no class of it over a bound that no call comes near: figures are a stranger's word, and sums of them must
    /// not overflow. A cost that is no amount of money is none.
    #[must_use]
    pub fn bounded(self) -> Usage {
        let tokens = |tokens: u64| tokens.min(CALL_AT_MOST);
        Usage {
            input_tokens: tokens(self.input_tokens),
            cached_input_tokens: tokens(self.cached_input_tokens),
            cache_write_tokens: tokens(self.cache_write_tokens),
            output_tokens: tokens(self.output_tokens),
            reasoning_tokens: tokens(self.reasoning_tokens),
            cost_usd: self.cost_usd.filter(|usd| (0.0..=USD_AT_MOST).contains(usd)),
            estimated: self.estimated,
        }
    }

    /// Whether nothing was used.
    pub fn is_nothing(&self) -> bool {
        self.total_tokens() == 0
    }

    /// As much, so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Usage {
        let tokens = u64::from(times);
        Usage {
            input_tokens: self.input_tokens.saturating_mul(tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_mul(tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_mul(tokens),
            output_tokens: self.output_tokens.saturating_mul(tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_mul(tokens),
            cost_usd: self.cost_usd.map(|cost| cost * f64::from(times)),
            estimated: self.estimated,
        }
    }

    /// The sum of two calls. A sum has a price only where both parts that used anything have one.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        let cost_usd = match (self.cost_usd, other.cost_usd) {
            (Some(a), Some(b)) => Some(a + b),
            (Some(a), None) if other.is_nothing() => Some(a),
            (None, Some(b)) if self.is_nothing() => Some(b),
            _ => None,
        };
        Usage {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_add(other.cached_input_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            cost_usd,
            estimated: self.estimated || other.estimated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_a_price_only_where_every_part_has_one() {
        let priced = Usage {
            input_tokens: 1,
            cost_usd: Some(0.5),
            ..Usage::default()
        };
        let unpriced = Usage {
            input_tokens: 1,
            ..Usage::default()
        };
        assert_eq!(priced.plus(priced).cost_usd, Some(1.0));
        assert_eq!(priced.plus(unpriced).cost_usd, None);
        assert_eq!(Usage::default().plus(priced).cost_usd, Some(0.5));
    }

    #[test]
    fn figures_beyond_reason_are_cut_and_sums_never_overflow() {
        let told = |tokens, cost_usd| Usage {
            input_tokens: tokens,
            cached_input_tokens: tokens,
            cache_write_tokens: tokens,
            output_tokens: tokens,
            reasoning_tokens: tokens,
            cost_usd,
            estimated: false,
        };
        let most = told(u64::MAX, Some(1.0));
        assert_eq!(most.total_tokens(), u64::MAX);
        assert_eq!(
            (most.plus(most), most.times(3).input_tokens),
            (told(u64::MAX, Some(2.0)), u64::MAX)
        );
        assert_eq!(most.bounded(), told(CALL_AT_MOST, Some(1.0)));
        for nonsense in [f64::NAN, f64::INFINITY, -1.0, 1e10] {
            assert_eq!(told(7, Some(nonsense)).bounded(), told(7, None));
        }
    }
}
