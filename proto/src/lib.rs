//! The wire contracts: generated code and nothing else. The specification is the comments of the `.proto` files
//! beside this crate's sources; the meaning in terms of the kernel is given in `greenroom-wire`.

/// Package `greenroom.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated: documented in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("greenroom.v1");

    /// The encoded file descriptors of the package, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/greenroom.v1.bin"));
}
