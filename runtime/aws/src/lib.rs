//! How this system calls AWS, said once: where a region and credentials are found, and what is told of a call that
//! failed. What is called, how patiently and how often is each caller's own.
//!
//! The feature `testkit` starts an emulator.

mod caller;
mod causes;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use aws_config::SdkConfig;
pub use aws_credential_types::Credentials;
pub use aws_credential_types::provider::error::CredentialsError;
pub use aws_credential_types::provider::future::ProvideCredentials as FutureCredentials;
pub use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
pub use caller::Caller;
pub use causes::{Causes, on_one_line};
