//! Tests that the documents show to agents' developers.

mod crashes;
mod replays;
