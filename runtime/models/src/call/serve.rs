//! A call for a caller with words of its own: passed on as it comes where the target speaks them too.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use greenroom_kernel::{CallEvent, CallFailure, Failure, Served, ServedAnswer};

use http::HeaderMap;

use super::{Call, End, Step};

impl Call {
    /// Runs until the answer has content, or to its end where it isn't streamed.
    pub(crate) async fn served(mut self: Box<Self>, streamed: bool) -> Result<Served, CallFailure> {
        // Clients of these wires come back by themselves when they are told when.
        self.candidates.patience = Some(self.candidates.shared.held_wait);
        if !streamed {
            return self.whole().await;
        }
        // What a reader has seen can't be taken back on these wires.
        self.restarts = false;
        loop {
            let first = self.next().await?;
            let by = self.served_by();
            let answer = match first {
                Step::Working | Step::Restart => continue,
                Step::Piece(piece) => {
                    let headers = self.running.as_mut().map(|(_, running)| running.headers());
                    ServedAnswer::Relayed {
                        headers: headers.unwrap_or_default(),
                        pieces: self.pieces(piece),
                    }
                }
                Step::End(End::Answer(answer)) => {
                    let end = CallEvent::End(answer);
                    ServedAnswer::Spoken(stream::once(async { Ok(end) }).boxed())
                }
                Step::End(End::Vectors(vectors)) => ServedAnswer::Embedded { vectors },
                Step::End(End::Relayed) => return Err(nothing_came().into()),
                Step::Text(text) => ServedAnswer::Spoken(self.events(CallEvent::Text(text))),
                Step::Thinking(text) => ServedAnswer::Spoken(self.events(CallEvent::Thinking(text))),
                Step::Call(call) => ServedAnswer::Spoken(self.events(CallEvent::ToolCall(call))),
            };
            let by = by.ok_or_else(nothing_came)?;
            return Ok(Served { by, answer });
        }
    }

    /// Nobody sees a part of it: it may start over until it is whole.
    async fn whole(mut self: Box<Self>) -> Result<Served, CallFailure> {
        let (mut body, mut headers) = (Vec::new(), HeaderMap::new());
        loop {
            let step = self.next().await?;
            let by = self.served_by();
            let answer = match step {
                Step::Restart => {
                    body.clear();
                    continue;
                }
                Step::Piece(piece) => {
                    if let (true, Some((_, running))) = (body.is_empty(), &mut self.running) {
                        headers = running.headers();
                    }
                    body.push(piece);
                    continue;
                }
                Step::End(End::Relayed) => ServedAnswer::Whole {
                    headers,
                    body: joined(body),
                },
                Step::End(End::Vectors(vectors)) => ServedAnswer::Embedded { vectors },
                Step::End(End::Answer(answer)) => {
                    let end = CallEvent::End(answer);
                    ServedAnswer::Spoken(stream::once(async { Ok(end) }).boxed())
                }
                Step::Text(_) | Step::Thinking(_) | Step::Call(_) | Step::Working => continue,
            };
            let by = by.ok_or_else(nothing_came)?;
            return Ok(Served { by, answer });
        }
    }

    /// The pieces of a relayed answer; `first` holds its first content.
    fn pieces(self: Box<Self>, first: Bytes) -> BoxStream<'static, Result<Bytes, CallFailure>> {
        let rest = stream::unfold(Some(self), |call| async {
            let mut call = call?;
            loop {
                match call.next().await {
                    Ok(Step::Piece(piece)) => return Some((Ok(piece), Some(call))),
                    Ok(Step::End(_)) => return None,
                    Ok(_) => {}
                    Err(failure) => return Some((Err(failure), None)),
                }
            }
        });
        stream::once(async { Ok(first) }).chain(rest).boxed()
    }

    fn events(mut self: Box<Self>, first: CallEvent) -> BoxStream<'static, Result<CallEvent, CallFailure>> {
        // Thoughts and tool calls are shown here too.
        self.shown = true;
        let rest = stream::unfold(Some(self), |call| async {
            let mut call = call?;
            loop {
                let event = match call.next().await {
                    Ok(Step::Text(text)) => CallEvent::Text(text),
                    Ok(Step::Thinking(text)) => CallEvent::Thinking(text),
                    Ok(Step::Call(asked)) => CallEvent::ToolCall(asked),
                    Ok(Step::End(End::Answer(answer))) => {
                        return Some((Ok(CallEvent::End(answer)), None));
                    }
                    Ok(Step::End(_)) => return Some((Err(nothing_came().into()), None)),
                    Ok(Step::Piece(_) | Step::Working | Step::Restart) => continue,
                    Err(failure) => return Some((Err(failure), None)),
                };
                return Some((Ok(event), Some(call)));
            }
        });
        stream::once(async { Ok(first) }).chain(rest).boxed()
    }
}

/// One answer, as it was.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match (pieces.pop(), pieces.is_empty()) {
        (Some(only), true) => only,
        (last, _) => pieces.into_iter().chain(last).collect::<Vec<_>>().concat().into(),
    }
}

fn nothing_came() -> Failure {
    Failure::internal("a model call ended without an answer")
}
