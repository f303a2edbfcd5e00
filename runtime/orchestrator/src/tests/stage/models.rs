//! Models that follow a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    CallContext, CallFailure, ContentPiece, Failure, FinishReason, ModelAnswer, ModelListing, ModelRequest,
    Models, ProviderStatus, Served, Usage, WireCall,
};
use parking_lot::Mutex;

/// What a scripted model does.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(&'static str),
    Restart,
    /// The call has used so many tokens until now.
    Used(u64),
    Pause(Duration),
    Fail(Failure),
}

/// Models that follow a script.
#[derive(Default)]
pub(crate) struct StageModels {
    pub(crate) script: Mutex<Vec<Piece>>,
    pub(crate) calls: AtomicU32,
    pub(crate) asked: Mutex<Vec<ModelRequest>>,
}

#[async_trait]
impl Models for StageModels {
    async fn call(
        &self,
        request: &ModelRequest,
        _: &CallContext,
        on_content: &mut (dyn for<'p> FnMut(ContentPiece<'p>) + Send),
    ) -> Result<ModelAnswer, Failure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().push(request.clone());
        let script = self.script.lock().clone();
        let mut content = String::new();
        for piece in script {
            match piece {
                Piece::Text(text) => {
                    content.push_str(text);
                    on_content(ContentPiece::Text(text));
                }
                Piece::Restart => {
                    content.clear();
                    on_content(ContentPiece::Restart);
                }
                Piece::Used(tokens) => on_content(ContentPiece::Used(tokens_used(tokens))),
                Piece::Pause(wait) => tokio::time::sleep(wait).await,
                Piece::Fail(failure) => return Err(failure),
            }
        }
        Ok(ModelAnswer {
            content,
            reasoning: Vec::new(),
            tool_calls: Vec::new(),
            finish: FinishReason::Stop,
            usage: tokens_used(10),
            provider: "stage".into(),
            model: "small".into(),
        })
    }

    async fn serve(self: Arc<Self>, _: WireCall, _: CallContext) -> Result<Served, CallFailure> {
        unreachable!("no task calls in a wire family's words")
    }

    fn listing(&self) -> Vec<ModelListing> {
        Vec::new()
    }

    fn estimate(&self, _: &ModelRequest) -> Usage {
        Usage {
            estimated: true,
            ..tokens_used(5)
        }
    }

    fn providers(&self) -> Vec<ProviderStatus> {
        Vec::new()
    }
}

fn tokens_used(tokens: u64) -> Usage {
    Usage {
        input_tokens: tokens,
        ..Usage::default()
    }
}
