//! What an operator can set: every bound of the edge, with its default.

use std::time::Duration;

/// How the gateway listens and what it admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Admit only requests whose `Host` is this machine's loopback, and whose `Origin`, if any, is too: any web
    /// page can reach loopback.
    pub loopback_only: bool,
    /// Answer introspection queries.
    pub introspection: bool,
    /// Serve the query page to browsers.
    pub graphiql: bool,
    /// Bounds on one query.
    pub query: QueryLimits,
    /// Connections at once; one more is told to come back.
    pub max_connections: usize,
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// Bytes of the body of a request under `/v1`: conversations with images are large.
    pub v1_max_body_bytes: usize,
    /// Bytes of a request's line and headers.
    pub max_header_bytes: usize,
    /// How long a client may take to send its headers.
    pub header_timeout: Duration,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// How long a client may read nothing of what waits to be written to it before its connection is closed.
    pub write_timeout: Duration,
    /// How much longer than it was asked to wait a call may take to be answered; then its outcome is not known.
    pub answer_grace: Duration,
    /// How long a request may take; what it began goes on without it.
    pub request_timeout: Duration,
    /// How long a call waits for its task when it doesn't say.
    pub default_wait: Duration,
    /// How long a call may ask to wait.
    pub max_wait: Duration,
    /// Operations at once on one WebSocket.
    pub max_operations: usize,
    /// Bytes of one WebSocket message.
    pub max_message_bytes: usize,
    /// How long a WebSocket may stay without `connection_init`.
    pub init_timeout: Duration,
    /// How long a WebSocket's reader may hold up a message before the socket is closed.
    pub send_timeout: Duration,
    /// How often an idle stream is kept alive. A WebSocket silent for three of these is closed.
    pub keep_alive: Duration,
    /// How long open requests may take once the gateway shuts down.
    pub shutdown_timeout: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            loopback_only: true,
            introspection: true,
            graphiql: true,
            query: QueryLimits::default(),
            max_connections: 10_000,
            max_body_bytes: 1024 * 1024,
            v1_max_body_bytes: 32 * 1024 * 1024,
            max_header_bytes: 64 * 1024,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            answer_grace: Duration::from_secs(30),
            request_timeout: Duration::from_secs(660),
            default_wait: Duration::from_secs(55),
            max_wait: Duration::from_secs(600),
            max_operations: 100,
            max_message_bytes: 1024 * 1024,
            init_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// What one query may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// Bytes of its text.
    pub bytes: usize,
    /// Lexical tokens of its text.
    pub tokens: usize,
    /// Fields below fields.
    pub depth: usize,
    /// Fields, those below a connection counted once for each row asked for.
    pub complexity: usize,
    /// Aliases.
    pub aliases: usize,
    /// Fields at the root.
    pub root_fields: usize,
    /// Operations of one batch.
    pub batch: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            tokens: 5_000,
            depth: 15,
            complexity: 2_000,
            aliases: 30,
            root_fields: 20,
            batch: 10,
        }
    }
}
