//! Calls that share one upstream call: identical ones join it, small requests for vectors are put together.
//!
//! Whoever reads drives what is shared: there is no task beside the readers. So a shared call lives as long as anybody
//! waits for it, and is cancelled with its last reader, whether or not that is the one who began it. Only calls of one
//! subject share, and only where their route says so.

mod basket;
mod batch;
mod buffer;
mod follower;
mod join;
mod opened;
mod split;

use greenroom_kernel::{CallContext, CallFailure, Caller, ErrorCode, Failure, WireCall};
use tokio_util::sync::CancellationToken;

use crate::router::ModelRouter;

pub(crate) use batch::Batches;
pub(crate) use join::Joins;

/// Whom nothing is shared beyond, and what of the call's context chooses its targets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Scope {
    tenant: String,
    subject: String,
    key: Option<String>,
    model: Option<String>,
    affinity: Option<String>,
    narrowing: String,
}

impl Scope {
    /// None where nobody knows who calls.
    fn of(call: &WireCall, context: &CallContext) -> Option<Self> {
        let Caller {
            tenant, subject, key, ..
        } = &**context.caller.as_ref()?;
        Some(Self {
            tenant: tenant.to_string(),
            subject: subject.to_string(),
            key: key.as_ref().map(ToString::to_string),
            model: call.model.clone(),
            affinity: context.affinity.as_ref().map(ToString::to_string),
            narrowing: serde_json::to_string(&context.narrowing).ok()?,
        })
    }
}

/// The context of a shared call: none of its readers ends it for the others.
fn nobodys(context: &CallContext) -> CallContext {
    CallContext {
        deadline: None,
        cancel: CancellationToken::new(),
        ..context.clone()
    }
}

impl ModelRouter {
    /// Waits for something shared, no longer than this reader has and stays.
    async fn while_there<T>(
        &self,
        context: &CallContext,
        work: impl Future<Output = T>,
    ) -> Result<T, CallFailure> {
        let left = context.deadline.map(|at| self.shared.clock.now().until(at));
        let late = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(gone().into()),
            done = work => Ok(done),
            () = late => Err(late_for_it().into()),
        }
    }
}

fn gone() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the model call was cancelled")
}

fn late_for_it() -> Failure {
    Failure::new(
        ErrorCode::DeadlineExceeded,
        "the model call that this one shares was not done in time",
    )
}
