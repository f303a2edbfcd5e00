//! The world around a process, as its parts see it: time, chance, and where is counted.

use std::sync::Arc;

use greenroom_kernel::{Clock, Randomness};
use greenroom_supervision::Environment;
use greenroom_telemetry::Metrics;

use super::hooks::Hooks;
use crate::config::Config;
use crate::failed::Failed;
use crate::ports::{MachineClock, MachineRandomness};

/// What is there before anything else.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Randomness>,
    pub(crate) metrics: Metrics,
    /// Where actors run.
    pub(crate) environment: Environment,
    /// What tests ask for.
    pub(super) hooks: Hooks,
}

impl World {
    /// This machine's.
    ///
    /// # Errors
    /// A test hook that makes no sense.
    pub(crate) fn of(config: &Config) -> Result<Self, Failed> {
        let hooks = Hooks::read(&|name| std::env::var(name).ok())?;
        let clock: Arc<dyn Clock> = Arc::new(MachineClock::ahead_by(hooks.clock_offset_ms));
        let random: Arc<dyn Randomness> = Arc::new(MachineRandomness);
        let metrics = match config.counts {
            true => Metrics::new(env!("CARGO_PKG_VERSION")),
            false => Metrics::off(),
        };
        let counted = metrics.clone();
        let environment = Environment::counting(
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::new(move |kind| counted.actor_restarted(kind)),
        );
        Ok(Self {
            clock,
            random,
            metrics,
            environment,
            hooks,
        })
    }

    /// Which start of a process this is, for those that know it by its address: later ones have greater numbers, as far as
    /// this machine's clock goes forward.
    pub(crate) fn incarnation(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or_default()
    }
}
