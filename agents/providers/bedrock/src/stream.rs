//! One streamed answer, from its first event to its end or its fault.

use std::collections::VecDeque;
use std::time::Duration;

use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStreamOutput as Answer;
use aws_sdk_bedrockruntime::types::ConverseStreamOutput;
use aws_sdk_bedrockruntime::types::error::ConverseStreamOutputError;
use aws_smithy_types::event_stream::RawMessage;
use futures::StreamExt;
use greenroom_kernel::{ModelEvent, ModelStream, ProviderFault};
use tokio_util::sync::CancellationToken;

use crate::assemble::Assembler;
use crate::fault::Faults;

/// How long a finished answer waits for its figures.
const LINGER: Duration = Duration::from_secs(2);

/// How long a body that is done waits for its last bytes, so that its connection can be used again.
const DRAIN: Duration = Duration::from_millis(20);

type Read = Result<Option<ConverseStreamOutput>, SdkError<ConverseStreamOutputError, RawMessage>>;

struct Reading {
    /// None once nothing more is read: dropping it closes the upstream call.
    answer: Option<Answer>,
    assembler: Assembler,
    faults: Faults,
    model: String,
    cancel: CancellationToken,
    out: VecDeque<ModelEvent>,
    fault: Option<ProviderFault>,
}

/// The events of `answer`. Dropping the stream, or firing `cancel`, closes the upstream call.
pub(crate) fn events(
    answer: Answer,
    assembler: Assembler,
    faults: Faults,
    model: &str,
    cancel: CancellationToken,
) -> ModelStream {
    let reading = Reading {
        answer: Some(answer),
        assembler,
        faults,
        model: model.to_owned(),
        cancel,
        out: VecDeque::new(),
        fault: None,
    };
    futures::stream::unfold(reading, |mut reading| async move {
        let event = reading.next().await?;
        Some((event, reading))
    })
    .boxed()
}

impl Reading {
    async fn next(&mut self) -> Option<Result<ModelEvent, ProviderFault>> {
        loop {
            if let Some(event) = self.out.pop_front() {
                return Some(Ok(event));
            }
            if let Some(fault) = self.fault.take() {
                self.answer = None;
                return Some(Err(fault));
            }
            let answer = self.answer.as_mut()?;
            if self.assembler.is_done() {
                // Whether the connection could be kept or not, the answer is here.
                let _ = tokio::time::timeout(DRAIN, answer.stream.recv()).await;
                self.end();
                continue;
            }
            let finished = self.assembler.is_finished();
            let linger = async {
                match finished {
                    true => tokio::time::sleep(LINGER).await,
                    false => std::future::pending().await,
                }
            };
            let read = tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    self.fault = Some(self.faults.cancelled());
                    continue;
                }
                read = answer.stream.recv() => read,
                () = linger => Ok(None),
            };
            self.took(read);
        }
    }

    fn took(&mut self, read: Read) {
        match read {
            Ok(Some(event)) => {
                if let Err(fault) = self.assembler.take(event, &mut self.out) {
                    self.fault = Some(fault);
                }
            }
            Ok(None) => self.end(),
            // A finished answer is not undone by a connection that breaks while its figures are awaited.
            Err(_) if self.assembler.is_finished() => self.end(),
            Err(error) => self.fault = Some(self.faults.stream(&error, &self.model)),
        }
    }

    fn end(&mut self) {
        self.answer = None;
        if let Err(fault) = self.assembler.end(&mut self.out) {
            // What it used was told, whatever else is not.
            self.out.retain(|event| matches!(event, ModelEvent::Used(_)));
            self.fault = Some(fault);
        }
    }
}
