//! Why a WebSocket is closed: the protocol's codes.

use std::borrow::Cow;

use axum::extract::ws::CloseFrame;

/// Why a WebSocket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Close {
    /// The client is done, or gone.
    Gone,
    /// The gateway shuts down.
    GoingAway,
    /// A message is larger than allowed.
    TooLarge,
    /// A message is not of the protocol.
    Invalid(Cow<'static, str>),
    /// `subscribe` before `connection_init`.
    Unauthorized,
    /// The caller was refused.
    Forbidden(String),
    /// The client didn't offer our subprotocol.
    Subprotocol,
    /// No `connection_init` came in time.
    InitTimeout,
    /// An operation of that id runs already.
    Duplicate(String),
    /// A second `connection_init`.
    TooManyInits,
    /// Too many operations at once.
    TooManyOperations,
}

impl Close {
    /// The frame that tells the client; none when nobody is there.
    pub(super) fn frame(self) -> Option<CloseFrame> {
        let (code, reason): (u16, Cow<'static, str>) = match self {
            Self::Gone => return None,
            Self::GoingAway => (1001, "Going away".into()),
            Self::TooLarge => (1009, "Message too large".into()),
            Self::Invalid(why) => (4400, why),
            Self::Unauthorized => (4401, "Unauthorized".into()),
            Self::Forbidden(why) => (4403, format!("Forbidden: {why}").into()),
            Self::Subprotocol => (4406, "Subprotocol not acceptable".into()),
            Self::InitTimeout => (4408, "Connection initialisation timeout".into()),
            Self::Duplicate(id) => (4409, format!("Subscriber for {id} already exists").into()),
            Self::TooManyInits => (4429, "Too many initialisation requests".into()),
            Self::TooManyOperations => (4429, "Too many operations".into()),
        };
        Some(CloseFrame {
            code,
            reason: bounded(&reason).into(),
        })
    }
}

/// A close frame carries at most 123 bytes of reason.
fn bounded(reason: &str) -> &str {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_its_frame_whole_characters_only() {
        let frame = Close::Duplicate("ä".repeat(100)).frame().unwrap();
        assert_eq!(frame.code, 4409);
        assert!(frame.reason.len() <= 123 && frame.reason.len() > 119);
    }
}
