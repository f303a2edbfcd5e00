//! Texts that must not lie about, from where a fleet keeps them: AWS Secrets Manager.
//!
//! A secret is read when it is asked for, and again whenever it is: nothing is kept here. What a secret means is its
//! reader's business.

mod error;
mod manager;
mod secret;

pub use error::SecretError;
pub use greenroom_aws::Caller;
pub use manager::SecretsManager;
pub use secret::Secret;
