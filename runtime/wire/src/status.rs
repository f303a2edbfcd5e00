//! The one mapping between failures and gRPC statuses.
//!
//! Ours carry a `greenroom.v1.ErrorInfo` in `grpc-status-details-bin`, so that code, retryability and wait survive.
//! Foreign ones are judged by their code, and by whether the connection or the other side made them.

use std::error::Error as _;

use greenroom_kernel::{ErrorCode, Failure, NodeId};
use greenroom_proto::v1 as pb;
use prost::Message as _;
use tonic::{Code, Status};

use crate::convert::{decode_failure, encode_failure};

const DETAILS_TYPE: &str = "type.googleapis.com/greenroom.v1.ErrorInfo";
/// Trailers are small: peers refuse headers of more than a few KiB.
const MESSAGE_LIMIT: usize = 512;
const DETAILS_MESSAGE_LIMIT: usize = 2048;

/// `google.rpc.Status`, as `grpc-status-details-bin` holds it.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The status that carries `failure`. A very long message is cut: at 512 bytes in `grpc-message`, at 2 KiB in the
/// details.
pub fn status_from_failure(failure: &Failure) -> Status {
    let code = failure.code.grpc_status();
    let message = cut(&failure.message, MESSAGE_LIMIT).to_owned();
    let mut info = encode_failure(Failure {
        message: cut(&failure.message, DETAILS_MESSAGE_LIMIT).to_owned(),
        ..failure.clone()
    });
    info.elsewhere = failure.elsewhere.as_ref().map(|at| at.to_string());
    info.elsewhere_node = failure.elsewhere_node.as_ref().map(|node| node.to_string());
    info.not_begun = failure.not_begun;
    let details = RpcStatus {
        code,
        message: message.clone(),
        details: vec![prost_types::Any {
            type_url: DETAILS_TYPE.to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    Status::with_details(Code::from_i32(code), message, details.encode_to_vec().into())
}

/// The failure that a status from `peer` (an address, for people) means.
pub fn failure_from_status(status: &Status, peer: &str) -> Failure {
    if let Some(failure) = failure_in_details(status) {
        return failure;
    }
    let message = format!("{peer}: {}", describe(status));
    // A status with a source was made on this side, of a connection that broke.
    let broken = status.source().is_some() && status.code() != Code::DeadlineExceeded;
    if broken {
        return Failure::unavailable(message);
    }
    match status.code() {
        // Whoever waits for an answer has not cancelled the call: the other side dropped it, at a deadline or its
        // own end.
        Code::Cancelled => Failure::unavailable(message),
        Code::InvalidArgument | Code::OutOfRange => Failure::bad_input(message),
        Code::DeadlineExceeded => Failure::new(ErrorCode::DeadlineExceeded, message).retryable(),
        Code::NotFound => Failure::new(ErrorCode::NotFound, message),
        Code::AlreadyExists | Code::FailedPrecondition => Failure::new(ErrorCode::Conflict, message),
        Code::Aborted => Failure::new(ErrorCode::Conflict, message).retryable(),
        Code::PermissionDenied => Failure::new(ErrorCode::Forbidden, message),
        Code::Unauthenticated => Failure::new(ErrorCode::Unauthenticated, message),
        Code::ResourceExhausted => Failure::new(ErrorCode::ResourceExhausted, message).retryable(),
        Code::Unavailable => Failure::unavailable(message),
        // Another version of us, or not us at all: repeating won't mend it.
        Code::Unimplemented => Failure::new(ErrorCode::Unavailable, message),
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Failure::internal(message),
    }
}

fn failure_in_details(status: &Status) -> Option<Failure> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let any = details.into_iter().find(|any| any.type_url == DETAILS_TYPE)?;
    let mut info = pb::ErrorInfo::decode(any.value.as_slice()).ok()?;
    // An address that can't be read is none: the failure is still worth repeating.
    let elsewhere = info.elsewhere.take().and_then(|at| at.parse().ok());
    let elsewhere_node = info
        .elsewhere_node
        .take()
        .and_then(|node| NodeId::parse(&node).ok());
    let not_begun = info.not_begun;
    let failure = decode_failure(info, "grpc-status-details-bin").ok()?;
    Some(Failure {
        elsewhere: elsewhere.map(Box::new),
        elsewhere_node: elsewhere_node.map(Box::new),
        not_begun,
        ..failure
    })
}

/// A status and everything that caused it, in one line.
fn describe(status: &Status) -> String {
    let mut text = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    let mut source = status.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_failure_survives_the_way_through_a_status(
            code in prop::sample::select(ErrorCode::ALL.to_vec()),
            message in "\\PC{0,200}",
            retryable: bool,
            retry_after_ms: Option<u64>,
            elsewhere in prop::option::of("[a-z]{1,20}:[1-9][0-9]{0,3}"),
            elsewhere_node in prop::option::of("[a-z]{1,20}"),
            not_begun: bool,
        ) {
            let elsewhere = elsewhere.map(|at| Box::new(at.parse().unwrap()));
            let elsewhere_node = elsewhere_node.map(|node| Box::new(NodeId::parse(&node).unwrap()));
            let failure =
                Failure { code, message, retryable, retry_after_ms, elsewhere, elsewhere_node, not_begun };
            let status = status_from_failure(&failure);
            prop_assert_eq!(status.code() as i32, code.grpc_status());
            prop_assert_eq!(failure_from_status(&status, "peer"), failure.clone());

            // And through the header map that carries it.
            let headers = status.into_http::<()>().into_parts().0.headers;
            let read = Status::from_header_map(&headers).unwrap();
            prop_assert_eq!(failure_from_status(&read, "peer"), failure);
        }
    }

    #[test]
    fn a_message_too_long_for_trailers_is_cut_on_a_character() {
        let failure = Failure::internal("ä".repeat(100_000));
        let status = status_from_failure(&failure);
        assert!(status.message().len() <= MESSAGE_LIMIT);
        assert!(status.details().len() < 4096);
        let read = failure_from_status(&status, "peer");
        assert_eq!(read.code, ErrorCode::Internal);
        assert!(read.message.len() > 2000 && failure.message.starts_with(&read.message));
    }

    #[test]
    fn a_foreign_status_keeps_its_meaning_and_names_the_peer() {
        let cases = [
            (Code::Unavailable, ErrorCode::Unavailable, true),
            (Code::Cancelled, ErrorCode::Unavailable, true),
            (Code::ResourceExhausted, ErrorCode::ResourceExhausted, true),
            (Code::DeadlineExceeded, ErrorCode::DeadlineExceeded, true),
            (Code::InvalidArgument, ErrorCode::BadUserInput, false),
            (Code::Unimplemented, ErrorCode::Unavailable, false),
            (Code::Unknown, ErrorCode::Internal, false),
            (Code::Ok, ErrorCode::Internal, false),
        ];
        for (foreign, code, retryable) in cases {
            let failure = failure_from_status(&Status::new(foreign, "why"), "10.0.0.1:7071");
            assert_eq!(
                (failure.code, failure.retryable),
                (code, retryable),
                "{foreign:?}"
            );
            assert_eq!(failure.message, "10.0.0.1:7071: why");
        }
    }

    #[test]
    fn details_of_somebody_elses_are_no_failure_of_ours() {
        let status = Status::with_details(Code::NotFound, "gone", vec![0xff, 0xff, 0xff].into());
        assert_eq!(failure_from_status(&status, "p").code, ErrorCode::NotFound);
    }
}
