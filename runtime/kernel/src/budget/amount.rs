//! Money and tokens, whole: sums of many small parts must not drift.

use serde::{Deserialize, Serialize};

/// So much money and so many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amount {
    /// Billionths of a US dollar.
    pub nanos: u64,
    /// Tokens of all classes.
    pub tokens: u64,
}

impl Amount {
    /// US dollars in billionths; what is below nothing or no number is nothing.
    pub fn nanos_of(usd: f64) -> u64 {
        // A cast from a float saturates.
        (usd * 1e9).round() as u64
    }

    /// Billionths in US dollars.
    pub fn usd_of(nanos: u64) -> f64 {
        nanos as f64 / 1e9
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    /// What is left of it, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(other.nanos),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_go_to_billionths_and_back() {
        assert_eq!(Amount::nanos_of(0.000_000_15), 150);
        assert!((Amount::usd_of(Amount::nanos_of(12.345)) - 12.345).abs() < 1e-9);
        assert_eq!(Amount::nanos_of(-1.0), 0);
        assert_eq!(Amount::nanos_of(f64::NAN), 0);
    }
}
