//! How many tokens a request takes: asked of the target that would answer it, else estimated.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{CallContext, CallFailure, Failure, ServedBy, TokenCount, WireCall};

use crate::asked::Asked;
use crate::router::ModelRouter;

/// How long a target is waited for: a count is asked for while somebody writes, and an estimate is at hand.
const PATIENCE: Duration = Duration::from_secs(10);

impl ModelRouter {
    /// Asks the first target of a call. One that is asked to be left alone, or fails, isn't waited for: we estimate.
    pub(crate) async fn counted(
        &self,
        call: WireCall,
        context: CallContext,
    ) -> Result<TokenCount, CallFailure> {
        let raw = call.raw.clone();
        let asked = Asked::Wire(call);
        let targets = self.targets_of(&asked, &context).await?;
        let first = targets
            .first()
            .filter(|target| target.gate.backend().counts(raw.family));
        // The place and the permit are given back unsettled: a count says little about answers.
        let admitted = first.and_then(|target| target.gate.try_admit().ok());
        if let (Some(target), Some(_place)) = (first, admitted) {
            let asking = target.gate.backend().count_tokens(&target.model, &raw, &context);
            match tokio::time::timeout(PATIENCE, asking).await {
                Ok(Ok(body)) => {
                    let by = ServedBy {
                        provider: Arc::clone(target.gate.name()),
                        model: Arc::clone(&target.model),
                        tries: 1,
                    };
                    return Ok(TokenCount::Told { by, body });
                }
                Ok(Err(fault)) if !fault.class.is_provider_fault() => {
                    return Err(CallFailure {
                        failure: Failure::from(fault.clone()),
                        fault: Some(Box::new(fault)),
                    });
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
        match asked.wish() {
            Ok(_) => Ok(TokenCount::Estimated {
                tokens: asked.input(),
            }),
            Err(wrong) => Err(Failure::bad_input(wrong.message).into()),
        }
    }
}
