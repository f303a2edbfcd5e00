//! `greenroom certs`: a private authority and certificates for the roles of a fleet.

mod facts;

pub(crate) use facts::Facts;
