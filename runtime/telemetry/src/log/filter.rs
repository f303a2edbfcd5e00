//! Which events become lines. Spans are let through down to `info` as long as there are lines at all: their fields are
//! the ids of the lines inside them, and a process that logs only warnings still wants those.

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, Layer};

use crate::TelemetryError;

#[derive(Debug)]
pub(crate) struct LogFilter {
    events: Targets,
    most_verbose: LevelFilter,
}

impl LogFilter {
    pub(crate) fn parse(filter: &str) -> Result<Self, TelemetryError> {
        let events: Targets = filter.parse().map_err(|source| TelemetryError::Filter {
            filter: filter.to_owned(),
            source,
        })?;
        let levels = || {
            events
                .iter()
                .map(|(_, level)| level)
                .chain(events.default_level())
        };
        let most_verbose = match levels().all(|level| level == LevelFilter::OFF) {
            true => LevelFilter::OFF,
            false => levels().fold(LevelFilter::INFO, std::cmp::max),
        };
        Ok(Self { events, most_verbose })
    }

    fn admits(&self, metadata: &Metadata<'_>) -> bool {
        (metadata.is_span() && *metadata.level() <= Level::INFO && self.most_verbose != LevelFilter::OFF)
            || self.events.would_enable(metadata.target(), metadata.level())
    }
}

impl<S> Filter<S> for LogFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.admits(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.admits(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most_verbose)
    }
}

/// For everything above it, where lines are all that is made of spans and events.
impl<S: Subscriber> Layer<S> for LogFilter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        <Self as Filter<S>>::callsite_enabled(self, metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.admits(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most_verbose)
    }
}
