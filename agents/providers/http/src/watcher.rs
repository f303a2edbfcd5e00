//! What a wire family knows of its own answers, so that they can be relayed and still be understood.

use std::ops::Range;

use greenroom_kernel::{ProviderFault, RelaySign, Reported};

use crate::notes::Reader;

/// What the last event showed to its reader, for those who must go on from there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seen {
    /// Nothing that matters.
    #[default]
    Nothing,
    /// Text: where it stands in the event's data, as JSON writes a string's inside.
    Text(Range<usize>),
    /// Text that was written otherwise.
    Words(String),
    /// A thought.
    Thought,
    /// Something that tells where the stream stands: its data is kept.
    Place,
    /// What nobody can go on from: a tool call, a refusal, an end.
    Beyond,
}

/// Reads what a relayed answer means while it passes.
pub trait Watcher: Send + 'static {
    /// The data of one event of a stream.
    ///
    /// # Errors
    /// What the stream can't go on after.
    fn event(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault>;

    /// The stream is over without [`RelaySign::End`]: its end, if the answer is whole.
    ///
    /// # Errors
    /// An answer that is not whole.
    fn end(&mut self) -> Result<RelaySign, ProviderFault>;

    /// What readers of this wire wait for behind such an end, and the upstream left out.
    fn closing(&self) -> &'static [u8] {
        b""
    }

    /// A whole body, of a request that was not streamed: an end, or a fault that came with a good status.
    ///
    /// # Errors
    /// A body that is no answer.
    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault>;

    /// What the last event showed; asked once for each event that could be read.
    fn seen(&mut self) -> Seen {
        Seen::Beyond
    }

    /// What was told of the usage since it was last asked, up to and with the last event. Asked once for each event, a
    /// broken one too, but not for one that was [`Seen::Text`]: such an event brings no figures.
    fn figures(&mut self) -> Option<Reported> {
        None
    }

    /// Who reads the notes that are taken of what was seen.
    fn reader(&self) -> Reader {
        |_| None
    }
}

/// One of several, so that an adapter of several families has one call for them all.
impl Watcher for Box<dyn Watcher> {
    fn event(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault> {
        (**self).event(data)
    }

    fn end(&mut self) -> Result<RelaySign, ProviderFault> {
        (**self).end()
    }

    fn closing(&self) -> &'static [u8] {
        (**self).closing()
    }

    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault> {
        (**self).whole(body)
    }

    fn seen(&mut self) -> Seen {
        (**self).seen()
    }

    fn figures(&mut self) -> Option<Reported> {
        (**self).figures()
    }

    fn reader(&self) -> Reader {
        (**self).reader()
    }
}
