//! The fault wall: what callers of `/v1` hear when a model server fails, in every way that it can, in every wire family.
//!
//! The gateway is the real binary with its defaults, save for deadlines that nobody would wait for. The upstream is
//! scripted down to the byte; callers judge what they hear as their strictest client would.

mod act;
mod caller;
mod cells;
mod connection;
mod count;
mod expect;
mod faults;
mod judge;
mod kill;
mod more;
mod page;
mod play;
mod recovery;
mod stage;
mod upstream;
mod words;
