//! What the calls of a route may do beside going from target to target: all of it is off unless the route asks for it.

use std::time::Duration;

/// When a second try is begun beside the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// When the target has taken longer than 19 of 20 of its latest calls took to their first content. Until 20 of
    /// them are known no second try is begun.
    P95,
    /// After so long.
    Fixed(Duration),
}

/// How requests for vectors are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// How long the first waits for others.
    pub within: Duration,
    /// With so many inputs nobody waits any longer; a request that has as many goes alone.
    pub inputs: usize,
}

impl Batch {
    /// The longest that a request may be kept waiting for others.
    pub const WITHIN_AT_MOST: Duration = Duration::from_millis(2);
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            within: Self::WITHIN_AT_MOST,
            inputs: 64,
        }
    }
}

/// What calls of a route may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteFlow {
    /// When a second try is begun at the next target, to take the answer of whichever has content first.
    pub hedge: Option<HedgeAfter>,
    /// Whether what one target's content filter refuses may be asked of the next.
    pub reroute_filtered: bool,
    /// Whether identical calls of one subject share one upstream call while it runs.
    pub join: bool,
    /// How requests for vectors of one subject are put together, if they are.
    pub batch: Option<Batch>,
}
