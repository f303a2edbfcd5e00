//! Texts that must not lie about, from where a fleet keeps them: AWS Secrets Manager.
//!
//! A secret is read when it is asked for, and again whenever it is: nothing is kept here. What a secret means is its
//! reader's business.

mod connect;
mod error;
mod manager;
mod secret;

pub use aws_credential_types::Credentials;
pub use error::SecretError;
pub use manager::{SecretsManager, SecretsManagerConfig};
pub use secret::Secret;
