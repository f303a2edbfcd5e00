//! A call whose reader is told as it goes.

use greenroom_kernel::{ContentPiece, Failure, ModelAnswer};

use super::{Call, End, Step};

impl Call {
    /// Runs to the end. Dropping the future ends the try that runs.
    pub(crate) async fn told(
        mut self: Box<Self>,
        on_content: &mut (dyn FnMut(ContentPiece<'_>) + Send),
    ) -> Result<ModelAnswer, Failure> {
        self.input = Some(self.asked.input());
        loop {
            let step = match self.next().await {
                Ok(step) => step,
                Err(failed) => {
                    // Tries that raced told nothing while they ran.
                    on_content(ContentPiece::Used(self.used()));
                    return Err(failed.into());
                }
            };
            match &step {
                Step::Restart => on_content(ContentPiece::Restart),
                Step::End(_) => {}
                _ => on_content(ContentPiece::Used(self.used())),
            }
            match step {
                Step::Text(text) => on_content(ContentPiece::Text(&text)),
                Step::End(End::Answer(answer)) => return Ok(*answer),
                Step::End(End::Vectors(_) | End::Relayed) => {
                    return Err(Failure::internal("a model call ended without an answer"));
                }
                Step::Thinking(_) | Step::Call(_) | Step::Piece(_) | Step::Working | Step::Restart => {}
            }
        }
    }
}
