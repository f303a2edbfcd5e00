//! What one request used, shared out to those who made it together: to the token. Pure.

use greenroom_kernel::Usage;

/// The shares of those with these weights; the tokens of all shares together are those of the whole, class by class.
pub(super) fn shares(whole: Usage, weights: &[u64]) -> Vec<Usage> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let classes = [
        whole.input_tokens,
        whole.cached_input_tokens,
        whole.cache_write_tokens,
        whole.output_tokens,
        whole.reasoning_tokens,
    ];
    let mut given = [0; 5];
    let mut until_now: u128 = 0;
    let share = |weight: &u64| {
        until_now += u128::from(*weight);
        // What all up to here should have, less what those before got.
        let due = |class: u64| match total {
            0 => class,
            _ => u64::try_from(u128::from(class) * until_now / total).unwrap_or(class),
        };
        let mut mine = [0; 5];
        for ((mine, given), class) in mine.iter_mut().zip(&mut given).zip(classes) {
            *mine = due(class) - *given;
            *given += *mine;
        }
        let [
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
        ] = mine;
        let part = match total {
            0 => 0.0,
            _ => *weight as f64 / total as f64,
        };
        Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            cost_usd: whole.cost_usd.map(|cost| cost * part),
            ..whole
        }
    };
    weights.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_go_by_weight() {
        let whole = Usage {
            input_tokens: 10,
            cost_usd: Some(1.0),
            ..Usage::default()
        };
        let shared = shares(whole, &[1, 3]);
        assert_eq!((shared[0].input_tokens, shared[1].input_tokens), (2, 8));
        assert_eq!(shared[1].cost_usd, Some(0.75));
    }

    proptest! {
        #[test]
        fn no_token_is_lost_or_made(
            input in any::<u64>(),
            cached in 0..1000u64,
            weights in prop::collection::vec(0..1000u64, 1..20),
        ) {
            let whole = Usage { input_tokens: input, cached_input_tokens: cached, ..Usage::default() };
            let shared = shares(whole, &weights);
            prop_assert_eq!(shared.len(), weights.len());
            prop_assert_eq!(shared.iter().map(|s| u128::from(s.input_tokens)).sum::<u128>(), u128::from(input));
            prop_assert_eq!(shared.iter().map(|s| s.cached_input_tokens).sum::<u64>(), cached);
        }
    }
}
