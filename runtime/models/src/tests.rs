//! Calls over scripted providers, on a paused clock.

mod actor;
mod admission;
mod bounds;
mod costs;
mod failover;
mod hedging;
mod limits;
mod routing;
mod script;
mod serving;
mod telling;
mod world;
