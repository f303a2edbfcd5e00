//! The GraphQL contract: types, queries, mutations and subscriptions, each resolver a message to the supervisor.

mod agent;
mod connection;
mod enums;
mod event;
mod history;
mod message;
mod mutation;
mod mutation_input;
mod node;
mod query;
mod reach;
mod request;
mod response;
mod scalars;
mod session;
mod spend;
mod subscription;
mod task;

use async_graphql::{Schema as GraphQlSchema, SchemaBuilder, ValidationMode};

pub(crate) use reach::{Backend, Caller};

/// The executable schema.
pub(crate) type Schema = GraphQlSchema<query::Query, mutation::Mutation, subscription::Subscription>;

/// The contract as SDL, as it is checked in.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new()
        .prefer_single_line_descriptions()
        .use_space_ident();
    builder().finish().sdl_with_options(options)
}

/// A schema that validates documents as strictly as `mode` says.
pub(crate) fn build(backend: Backend, mode: ValidationMode) -> Schema {
    builder()
        .data(backend)
        .validation_mode(mode)
        .limit_directives(8)
        .finish()
}

fn builder() -> SchemaBuilder<query::Query, mutation::Mutation, subscription::Subscription> {
    GraphQlSchema::build(query::Query, mutation::Mutation, subscription::Subscription)
}

/// Whether a text is a `DateTime`.
pub(crate) fn is_moment(text: &str) -> bool {
    greenroom_kernel::Timestamp::from_rfc3339(text).is_some()
}
