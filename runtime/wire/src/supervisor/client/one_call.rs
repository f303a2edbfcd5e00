//! What is known of one call beside its answer: whether anything was sent at all, and who answered.

use std::error::Error as _;
use std::sync::OnceLock;
use std::time::Duration;

use greenroom_kernel::NodeId;
use tonic::metadata::MetadataMap;
use tonic::{Code, ConnectError, Status};

use crate::supervisor::NODE;

/// How far a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody could be reached: nothing was sent.
    Unsent,
    /// It was sent and not answered: it may or may not have been carried out.
    Silent,
    /// It was answered, well or not.
    Answered,
}

/// The bound of one call, and what is found out by it.
#[derive(Debug, Default)]
pub(crate) struct OneCall {
    at_most: Option<Duration>,
    fate: OnceLock<Fate>,
    node: OnceLock<NodeId>,
}

impl OneCall {
    pub(super) fn new(at_most: Option<Duration>) -> Self {
        Self {
            at_most,
            ..Self::default()
        }
    }

    /// How far it got; silent until more is known.
    pub(crate) fn fate(&self) -> Fate {
        self.fate.get().copied().unwrap_or(Fate::Silent)
    }

    /// Which node answered, where it says so.
    pub(crate) fn node(&self) -> Option<&NodeId> {
        self.node.get()
    }

    /// The tighter of this call's bound and `within`.
    pub(super) fn bound(&self, within: Option<Duration>) -> Option<Duration> {
        match (self.at_most, within) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    pub(super) fn note(&self, fate: Fate, answer: &MetadataMap) {
        // The first call counts: a clone is made for one.
        let _ = self.fate.set(fate);
        let named = answer.get(NODE).and_then(|name| name.to_str().ok());
        if let Some(node) = named.and_then(|name| NodeId::parse(name).ok()) {
            let _ = self.node.set(node);
        }
    }
}

/// How far a call got that ended with `status`.
pub(super) fn fate_of(status: &Status) -> Fate {
    let mut source = status.source();
    if source.is_none() {
        // The other side's own words, unless it says that its time was over.
        let late = matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded);
        return match late && status.details().is_empty() {
            true => Fate::Silent,
            false => Fate::Answered,
        };
    }
    while let Some(error) = source {
        // Whatever else it was caused by: what falls silent once connected times out too.
        if error.is::<ConnectError>() {
            return Fate::Unsent;
        }
        source = error.source();
    }
    Fate::Silent
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready as ready_or_pending};

    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
    use tokio::time::Sleep;
    use tonic::transport::{Channel, Endpoint};

    use super::*;
    use crate::GrpcSupervisor;
    use crate::channel::dial_by;

    /// A connection whose other end vanishes while a call is on it, as the kernel tells it.
    struct Vanishing(Pin<Box<Sleep>>);

    impl Vanishing {
        fn soon() -> Self {
            Self(Box::pin(tokio::time::sleep(Duration::from_secs(1))))
        }
    }

    impl AsyncRead for Vanishing {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            ready_or_pending!(self.0.as_mut().poll(cx));
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        }
    }

    impl AsyncWrite for Vanishing {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn fate_over(channel: Channel) -> Fate {
        let (handle, one_call) = GrpcSupervisor::over("there", channel).for_one_call(None);
        let failure = handle.check().await.unwrap_err();
        assert!(!failure.message.contains("no answer"), "{failure}");
        one_call.fate()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_reached_in_time_was_sent_nothing_and_one_that_vanishes_was() {
        let never = dial_by(std::future::pending::<io::Result<DuplexStream>>);
        assert_eq!(fate_over(never).await, Fate::Unsent);
        let connect = tower::service_fn(|_| ready(io::Result::Ok(TokioIo::new(Vanishing::soon()))));
        let vanishing = Endpoint::from_static("http://there:1").connect_with_connector_lazy(connect);
        assert_eq!(fate_over(vanishing).await, Fate::Silent);
    }

    #[test]
    fn only_what_could_not_connect_was_never_sent() {
        let of = |error: Box<dyn std::error::Error + Send + Sync>| fate_of(&Status::from_error(error));
        let io = |kind| io::Error::new(kind, "why");
        let refused = ConnectError(Box::new(io(io::ErrorKind::ConnectionRefused)));
        assert_eq!(of(Box::new(refused)), Fate::Unsent);
        let late = ConnectError(Box::new(io(io::ErrorKind::TimedOut)));
        assert_eq!(of(Box::new(late)), Fate::Unsent);
        assert_eq!(of(Box::new(io(io::ErrorKind::TimedOut))), Fate::Silent);
        assert_eq!(of(Box::new(io(io::ErrorKind::BrokenPipe))), Fate::Silent);
        assert_eq!(fate_of(&Status::not_found("x")), Fate::Answered);
        assert_eq!(fate_of(&Status::cancelled("Timeout expired")), Fate::Silent);
        let ours = Status::with_details(Code::Cancelled, "x", vec![1].into());
        assert_eq!(fate_of(&ours), Fate::Answered);
    }
}
