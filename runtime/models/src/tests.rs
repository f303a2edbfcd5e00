//! Calls over scripted providers, on a paused clock.

mod actor;
mod admission;
mod bounds;
mod failover;
mod limits;
mod recovering;
mod routing;
mod script;
mod serving;
mod telling;
mod world;
