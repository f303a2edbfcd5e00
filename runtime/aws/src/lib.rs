//! How this system calls AWS, said once: where a region and credentials are found, and what is told of a call that
//! failed. What is called, how patiently and how often is each caller's own.
//!
//! The feature `s3` reaches objects in buckets; `testkit` starts an emulator.

mod caller;
mod causes;
#[cfg(feature = "s3")]
mod objects;
mod refusal;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use aws_config::SdkConfig;
pub use aws_credential_types::Credentials;
pub use aws_credential_types::provider::error::CredentialsError;
pub use aws_credential_types::provider::future::ProvideCredentials as FutureCredentials;
pub use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
pub use caller::Caller;
pub use causes::{Causes, on_one_line};
#[cfg(feature = "s3")]
pub use objects::{ObjectError, Objects};
pub use refusal::{CallerRefusal, NO_CREDENTIALS};
