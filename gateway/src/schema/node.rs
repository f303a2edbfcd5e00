//! The supervision tree.

use async_graphql::SimpleObject;

use super::enums::{BreakerState, SupervisionChange};
use super::reach::int;
use super::scalars::DateTime;

/// One actor of the supervision tree, with those it supervises.
#[derive(SimpleObject)]
pub(crate) struct ActorNode {
    /// The names from the root down, joined by `/`.
    path: String,
    /// What sort of actor it is.
    kind: String,
    /// Where it is in its life: WAITING, STARTING, RUNNING, STOPPING, BACKOFF, STOPPED or FAILED.
    state: String,
    /// How often it was restarted.
    restarts: i32,
    /// Why it last ended.
    last_cause: Option<String>,
    /// Messages admitted and not done.
    mailbox: i32,
    /// The breaker in front of it, if there is one.
    breaker: Option<BreakerState>,
    /// Those it supervises.
    children: Vec<ActorNode>,
}

impl From<greenroom_kernel::ActorNode> for ActorNode {
    fn from(node: greenroom_kernel::ActorNode) -> Self {
        Self {
            path: node.path,
            kind: node.kind,
            state: node.state.as_str().to_owned(),
            restarts: int(node.restarts),
            last_cause: node.last_cause,
            mailbox: int(node.mailbox),
            breaker: node.breaker.map(BreakerState::from),
            children: node.children.into_iter().map(ActorNode::from).collect(),
        }
    }
}

/// Something that happened to a supervised actor.
#[derive(SimpleObject)]
pub(crate) struct SupervisionEvent {
    /// The names from the root down, joined by `/`.
    path: String,
    /// What sort of actor it is.
    kind: String,
    /// What happened.
    what: SupervisionChange,
    /// Why, when it ended.
    cause: Option<String>,
    /// When.
    at: DateTime,
}

impl From<greenroom_kernel::SupervisionEvent> for SupervisionEvent {
    fn from(event: greenroom_kernel::SupervisionEvent) -> Self {
        Self {
            path: event.path,
            kind: event.kind,
            what: event.what.into(),
            cause: event.cause,
            at: DateTime(event.at),
        }
    }
}
