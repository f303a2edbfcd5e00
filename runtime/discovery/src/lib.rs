//! Discovery: who else is there. A list in the configuration, the DNS and AWS Cloud Map stand behind the kernel's port
//! [`Discovery`](greenroom_kernel::Discovery), and one [`Watch`] makes of any of them a picture that is kept up to date:
//! it looks often, notices an outage, keeps the last known members through it and says so.

#[cfg(feature = "cloud-map")]
mod cloud_map;
#[cfg(feature = "dns")]
mod dns;
mod dns_name;
mod fixed;
#[cfg(feature = "testkit")]
pub mod testkit;
mod watch;

#[cfg(feature = "cloud-map")]
pub use cloud_map::{CloudMap, CloudMapConfig, Credentials, SharedCredentialsProvider};
#[cfg(feature = "dns")]
pub use dns::Dns;
pub use dns_name::{DnsName, InvalidDnsName};
pub use fixed::Fixed;
pub use watch::{Watch, WatchConfig};

/// Nobody is asked for more members than this, and no more are kept.
pub const MOST_MEMBERS: usize = 1000;
