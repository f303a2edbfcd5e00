//! What is known of models that providers don't tell of.

use std::collections::BTreeMap;

use greenroom_kernel::Capabilities;
use serde::Deserialize;

use crate::by_target::ByTarget;

/// Facts from the providers' public pages; the file names them, and says of when they are.
const FACTS: &str = include_str!("models.json");

#[derive(Deserialize, Default)]
struct Facts {
    version: String,
    models: BTreeMap<String, Capabilities>,
}

/// What models can do, by `provider/model` or `provider/*`. A dated model (`name-2024-07-18`) can what its undated name
/// can. What isn't known is taken to be possible.
#[derive(Debug, Clone, PartialEq)]
pub struct CapabilityTable {
    /// Which table this is.
    pub version: String,
    known: ByTarget<Capabilities>,
    overrides: ByTarget<Capabilities>,
}

impl Default for CapabilityTable {
    /// The models of the price table, and the usual models for embeddings.
    fn default() -> Self {
        // A test reads it: it can be read.
        let facts: Facts = serde_json::from_str(FACTS).unwrap_or_default();
        Self {
            version: facts.version,
            known: facts.models.into_iter().collect(),
            overrides: ByTarget::default(),
        }
    }
}

impl CapabilityTable {
    /// A table that knows nothing.
    pub fn empty(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            known: ByTarget::default(),
            overrides: ByTarget::default(),
        }
    }

    /// The table with something set that stands above all else; `target` is `provider/model` or `provider/*`.
    #[must_use]
    pub fn with(mut self, target: impl Into<String>, can: Capabilities) -> Self {
        let target = target.into();
        if let Some(before) = self.overrides.set(&target, can) {
            self.overrides.set(&target, can.or(before));
        }
        self
    }

    /// What a target can do: what was set, then what its provider says, then what the table knows.
    pub fn can(&self, provider: &str, model: &str, told: Capabilities) -> Capabilities {
        let of = |table: &ByTarget<Capabilities>| {
            let named = table.named(provider, model).copied().unwrap_or_default();
            named.or(table.every(provider).copied().unwrap_or_default())
        };
        of(&self.overrides).or(told).or(of(&self.known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many names of the same models, which can all that is asked for; nothing is known of their windows there.
    fn is_claude_at_bedrock(target: &str) -> bool {
        target.starts_with("bedrock/") && target.contains(".anthropic.")
    }

    #[test]
    fn the_facts_can_be_read_and_hold_every_priced_model() {
        let facts: Facts = serde_json::from_str(FACTS).unwrap();
        assert!(!facts.version.is_empty());
        for target in crate::PriceTable::default().targets() {
            assert!(
                facts.models.contains_key(&target) || target.ends_with("/*") || is_claude_at_bedrock(&target),
                "{target}"
            );
        }
        for (target, can) in &facts.models {
            assert!(
                target
                    .split_once('/')
                    .is_some_and(|(p, m)| !p.is_empty() && !m.is_empty()),
                "{target}"
            );
            assert!(can.context_window.is_none_or(|w| w >= 8_000), "{target}");
            assert!(
                can.max_output <= can.context_window.or(can.max_output),
                "{target}"
            );
        }
    }

    #[test]
    fn what_was_set_stands_above_the_provider_s_word_and_that_above_the_table() {
        let window = |tokens| Capabilities {
            context_window: Some(tokens),
            ..Capabilities::default()
        };
        let table = CapabilityTable::default();
        let told = Capabilities {
            vision: Some(false),
            ..window(7)
        };
        let can = table.can("openai", "gpt-4o-2024-11-20", told);
        assert_eq!(
            (can.context_window, can.vision, can.tools),
            (Some(7), Some(false), Some(true))
        );
        let blind = Capabilities {
            tools: Some(false),
            ..Capabilities::default()
        };
        let table = table.with("openai/*", blind).with("openai/gpt-4o", window(9));
        let can = table.can("openai", "gpt-4o", told);
        assert_eq!(
            (can.context_window, can.vision, can.tools),
            (Some(9), Some(false), Some(false))
        );
        assert_eq!(
            table.can("acme", "gpt-4o", Capabilities::default()),
            Capabilities::default()
        );
    }
}
