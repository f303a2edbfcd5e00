//! Kernel types to protobuf and back. Encoding can't fail but where a type holds more than the wire may carry;
//! decoding names the field that makes no sense.

mod agent;
mod common;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod observe;
pub(crate) mod peers;
pub(crate) mod requests;
pub(crate) mod rows;

pub use agent::{
    decode_from_agent, decode_start, decode_to_agent, encode_from_agent, encode_start, encode_to_agent,
};
pub use common::{decode_card, encode_card};
pub(crate) use common::{
    decode_failure, decode_principal, encode_failure, encode_principal, list, parsed, parsed_if,
};
