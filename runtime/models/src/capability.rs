//! What models can do, and what a request needs of them.

mod needs;
mod table;

pub(crate) use needs::may_lack;
pub use needs::{Lack, Needs, lacks};
pub use table::CapabilityTable;
