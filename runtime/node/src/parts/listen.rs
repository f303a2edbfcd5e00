//! Where a process listens.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::failed::Failed;

/// Binds an address that the configuration names by `key`.
///
/// # Errors
/// What is in the way, and what to do about it.
pub(crate) async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Failed> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; end what has it, or set another (port 0 takes a free one)",
            _ => "",
        };
        Failed::because(format!("{key}: can't listen on {address}: {error}{remedy}"))
    })
}

/// The URL that a client on this machine reaches an address by.
pub(crate) fn url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}
