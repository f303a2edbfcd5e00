//! Test hooks in the environment. The crash tests and the benchmarks use them; nobody else should.
//!
//! - `GREENROOM_FAILPOINT=<name>:<n>` aborts the process when a point is reached for the n-th time: see
//!   [`failpoint`](super::failpoint).
//! - `GREENROOM_SYNC_DELAY_MS=<ms>` makes each sync of the store take so much longer.
//! - `GREENROOM_CLOCK_OFFSET_MS=<ms>` sets the process's time of day forward, or back if negative.

use std::str::FromStr;
use std::time::Duration;

use super::failpoint::Trap;
use crate::failed::Failed;

const FAILPOINT: &str = "GREENROOM_FAILPOINT";
const SYNC_DELAY: &str = "GREENROOM_SYNC_DELAY_MS";
const CLOCK_OFFSET: &str = "GREENROOM_CLOCK_OFFSET_MS";

/// What the hooks ask for.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) trap: Option<Trap>,
    pub(crate) sync_delay: Option<Duration>,
    pub(crate) clock_offset_ms: i64,
}

impl Hooks {
    /// Reads them.
    ///
    /// # Errors
    /// A value that makes no sense.
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failed> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let trap = match set(FAILPOINT) {
            Some(text) => {
                let wrong = |why| Failed::misused(format!("{FAILPOINT} is `{text}`: {why}"));
                Some(Trap::parse(&text).map_err(wrong)?)
            }
            None => None,
        };
        Ok(Self {
            trap,
            sync_delay: milliseconds(SYNC_DELAY, set(SYNC_DELAY))?.map(Duration::from_millis),
            clock_offset_ms: milliseconds(CLOCK_OFFSET, set(CLOCK_OFFSET))?.unwrap_or(0),
        })
    }
}

fn milliseconds<N: FromStr>(name: &str, text: Option<String>) -> Result<Option<N>, Failed> {
    let Some(text) = text else { return Ok(None) };
    let wrong = |_| Failed::misused(format!("{name} is `{text}`: it must be milliseconds"));
    text.parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Hooks, Failed> {
        Hooks::read(&|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn hooks_are_off_unless_asked_for() {
        let hooks = read("OTHER", "1").unwrap();
        assert!(hooks.trap.is_none() && hooks.sync_delay.is_none() && hooks.clock_offset_ms == 0);
    }

    #[test]
    fn hooks_are_read_and_nonsense_is_refused() {
        assert_eq!(
            read(SYNC_DELAY, "4").unwrap().sync_delay,
            Some(Duration::from_millis(4))
        );
        assert_eq!(
            read(CLOCK_OFFSET, "-3600000").unwrap().clock_offset_ms,
            -3_600_000
        );
        assert!(read(FAILPOINT, "before_commit:2").unwrap().trap.is_some());
        for (name, value) in [
            (SYNC_DELAY, "-1"),
            (CLOCK_OFFSET, "soon"),
            (FAILPOINT, "somewhere"),
        ] {
            assert!(read(name, value).unwrap_err().to_string().starts_with(name));
        }
    }
}
