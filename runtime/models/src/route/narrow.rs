//! What leaves a target out: the model can't do what the request needs, or the caller doesn't want it. Pure.

use std::fmt;
use std::time::Duration;

use greenroom_kernel::{Capabilities, Narrowing};

use crate::capability::{Lack, Needs, lacks};

/// A target, as far as it may be left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) provider: &'a str,
    pub(crate) model: &'a str,
    pub(crate) can: Capabilities,
    /// US dollars for this request, by estimate.
    pub(crate) cost: Option<f64>,
    /// Average time to first content.
    pub(crate) ttft: Option<Duration>,
}

/// Why a target is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unfit {
    Lacks(Lack),
    Excluded,
    Dear { cost: f64, at_most: f64 },
    Priceless { at_most: f64 },
    Slow { ms: u128, at_most: u64 },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(lack) => lack.fmt(f),
            Self::Excluded => write!(f, "is excluded by the call"),
            Self::Dear { cost, at_most } => {
                write!(
                    f,
                    "would cost {cost:.6} US dollars by estimate, max_cost_usd is {at_most}"
                )
            }
            Self::Priceless { at_most } => write!(f, "has no known price, max_cost_usd is {at_most}"),
            Self::Slow { ms, at_most } => {
                write!(
                    f,
                    "takes {ms} ms to begin on the average, max_latency_ms is {at_most}"
                )
            }
        }
    }
}

/// Whether a target is left out, and why. Without `needs` nothing is known to be lacking.
pub(crate) fn unfit(target: &Standing<'_>, needs: Option<&Needs>, narrowing: &Narrowing) -> Option<Unfit> {
    let names_it = |name: &String| match name.strip_prefix(target.provider) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('/') == Some(target.model),
        None => false,
    };
    if narrowing.exclude.iter().any(names_it) {
        return Some(Unfit::Excluded);
    }
    if let Some(lack) = needs.and_then(|needs| lacks(needs, &target.can)) {
        return Some(Unfit::Lacks(lack));
    }
    if let Some(at_most) = narrowing.max_cost_usd {
        match target.cost {
            None => return Some(Unfit::Priceless { at_most }),
            // What is no number is more than any.
            Some(cost) if cost > at_most || at_most.is_nan() => return Some(Unfit::Dear { cost, at_most }),
            Some(_) => {}
        }
    }
    let (at_most, ms) = (narrowing.max_latency_ms?, target.ttft?.as_millis());
    (ms > u128::from(at_most)).then_some(Unfit::Slow { ms, at_most })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Standing<'_> = Standing {
        provider: "a",
        model: "m",
        can: Capabilities {
            context_window: None,
            max_output: None,
            tools: None,
            json_schema: None,
            prefill: None,
            vision: Some(false),
            reasoning: None,
            streaming: None,
            embeddings: None,
        },
        cost: Some(0.02),
        ttft: Some(Duration::from_millis(900)),
    };

    fn why(target: &Standing<'_>, narrowing: Narrowing) -> Option<String> {
        unfit(target, None, &narrowing).map(|unfit| unfit.to_string())
    }

    #[test]
    fn a_provider_or_a_target_is_excluded_by_its_whole_name() {
        let exclude = |name: &str| Narrowing {
            exclude: vec!["other".into(), name.into()],
            ..Narrowing::default()
        };
        for name in ["a", "a/m"] {
            assert_eq!(why(&TARGET, exclude(name)).unwrap(), "is excluded by the call");
        }
        for name in ["", "m", "a/", "a/m2", "ab", "a/m/"] {
            assert_eq!(why(&TARGET, exclude(name)), None, "{name}");
        }
    }

    #[test]
    fn what_costs_more_or_has_no_price_and_what_is_slower_is_left_out_and_the_unknown_is_not_slow() {
        let cost = |usd| Narrowing {
            max_cost_usd: Some(usd),
            ..Narrowing::default()
        };
        assert_eq!(why(&TARGET, cost(0.02)), None);
        let said = why(&TARGET, cost(0.01)).unwrap();
        assert!(
            said.contains("0.020000") && said.contains("max_cost_usd is 0.01"),
            "{said}"
        );
        assert!(why(&TARGET, cost(f64::NAN)).is_some());
        let priceless = Standing { cost: None, ..TARGET };
        assert!(why(&priceless, cost(1.0)).unwrap().contains("no known price"));
        let latency = |ms| Narrowing {
            max_latency_ms: Some(ms),
            ..Narrowing::default()
        };
        assert_eq!(why(&TARGET, latency(900)), None);
        assert!(why(&TARGET, latency(899)).unwrap().contains("900 ms"));
        assert_eq!(why(&Standing { ttft: None, ..TARGET }, latency(1)), None);
    }

    #[test]
    fn what_the_model_can_t_do_leaves_it_out_only_where_it_is_needed() {
        let needs = Needs {
            images: true,
            ..Needs::default()
        };
        let narrowing = Narrowing::default();
        assert_eq!(
            unfit(&TARGET, Some(&needs), &narrowing),
            Some(Unfit::Lacks(Lack::Images))
        );
        assert_eq!(unfit(&TARGET, Some(&Needs::default()), &narrowing), None);
        assert_eq!(unfit(&TARGET, None, &narrowing), None);
    }
}
