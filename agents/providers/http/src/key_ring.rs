//! A provider's credentials: one is used until it is refused, then the next.

mod turns;

use std::time::Duration;

use greenroom_kernel::Credentials;
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;

use crate::key::ApiKey;
use turns::Turns;

/// Keys as the header carries them, and whose turn it is.
pub(crate) struct KeyRing {
    header: HeaderName,
    values: Vec<HeaderValue>,
    turns: Mutex<Turns>,
}

impl KeyRing {
    /// The first is preferred. None when a key can't be carried by a header.
    pub(crate) fn new(header: HeaderName, prefix: &str, keys: &[ApiKey]) -> Option<Self> {
        let value = |key: &ApiKey| {
            let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose())).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let values = keys.iter().map(value).collect::<Option<Vec<_>>>()?;
        Some(Self {
            header,
            turns: Mutex::new(Turns::of(values.len())),
            values,
        })
    }

    /// Whose turn it is; none where there are no keys.
    pub(crate) fn turn(&self, now: Duration) -> Option<usize> {
        self.turns.lock().turn(now)
    }

    /// Adds a key to a request's headers.
    pub(crate) fn sign(&self, turn: Option<usize>, headers: &mut HeaderMap) {
        if let Some(value) = turn.and_then(|at| self.values.get(at)) {
            headers.insert(self.header.clone(), value.clone());
        }
    }

    /// A key did its part.
    pub(crate) fn accepted(&self, turn: Option<usize>) {
        if let Some(at) = turn {
            self.turns.lock().accepted(at);
        }
    }

    /// A key was refused, for so long where the provider said so. Says which one to try instead: one that is usable and
    /// not among those `tried`, to which this one is added.
    pub(crate) fn refused(
        &self,
        turn: Option<usize>,
        wait: Option<Duration>,
        tried: &mut Vec<usize>,
        now: Duration,
    ) -> Option<usize> {
        let at = turn?;
        tried.push(at);
        let mut turns = self.turns.lock();
        turns.refused(at, wait, now);
        turns.instead(tried, now)
    }

    /// How many there are, and how many can be used.
    pub(crate) fn credentials(&self, now: Duration) -> Option<Credentials> {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (!self.values.is_empty()).then(|| Credentials {
            usable: count(self.turns.lock().usable(now)),
            total: count(self.values.len()),
        })
    }
}
