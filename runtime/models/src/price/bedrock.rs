//! What models on Amazon Bedrock cost.
//!
//! On-demand prices, standard tier, for text, of November 2026: <https://aws.amazon.com/bedrock/pricing/>, as the public
//! tables of litellm 1.110.2 and genai-prices 0.2.3 hold them. A model that the two don't agree on has no price here, and
//! neither has one whose price goes by the region it is called from.

use super::Price;

/// What a call costs more that stays in one part of the world.
const REGIONAL: f64 = 1.1;

/// Claude models whose price goes by where a call may be served.
const CLAUDE: [(&str, Price); 7] = [
    (
        "claude-haiku-4-5-20251001-v1:0",
        Price::with_writes(1.0, 0.10, 5.0),
    ),
    (
        "claude-sonnet-4-5-20250929-v1:0",
        Price::with_writes(3.0, 0.30, 15.0),
    ),
    (
        "claude-opus-4-5-20251101-v1:0",
        Price::with_writes(5.0, 0.50, 25.0),
    ),
    ("claude-sonnet-4-6", Price::with_writes(3.0, 0.30, 15.0)),
    ("claude-opus-4-6-v1", Price::with_writes(5.0, 0.50, 25.0)),
    ("claude-opus-4-7", Price::with_writes(5.0, 0.50, 25.0)),
    ("claude-opus-5", Price::with_writes(5.0, 0.50, 25.0)),
];

/// Ids that stand for themselves.
const OTHERS: [(&str, Price); 16] = [
    (
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        Price::with_writes(3.0, 0.30, 15.0),
    ),
    (
        "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
        Price::with_writes(3.0, 0.30, 15.0),
    ),
    ("global.amazon.nova-2-lite-v1:0", Price::new(0.30, 0.075, 2.50)),
    ("us.amazon.nova-2-lite-v1:0", Price::new(0.33, 0.0825, 2.75)),
    ("amazon.nova-micro-v1:0", Price::new(0.035, 0.00875, 0.14)),
    ("us.amazon.nova-micro-v1:0", Price::new(0.035, 0.00875, 0.14)),
    ("amazon.nova-lite-v1:0", Price::new(0.06, 0.015, 0.24)),
    ("us.amazon.nova-lite-v1:0", Price::new(0.06, 0.015, 0.24)),
    ("amazon.nova-pro-v1:0", Price::new(0.80, 0.20, 3.20)),
    ("us.amazon.nova-pro-v1:0", Price::new(0.80, 0.20, 3.20)),
    ("openai.gpt-oss-20b-1:0", Price::new(0.07, 0.07, 0.30)),
    ("openai.gpt-oss-120b-1:0", Price::new(0.15, 0.15, 0.60)),
    ("us.meta.llama3-3-70b-instruct-v1:0", Price::new(0.72, 0.72, 0.72)),
    (
        "us.meta.llama4-scout-17b-instruct-v1:0",
        Price::new(0.17, 0.17, 0.66),
    ),
    (
        "us.meta.llama4-maverick-17b-instruct-v1:0",
        Price::new(0.24, 0.24, 0.97),
    ),
    ("amazon.titan-embed-text-v2:0", Price::new(0.02, 0.02, 0.0)),
];

/// By `bedrock/id`.
pub(super) fn prices() -> impl Iterator<Item = (String, Price)> {
    let places = [
        ("global", 1.0),
        ("us", REGIONAL),
        ("eu", REGIONAL),
        ("jp", REGIONAL),
        ("au", REGIONAL),
    ];
    let claude = CLAUDE.iter().flat_map(move |(model, price)| {
        places.map(|(place, factor)| (format!("bedrock/{place}.anthropic.{model}"), price.times(factor)))
    });
    claude.chain(OTHERS.iter().map(|(id, price)| (format!("bedrock/{id}"), *price)))
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::Usage;

    use crate::PriceTable;

    #[test]
    fn a_call_that_stays_in_its_part_of_the_world_costs_a_tenth_more() {
        let usage = Usage {
            input_tokens: 1_000_000,
            cached_input_tokens: 1_000_000,
            cache_write_tokens: 1_000_000,
            output_tokens: 1_000_000,
            ..Usage::default()
        };
        let table = PriceTable::default();
        let cost = |model: &str| table.cost("bedrock", model, &usage);
        let anywhere = cost("global.anthropic.claude-haiku-4-5-20251001-v1:0").unwrap();
        assert!((anywhere - (1.0 + 0.1 + 1.25 + 5.0)).abs() < 1e-9, "{anywhere}");
        let here = cost("eu.anthropic.claude-haiku-4-5-20251001-v1:0").unwrap();
        assert!((here - anywhere * 1.1).abs() < 1e-9, "{here}");
        assert!(cost("amazon.nova-lite-v1:0").is_some());
        assert_eq!(cost("eu.amazon.nova-2-lite-v1:0"), None);
        assert_eq!(table.cost("elsewhere", "amazon.nova-lite-v1:0", &usage), None);
    }
}
