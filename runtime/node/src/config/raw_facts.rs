//! What an operator knows better than our tables: what models can do and what their tokens cost.

use std::collections::BTreeMap;

use greenroom_kernel::{Capabilities, InputHash};
use greenroom_models::{CapabilityTable, Price, PriceTable};
use serde::{Deserialize, Serialize};

use super::error::ConfigError;

/// `[models.capabilities."provider/model"]`: what is left out stays as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawCapabilities {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_window: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_output: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) json_schema: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefill: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vision: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) streaming: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embeddings: Option<bool>,
}

/// `[models.prices."provider/model"]`: US dollars a million tokens. What is left out costs as its kin: cached input and
/// writing to the cache as input, reasoning as output.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPrice {
    pub(crate) input: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cached_input: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_write: Option<f64>,
    pub(crate) output: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<f64>,
}

/// The table with what is set above it.
pub(super) fn capabilities(set: &BTreeMap<String, RawCapabilities>) -> Result<CapabilityTable, ConfigError> {
    let mut table = CapabilityTable::default();
    for (target, raw) in set {
        checked("models.capabilities", target)?;
        let can = Capabilities {
            context_window: raw.context_window,
            max_output: raw.max_output,
            tools: raw.tools,
            json_schema: raw.json_schema,
            prefill: raw.prefill,
            vision: raw.vision,
            reasoning: raw.reasoning,
            streaming: raw.streaming,
            embeddings: raw.embeddings,
        };
        table = table.with(target, can);
    }
    Ok(table)
}

/// The table with what is set in place of its own.
pub(super) fn prices(set: &BTreeMap<String, RawPrice>) -> Result<PriceTable, ConfigError> {
    let mut table = PriceTable::default();
    if !set.is_empty() {
        // Rows of other prices than these have another version.
        let text = serde_json::to_string(set).unwrap_or_default();
        let mark = InputHash::of(&[&text]).low_bits() as u32;
        table.version = format!("{}, own {mark:08x}", table.version);
    }
    for (target, raw) in set {
        checked("models.prices", target)?;
        let price = Price {
            input: raw.input,
            cached_input: raw.cached_input.unwrap_or(raw.input),
            cache_write: raw.cache_write.unwrap_or(raw.input),
            output: raw.output,
            reasoning: raw.reasoning.unwrap_or(raw.output),
        };
        let Price {
            input,
            cached_input,
            cache_write,
            output,
            reasoning,
        } = price;
        let all = [input, cached_input, cache_write, output, reasoning];
        if !all.iter().all(|usd| usd.is_finite() && *usd >= 0.0) {
            let key = format!("models.prices.\"{target}\"");
            return Err(ConfigError::value(&key, "a price must be 0 or more"));
        }
        table = table.with(target, price);
    }
    Ok(table)
}

fn checked(section: &str, target: &str) -> Result<(), ConfigError> {
    match target.split_once('/') {
        Some((provider, model)) if !provider.is_empty() && !model.is_empty() => Ok(()),
        _ => Err(ConfigError::value(
            &format!("{section}.\"{target}\""),
            "it must name a target: \"provider/model\", or \"provider/*\" for all of a provider's",
        )),
    }
}
