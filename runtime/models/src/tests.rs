//! Calls over scripted providers, on a paused clock.

mod actor;
mod admission;
mod bounds;
mod failover;
mod script;
mod serving;
mod telling;
mod world;
