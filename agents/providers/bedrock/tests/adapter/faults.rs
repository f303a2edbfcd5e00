//! What the service refuses, before an answer and inside it.

use greenroom_kernel::{FaultClass, ModelEvent};
use greenroom_provider_http::testkit::{Fake, answer};
use serde_json::json;

use super::frames::*;
use super::*;

#[tokio::test]
async fn every_exception_in_a_stream_has_its_class_and_ends_the_answer() {
    use FaultClass::{BadRequest, ContextLength, Overloaded, Throttled, Transient};
    for (name, message, class, status) in [
        ("throttlingException", "Too many tokens", Throttled, 429),
        ("modelStreamErrorException", "x", Transient, 424),
        ("internalServerException", "x", Transient, 500),
        ("serviceUnavailableException", "x", Overloaded, 503),
        ("validationException", "no", BadRequest, 400),
        (
            "validationException",
            "Input is too long for requested model.",
            ContextLength,
            400,
        ),
        // Not in the interface, but sent.
        ("modelTimeoutException", "x", Transient, 408),
    ] {
        let frames = [start(), text(0, "half"), exception(name, message)].concat();
        let (events, fault) = called(vec![head(), chunk(&frames), end()]).await;
        assert_eq!(events, [ModelEvent::Content("half".into())], "{name}");
        let fault = fault.unwrap();
        assert_eq!(fault.class, class, "{name}");
        assert!(fault.message.contains(message), "{fault}");
        let answered = fault.answered.unwrap();
        let code = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        assert_eq!((answered.status, answered.code), (status, Some(code)), "{name}");
    }
}

fn refusal(status: u16, code: &str, more: &str, message: &str) -> Vec<Step> {
    let headers = format!(
        "content-type: application/json\r\nx-amzn-errortype: {code}:http://internal.amazon.com/coral/\r\n{more}"
    );
    answer(status, &headers, &json!({ "message": message }).to_string())
}

#[tokio::test]
async fn a_refused_call_tells_the_code_and_how_to_mend_it() {
    use FaultClass::{BadRequest, HardDown, Throttled};
    for (status, code, message, class, remedy) in [
        (
            400,
            "ValidationException",
            "bad temperature",
            BadRequest,
            "bad temperature",
        ),
        (
            403,
            "AccessDeniedException",
            "no access to the model",
            HardDown,
            "Bedrock console",
        ),
        (403, "ExpiredTokenException", "expired", HardDown, "aws sso login"),
        (
            403,
            "UnrecognizedClientException",
            "invalid token",
            HardDown,
            "AWS_PROFILE",
        ),
        (
            404,
            "ResourceNotFoundException",
            "no such model",
            HardDown,
            "region",
        ),
        (400, "ServiceQuotaExceededException", "quota", Throttled, "quota"),
    ] {
        let (events, fault) = called(refusal(status, code, "", message)).await;
        let fault = fault.unwrap();
        assert_eq!((events.len(), fault.class), (0, class), "{code}");
        for part in [code, message, remedy, MODEL] {
            assert!(fault.message.contains(part), "{part}: {fault}");
        }
        let answered = fault.answered.unwrap();
        assert_eq!((answered.status, answered.code.as_deref()), (status, Some(code)));
    }
}

#[tokio::test]
async fn a_throttled_call_tells_when_to_come_back_and_is_made_once() {
    let fake = Fake::start(vec![refusal(
        429,
        "ThrottlingException",
        "retry-after: 7\r\n",
        "slow",
    )])
    .await;
    let (_, fault) = told(&at(&fake), MODEL, &hi()).await;
    let fault = fault.unwrap();
    assert_eq!(fault.class, FaultClass::Throttled);
    assert_eq!(fault.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn what_was_signed_is_not_repeated() {
    let leak = "The Canonical String should have been x-amz-security-token:IQoJtoken";
    let (_, fault) = called(refusal(403, "InvalidSignatureException", "", leak)).await;
    let fault = fault.unwrap();
    assert!(
        fault.message.contains("clock") && !fault.message.contains("IQoJ"),
        "{fault}"
    );
}

#[tokio::test]
async fn somebody_in_between_is_understood_by_the_status() {
    for (status, class) in [
        (502, FaultClass::Transient),
        (503, FaultClass::Overloaded),
        (429, FaultClass::Throttled),
        (302, FaultClass::HardDown),
    ] {
        let (_, fault) = called(answer(status, "content-type: text/html\r\n", "<h1>no</h1>")).await;
        let fault = fault.unwrap();
        assert_eq!(fault.class, class, "{status}: {fault}");
        assert_eq!(fault.answered.unwrap().status, status);
    }
}

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_the_provider_s_fault() {
    let (events, fault) = called(answer(200, "content-type: text/html\r\n", "<h1>hello</h1>")).await;
    assert_eq!(events, []);
    assert_eq!(fault.unwrap().class, FaultClass::Transient);
}

#[tokio::test]
async fn a_request_that_can_t_be_written_is_not_sent() {
    let fake = Fake::start(Vec::new()).await;
    let request = ModelRequest {
        temperature: Some(1.5),
        ..hi()
    };
    let (_, fault) = told(&at(&fake), MODEL, &request).await;
    assert_eq!(fault.unwrap().class, FaultClass::BadRequest);
    assert!(fake.seen().is_empty());
}
