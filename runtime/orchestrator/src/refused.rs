//! Cards that can't be used, and why: a bounded memory, so that each is told of once.

use std::collections::BTreeMap;

use greenroom_kernel::{AgentCard, AgentName, InputHash};

/// How many are remembered.
const MOST: usize = 256;

/// By instance.
#[derive(Default)]
pub(crate) struct RefusedCards(BTreeMap<String, Refused>);

struct Refused {
    name: AgentName,
    address: String,
    /// Of the card, which may be large.
    hash: InputHash,
    why: String,
}

impl RefusedCards {
    /// Of more than it takes, the reason is only in the log.
    pub(crate) fn add(&mut self, id: String, address: String, card: &AgentCard, why: String) {
        if self.0.len() < MOST || self.0.contains_key(&id) {
            let refused = Refused {
                name: card.name.clone(),
                address,
                hash: hash_of(card),
                why,
            };
            self.0.insert(id, refused);
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Forgets those of the host at `address` that are none of its `cards`.
    pub(crate) fn keep(&mut self, address: &str, cards: &[AgentCard]) {
        let there = |name: &AgentName| cards.iter().any(|card| card.name == *name);
        self.0
            .retain(|_, refused| refused.address != address || there(&refused.name));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this very card was refused.
    pub(crate) fn has(&self, id: &str, card: &AgentCard) -> bool {
        self.0
            .get(id)
            .is_some_and(|refused| refused.hash == hash_of(card))
    }

    /// Why a card of that agent was refused, if one was.
    pub(crate) fn why(&self, name: &AgentName) -> Option<String> {
        let mut whys = self.0.values().filter(|refused| refused.name == *name);
        whys.next().map(|refused| refused.why.clone())
    }
}

fn hash_of(card: &AgentCard) -> InputHash {
    InputHash::of(&[&serde_json::to_string(card).unwrap_or_default()])
}
