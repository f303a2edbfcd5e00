//! One answer, from the first byte of its body to its end or its fault.

use std::collections::VecDeque;

use futures::StreamExt;
use greenroom_kernel::{ModelEvent, ModelStream, ProviderFault, Quota, Reach, Reported};
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, TransportError};
use crate::fault::Faults;
use crate::sse::{SseParser, TooLong};

/// Puts the events of one answer together, in a wire family's words.
pub trait Assembler: Send + 'static {
    /// The answer is over: nothing that still comes belongs to it.
    fn is_done(&self) -> bool;

    /// The answer is whole, though figures about it may still come.
    fn is_finished(&self) -> bool;

    /// Takes the data of one event and queues what can be told already.
    ///
    /// # Errors
    /// What the stream can't go on after.
    fn take(&mut self, data: &[u8], out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault>;

    /// What was told of the usage since it was last asked, up to and with the last event. Asked once for each, a broken
    /// one too.
    fn figures(&mut self) -> Option<Reported> {
        None
    }

    /// The stream is over: queues the tool calls and the end, if the answer is whole.
    ///
    /// # Errors
    /// An answer that is not whole.
    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault>;
}

/// Why a stream can't go on.
pub(crate) enum Broken {
    Fault(ProviderFault),
    TooLong(TooLong),
}

impl From<TooLong> for Broken {
    fn from(error: TooLong) -> Self {
        Self::TooLong(error)
    }
}

struct Assembly<A> {
    /// None once nothing more is read: dropping it closes the upstream call.
    response: Option<Answer>,
    parser: SseParser,
    assembler: A,
    faults: Faults,
    cancel: CancellationToken,
    out: VecDeque<ModelEvent>,
    fault: Option<ProviderFault>,
}

/// The events of `response`, behind what its headers tell of the allowance. Dropping the stream, or firing `cancel`, closes the upstream call.
pub(crate) fn events<A: Assembler>(
    response: Answer,
    faults: Faults,
    assembler: A,
    cancel: CancellationToken,
    quota: Option<Quota>,
) -> ModelStream {
    let answer = Assembly {
        response: Some(response),
        parser: SseParser::default(),
        assembler,
        faults,
        cancel,
        out: quota.map(ModelEvent::Quota).into_iter().collect(),
        fault: None,
    };
    // Boxed: each event takes it out and puts it back.
    futures::stream::unfold(Box::new(answer), |mut answer| async move {
        let event = answer.next().await?;
        Some((event, answer))
    })
    .boxed()
}

impl<A: Assembler> Assembly<A> {
    async fn next(&mut self) -> Option<Result<ModelEvent, ProviderFault>> {
        loop {
            if let Some(event) = self.out.pop_front() {
                return Some(Ok(event));
            }
            if let Some(fault) = self.fault.take() {
                self.response = None;
                return Some(Err(fault));
            }
            let response = self.response.as_mut()?;
            if self.assembler.is_done() {
                response.drain().await;
                self.end();
                continue;
            }
            let finished = self.assembler.is_finished();
            let Some(read) = response.chunk_unless(&self.cancel, finished).await else {
                self.fault = Some(self.faults.cancelled());
                continue;
            };
            self.took(read);
        }
    }

    fn took(&mut self, read: Result<Option<bytes::Bytes>, TransportError>) {
        let finished = self.assembler.is_finished();
        let (assembler, out) = (&mut self.assembler, &mut self.out);
        let mut take = |data: &[u8]| {
            let before = out.len();
            let taken = assembler.take(data, out);
            if let Some(reported) = assembler.figures() {
                tell(reported, before, out);
            }
            taken.map_err(Broken::Fault)
        };
        let outcome = match read {
            Ok(Some(bytes)) => self.parser.feed(&bytes, &mut take),
            Ok(None) => {
                // Half an event behind the end of the model undoes nothing.
                let outcome = self
                    .parser
                    .finish(&mut take)
                    .or_else(|e| if finished { Ok(()) } else { Err(e) });
                if outcome.is_ok() {
                    self.end();
                }
                outcome
            }
            // A finished answer is not undone by a connection that breaks while its figures are awaited.
            Err(_) if self.assembler.is_finished() => {
                self.end();
                Ok(())
            }
            Err(error) => Err(Broken::Fault(self.faults.transport(&error))),
        };
        match outcome {
            Ok(()) => {}
            Err(Broken::Fault(fault)) => self.fault = Some(fault),
            Err(Broken::TooLong(error)) => self.fault = Some(self.faults.malformed(&error)),
        }
    }

    fn end(&mut self) {
        self.response = None;
        if let Err(fault) = self.assembler.end(&mut self.out) {
            // What it used was told, whatever else is not.
            self.out.retain(|event| matches!(event, ModelEvent::Used(_)));
            self.fault = Some(fault);
        }
    }
}

/// Puts figures before what came with them, from `at` on: who leaves with the content has then read what counts it.
fn tell(mut reported: Reported, at: usize, out: &mut VecDeque<ModelEvent>) {
    if let Reach::Until { ahead } = &mut reported.output {
        let content = out.iter().skip(at).map(|event| match event {
            ModelEvent::Content(text) => text.len(),
            _ => 0,
        });
        *ahead = u32::try_from(content.sum::<usize>()).unwrap_or(u32::MAX);
    }
    out.insert(at, ModelEvent::Used(reported));
}
