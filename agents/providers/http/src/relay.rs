//! An answer passed on as it comes, and read while it passes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use greenroom_kernel::{ProviderFault, Reach, RelayFrame, RelayFrames, RelaySign, Reported, Transcript};
use tokio_util::sync::CancellationToken;

use crate::client::Answer;
use crate::fault::Faults;
use crate::frames::Frames;
use crate::notes::Noted;
use crate::stream::Broken;
use crate::watcher::{Seen, Watcher};

struct Relay<W> {
    /// None once nothing more is read: dropping it closes the upstream call.
    response: Option<Answer>,
    frames: Frames,
    watcher: W,
    noted: Arc<Noted>,
    faults: Faults,
    cancel: CancellationToken,
    /// The model has ended; only figures are awaited.
    finished: bool,
    out: VecDeque<RelayFrame>,
    fault: Option<ProviderFault>,
}

/// The frames of `response`, an event stream, and what is shown in them. Dropping the frames, or firing `cancel`, closes the
/// upstream call.
pub(crate) fn frames<W: Watcher>(
    response: Answer,
    faults: Faults,
    watcher: W,
    cancel: CancellationToken,
) -> (RelayFrames, Arc<dyn Transcript>) {
    let noted = Arc::new(Noted::new(watcher.reader()));
    let transcript: Arc<dyn Transcript> = noted.clone();
    let relay = Relay {
        response: Some(response),
        frames: Frames::default(),
        watcher,
        noted,
        faults,
        cancel,
        finished: false,
        out: VecDeque::new(),
        fault: None,
    };
    // Boxed: each frame takes it out and puts it back.
    let frames = futures::stream::unfold(Box::new(relay), |mut relay| async move {
        let frame = relay.next().await?;
        Some((frame, relay))
    });
    (frames.boxed(), transcript)
}

impl<W: Watcher> Relay<W> {
    async fn next(&mut self) -> Option<Result<RelayFrame, ProviderFault>> {
        loop {
            if let Some(frame) = self.out.pop_front() {
                return Some(Ok(frame));
            }
            if let Some(fault) = self.fault.take() {
                self.response = None;
                return Some(Err(fault));
            }
            let response = self.response.as_mut()?;
            let finished = self.finished;
            let Some(read) = response.chunk_unless(&self.cancel, finished).await else {
                self.fault = Some(self.faults.cancelled());
                continue;
            };
            match read {
                Ok(Some(chunk)) => self.took(chunk).await,
                Ok(None) => self.over(),
                // A finished answer is not undone by a connection that breaks while its figures are awaited.
                Err(_) if self.finished => self.over(),
                Err(error) => self.fault = Some(self.faults.transport(&error)),
            }
        }
    }

    async fn took(&mut self, chunk: Bytes) {
        let mut signs = Signs::default();
        let fed = {
            let (watcher, mut piece) = (&mut self.watcher, self.noted.piece());
            let mut read = |data: &[u8]| {
                match watcher.event(data) {
                    Ok(sign) => signs.add(sign),
                    Err(fault) => {
                        signs.told(watcher.figures());
                        return Err(Broken::Fault(fault));
                    }
                }
                let seen = watcher.seen();
                piece.take(data, &seen);
                if !matches!(seen, Seen::Text(_)) {
                    signs.told(watcher.figures());
                }
                Ok(())
            };
            let fed = self.frames.feed(chunk, &mut read);
            if fed.is_err() {
                piece.take_back();
            }
            fed
        };
        match fed {
            // Without a piece there was no event.
            Ok(None) => {}
            Ok(Some(bytes)) => {
                self.finished |= signs.finished();
                let ended = signs.ended();
                signs.put(bytes, &mut self.out);
                if ended && let Some(mut response) = self.response.take() {
                    response.drain().await;
                }
            }
            Err(broken) => self.broken(broken, signs),
        }
    }

    /// Nothing more comes.
    fn over(&mut self) {
        self.response = None;
        let mut signs = Signs::default();
        let watcher = &mut self.watcher;
        let mut read = |data: &[u8]| {
            let event = watcher.event(data);
            signs.told(watcher.figures());
            signs.add(event.map_err(Broken::Fault)?);
            Ok(())
        };
        let mut rest = match self.frames.finish(&mut read) {
            Ok(rest) => rest,
            // Half an event behind the end of the model undoes nothing.
            Err(_) if self.finished => Bytes::new(),
            Err(broken) => return self.broken(broken, signs),
        };
        if !signs.ended() {
            match self.watcher.end() {
                Ok(end) => {
                    signs.add(end);
                    rest = closed(rest, self.watcher.closing());
                }
                Err(fault) => return self.broken(Broken::Fault(fault), signs),
            }
        }
        signs.put(rest, &mut self.out);
    }

    /// What was told of the usage counts, though nothing else of the piece is passed on.
    fn broken(&mut self, broken: Broken, signs: Signs) {
        signs.put_figures(0, &mut self.out);
        self.fault = Some(match broken {
            Broken::Fault(fault) => fault,
            Broken::TooLong(error) => self.faults.malformed(&error),
        });
    }
}

/// The last bytes of an upstream, and behind them what closes a stream, which they may not run into.
fn closed(rest: Bytes, closing: &'static [u8]) -> Bytes {
    match (rest.is_empty(), closing.is_empty()) {
        (_, true) => rest,
        (true, false) => Bytes::from_static(closing),
        (false, false) => [&rest, &b"\n\n"[..], closing].concat().into(),
    }
}

/// The signs of one piece: how much was said in it, and where it leaves the answer.
#[derive(Debug, Default)]
struct Signs {
    said: Option<u32>,
    last: Option<RelaySign>,
    /// The last figures, and how much had been said in the piece when they came.
    reported: Option<(Reported, u32)>,
}

impl Signs {
    fn add(&mut self, sign: RelaySign) {
        match sign {
            // Watchers tell figures when they are asked for them.
            RelaySign::Lifecycle | RelaySign::Used(_) => {}
            RelaySign::Content { said } => self.said = Some(self.said.unwrap_or(0).saturating_add(said)),
            // What comes behind an end belongs to nobody's answer.
            RelaySign::Finished(_) | RelaySign::End { .. } if self.ended() => {}
            RelaySign::Finished(_) | RelaySign::End { .. } => self.last = Some(sign),
        }
    }

    fn told(&mut self, figures: Option<Reported>) {
        if let Some(reported) = figures {
            self.reported = Some((reported, self.said.unwrap_or(0)));
        }
    }

    fn finished(&self) -> bool {
        self.last.is_some()
    }

    fn ended(&self) -> bool {
        matches!(self.last, Some(RelaySign::End { .. }))
    }

    /// The figures, of which `said` bytes of content in the piece are to be told behind them at most: who leaves with
    /// the content has then read what counts it.
    fn put_figures(&self, said: u32, out: &mut VecDeque<RelayFrame>) {
        let Some((mut reported, before)) = self.reported else {
            return;
        };
        if let Reach::Until { ahead } = &mut reported.output {
            *ahead = before.min(said);
        }
        out.push_back(RelayFrame {
            bytes: Bytes::new(),
            sign: RelaySign::Used(reported),
        });
    }

    /// The bytes go with the last sign.
    fn put(self, bytes: Bytes, out: &mut VecDeque<RelayFrame>) {
        // An end brings its own.
        if !self.ended() {
            self.put_figures(u32::MAX, out);
        }
        let content = self.said.map(|said| RelaySign::Content { said });
        let (before, last) = match (content, self.last) {
            (before, Some(last)) => (before, last),
            (Some(content), None) => (None, content),
            (None, None) => (None, RelaySign::Lifecycle),
        };
        if let Some(sign) = before {
            out.push_back(RelayFrame {
                bytes: Bytes::new(),
                sign,
            });
        }
        out.push_back(RelayFrame { bytes, sign: last });
    }
}
