//! Calls over scripted providers, on a paused clock.

mod actor;
mod admission;
mod batching;
mod bounds;
mod costs;
mod counting;
mod failover;
mod hedging;
mod joining;
mod limits;
mod recovering;
mod routing;
mod script;
mod serving;
mod telling;
mod world;
