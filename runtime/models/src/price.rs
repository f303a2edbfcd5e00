//! What tokens cost, by class.

mod bedrock;

use greenroom_kernel::Usage;

use crate::by_target::ByTarget;

/// US dollars a million tokens, by class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Fresh input.
    pub input: f64,
    /// Input read from a cache.
    pub cached_input: f64,
    /// Input written to a cache.
    pub cache_write: f64,
    /// Output.
    pub output: f64,
    /// Reasoning.
    pub reasoning: f64,
}

impl Price {
    /// A price where writing to the cache costs as input, and reasoning as output.
    pub const fn new(input: f64, cached_input: f64, output: f64) -> Self {
        Self {
            input,
            cached_input,
            cache_write: input,
            output,
            reasoning: output,
        }
    }

    /// A price where writing to the cache costs a quarter more than input, and reasoning as output.
    const fn with_writes(input: f64, cached_input: f64, output: f64) -> Self {
        Self {
            cache_write: input * 1.25,
            ..Self::new(input, cached_input, output)
        }
    }

    /// So many times as much.
    const fn times(self, factor: f64) -> Self {
        Self {
            input: self.input * factor,
            cached_input: self.cached_input * factor,
            cache_write: self.cache_write * factor,
            output: self.output * factor,
            reasoning: self.reasoning * factor,
        }
    }

    /// Nothing at all.
    pub const FREE: Self = Self::new(0.0, 0.0, 0.0);

    pub(crate) fn of(&self, usage: &Usage) -> f64 {
        let parts = [
            (usage.input_tokens, self.input),
            (usage.cached_input_tokens, self.cached_input),
            (usage.cache_write_tokens, self.cache_write),
            (usage.output_tokens, self.output),
            (usage.reasoning_tokens, self.reasoning),
        ];
        parts.iter().map(|(n, price)| *n as f64 * price).sum::<f64>() / 1e6
    }
}

/// The usage with its price, unless it came with one.
pub(crate) fn priced(price: Option<Price>, usage: Usage) -> Usage {
    Usage {
        cost_usd: usage.cost_usd.or_else(|| Some(price?.of(&usage))),
        ..usage
    }
}

/// Prices by `provider/model` or `provider/*`. A dated model (`name-2024-07-18`) has the price of its undated name.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    /// Which table this is, for whoever audits costs.
    pub version: String,
    prices: ByTarget<Price>,
}

/// OpenAI's list prices, standard tier.
const OPENAI: [(&str, Price); 10] = [
    ("gpt-4o", Price::new(2.50, 1.25, 10.0)),
    ("gpt-4o-mini", Price::new(0.15, 0.075, 0.60)),
    ("gpt-4.1", Price::new(2.0, 0.50, 8.0)),
    ("gpt-4.1-mini", Price::new(0.40, 0.10, 1.60)),
    ("gpt-4.1-nano", Price::new(0.10, 0.025, 0.40)),
    ("gpt-5", Price::new(1.25, 0.125, 10.0)),
    ("gpt-5-mini", Price::new(0.25, 0.025, 2.0)),
    ("gpt-5-nano", Price::new(0.05, 0.005, 0.40)),
    ("o3", Price::new(2.0, 0.50, 8.0)),
    ("o4-mini", Price::new(1.10, 0.275, 4.40)),
];

/// Anthropic's list prices, with a cache that keeps for five minutes. A model whose price depends on how long the prompt
/// is has none here. <https://platform.claude.com/docs/en/about-claude/pricing>
const ANTHROPIC: [(&str, Price); 11] = [
    ("claude-opus-5-5", Price::with_writes(4.0, 0.20, 20.0)),
    ("claude-opus-5", Price::with_writes(5.0, 0.50, 25.0)),
    ("claude-opus-4-8", Price::with_writes(5.0, 0.50, 25.0)),
    ("claude-opus-4-7", Price::with_writes(5.0, 0.50, 25.0)),
    ("claude-opus-4-6", Price::with_writes(5.0, 0.50, 25.0)),
    ("claude-opus-4-5", Price::with_writes(5.0, 0.50, 25.0)),
    ("claude-sonnet-5-5", Price::with_writes(2.0, 0.10, 10.0)),
    ("claude-sonnet-5", Price::with_writes(2.0, 0.20, 10.0)),
    ("claude-sonnet-4-6", Price::with_writes(3.0, 0.30, 15.0)),
    ("claude-sonnet-4-5", Price::with_writes(3.0, 0.30, 15.0)),
    ("claude-haiku-4-5", Price::with_writes(1.0, 0.10, 5.0)),
];

impl Default for PriceTable {
    /// OpenAI's list prices of August 2025 for the provider `openai`, and those of November 2026 of Anthropic for
    /// `anthropic` and of Amazon for `bedrock`; `local` costs nothing.
    fn default() -> Self {
        let of = |provider: &'static str, prices: &'static [(&str, Price)]| {
            let named = move |(model, price): &(&str, Price)| (format!("{provider}/{model}"), *price);
            prices.iter().map(named)
        };
        let listed = of("openai", &OPENAI).chain(of("anthropic", &ANTHROPIC));
        let free = [("local/*".to_owned(), Price::FREE)];
        Self {
            version: "openai 2025-08, anthropic 2026-11, bedrock 2026-11".to_owned(),
            prices: listed.chain(bedrock::prices()).chain(free).collect(),
        }
    }
}

impl PriceTable {
    /// A table without prices.
    pub fn empty(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            prices: ByTarget::default(),
        }
    }

    /// The table with one price set; `target` is `provider/model` or `provider/*`.
    #[must_use]
    pub fn with(mut self, target: impl Into<String>, price: Price) -> Self {
        self.prices.set(&target.into(), price);
        self
    }

    /// Everything it has a price for, as `provider/model` or `provider/*`.
    pub fn targets(&self) -> impl Iterator<Item = String> {
        self.prices.targets()
    }

    /// What a call cost in US dollars; none when no price is known.
    pub fn cost(&self, provider: &str, model: &str, usage: &Usage) -> Option<f64> {
        self.price(provider, model).map(|price| price.of(usage))
    }

    /// What a target's tokens cost, if that is known.
    pub(crate) fn price(&self, provider: &str, model: &str) -> Option<Price> {
        let named = self.prices.named(provider, model);
        named.or_else(|| self.prices.every(provider)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        input_tokens: 1_000_000,
        cached_input_tokens: 2_000_000,
        cache_write_tokens: 0,
        output_tokens: 100_000,
        reasoning_tokens: 900_000,
        cost_usd: None,
        estimated: false,
    };

    #[test]
    fn classes_are_priced_apart() {
        let cost = PriceTable::default().cost("openai", "gpt-4.1", &USAGE).unwrap();
        assert!((cost - (2.0 + 1.0 + 8.0)).abs() < 1e-9, "{cost}");
    }

    #[test]
    fn a_write_to_anthropic_s_cache_costs_a_quarter_more_than_input() {
        let usage = Usage {
            input_tokens: 1_000_000,
            cached_input_tokens: 1_000_000,
            cache_write_tokens: 1_000_000,
            output_tokens: 1_000_000,
            ..Usage::default()
        };
        let table = PriceTable::default();
        for model in ["claude-haiku-4-5", "claude-haiku-4-5-20251001"] {
            let cost = table.cost("anthropic", model, &usage).unwrap();
            assert!((cost - (1.0 + 0.1 + 1.25 + 5.0)).abs() < 1e-9, "{cost}");
        }
    }

    #[test]
    fn a_dated_model_has_its_undated_price_and_a_relative_has_not() {
        let table = PriceTable::default();
        let plain = table.cost("openai", "gpt-4o-mini", &USAGE);
        assert!(plain.is_some());
        assert_eq!(table.cost("openai", "gpt-4o-mini-2024-07-18", &USAGE), plain);
        assert_eq!(table.cost("openai", "gpt-4o-mini-20240718", &USAGE), plain);
        assert_eq!(table.cost("openai", "gpt-4o-mini-audio", &USAGE), None);
        assert_eq!(table.cost("openai", "é-2024-07-18", &USAGE), None);
    }

    #[test]
    fn no_price_is_no_cost_and_free_is_zero() {
        let table = PriceTable::default();
        assert_eq!(table.cost("acme", "gpt-4o", &USAGE), None);
        assert_eq!(table.cost("local", "anything", &USAGE), Some(0.0));
        let mine = PriceTable::empty("mine").with("acme/*", Price::new(1.0, 0.0, 0.0));
        assert_eq!(mine.cost("acme", "gpt-4o", &USAGE), Some(1.0));
    }
}
