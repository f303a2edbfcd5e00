//! From the service's own words to a fault class and to what there is to do.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>

use greenroom_kernel::FaultClass;

/// An error's class, and how to mend it where that can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) class: FaultClass,
    pub(crate) remedy: Option<&'static str>,
    /// What the service says of it may hold what was signed with: it isn't repeated.
    pub(crate) unspeakable: bool,
}

impl Verdict {
    const fn plain(class: FaultClass) -> Self {
        Self {
            class,
            remedy: None,
            unspeakable: false,
        }
    }

    const fn down(remedy: &'static str) -> Self {
        Self {
            remedy: Some(remedy),
            ..Self::plain(FaultClass::HardDown)
        }
    }
}

const ACCESS: &str = "open the model in the Amazon Bedrock console (Model access, Model catalog) for this account and \
                      region, and let the caller bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream";
const PROFILE: &str =
    "name an inference profile of it, such as us.ID or global.ID, instead of the model's bare id";
const NAME: &str =
    "check the model's id and the region: what a region serves is listed in the Amazon Bedrock console";
const EXPIRED: &str =
    "the credentials have expired: get new ones (aws sso login, aws login, or the role's session)";
const REFUSED: &str = "AWS does not know these credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
                       AWS_SESSION_TOKEN, AWS_PROFILE, or AWS_BEARER_TOKEN_BEDROCK";
const SIGNATURE: &str = "the signature was refused: check AWS_SECRET_ACCESS_KEY, and this machine's clock";

/// By the error's code, its HTTP status and its message. Codes are compared without their case: in a stream they begin
/// with a small letter.
pub(crate) fn verdict(code: Option<&str>, status: Option<u16>, message: &str) -> Verdict {
    let code = code.unwrap_or_default().to_ascii_lowercase();
    let code = code.strip_suffix("exception").unwrap_or(&code);
    let message = message.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    use FaultClass::{BadRequest, ContentFilter, ContextLength, Overloaded, Throttled, Transient};
    match code {
        "throttling" | "throttled" | "toomanyrequests" | "servicequotaexceeded" | "requestlimitexceeded" => {
            Verdict::plain(Throttled)
        }
        "serviceunavailable" | "modelnotready" | "slowdown" => Verdict::plain(Overloaded),
        "internalserver" | "internalfailure" | "modeltimeout" | "modelerror" | "modelstreamerror"
        | "conflict" | "requesttimeout" => Verdict::plain(Transient),
        "accessdenied" | "optinrequired" => Verdict::down(ACCESS),
        "resourcenotfound" | "unknownoperation" => Verdict::down(NAME),
        "expiredtoken" | "requestexpired" | "tokenrefreshrequired" => Verdict::down(EXPIRED),
        "unrecognizedclient"
        | "invalidclienttokenid"
        | "missingauthenticationtoken"
        | "notauthorized"
        | "unauthorized"
        | "invalidaccesskeyid" => Verdict::down(REFUSED),
        "invalidsignature" | "signaturedoesnotmatch" | "incompletesignature" => Verdict {
            unspeakable: true,
            ..Verdict::down(SIGNATURE)
        },
        "validation" => match () {
            () if says(&CONTEXT) => Verdict::plain(ContextLength),
            () if says(&FILTER) => Verdict::plain(ContentFilter),
            () if says(&["on-demand throughput"]) => Verdict::down(PROFILE),
            () if says(&["model identifier is invalid", "invalid model identifier"]) => Verdict::down(NAME),
            () if says(&["operation not allowed", "access to this model is not available"]) => {
                Verdict::down(ACCESS)
            }
            () => Verdict::plain(BadRequest),
        },
        _ => match status {
            Some(401) => Verdict::down(REFUSED),
            Some(403) => Verdict::down(ACCESS),
            Some(404) => Verdict::down(NAME),
            Some(408 | 409 | 424 | 425) | None => Verdict::plain(Transient),
            Some(429) => Verdict::plain(Throttled),
            Some(503 | 529) => Verdict::plain(Overloaded),
            Some(400..=499) => Verdict::plain(BadRequest),
            Some(300..=399) => {
                Verdict::down("endpoint_url redirects elsewhere: set it to where the service really is")
            }
            Some(_) => Verdict::plain(Transient),
        },
    }
}

/// Whether the model can answer this request in one piece only.
pub(crate) fn wants_no_stream(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "in streaming mode",
        "streaming is not supported",
        "does not support streaming",
    ]
    .iter()
    .any(|phrase| message.contains(phrase))
}

const CONTEXT: [&str; 7] = [
    "input is too long",
    "prompt is too long",
    "exceed context limit",
    "too many input tokens",
    "maximum context length",
    "exceeds the context window",
    "input tokens exceeded",
];

const FILTER: [&str; 2] = ["content filtering policy", "blocked by content filter"];

/// A stream's exceptions have no status of their own: this is that of the same error elsewhere.
pub(crate) fn status_of(code: &str) -> Option<u16> {
    Some(match code {
        "ValidationException" => 400,
        "AccessDeniedException" => 403,
        "ResourceNotFoundException" => 404,
        "ModelTimeoutException" => 408,
        "ModelStreamErrorException" | "ModelErrorException" => 424,
        "ThrottlingException" | "ModelNotReadyException" => 429,
        "InternalServerException" => 500,
        "ServiceUnavailableException" => 503,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_that_the_service_documents_has_its_class_in_and_before_a_stream() {
        use FaultClass::{BadRequest, HardDown, Overloaded, Throttled, Transient};
        for (code, status, class) in [
            ("AccessDeniedException", 403, HardDown),
            ("ConflictException", 400, Transient),
            ("InternalServerException", 500, Transient),
            ("ModelErrorException", 424, Transient),
            ("ModelNotReadyException", 429, Overloaded),
            ("ModelStreamErrorException", 424, Transient),
            ("ModelTimeoutException", 408, Transient),
            ("ResourceNotFoundException", 404, HardDown),
            ("ServiceQuotaExceededException", 400, Throttled),
            ("ServiceUnavailableException", 503, Overloaded),
            ("ThrottlingException", 429, Throttled),
            ("ValidationException", 400, BadRequest),
            ("ExpiredTokenException", 403, HardDown),
            ("UnrecognizedClientException", 403, HardDown),
            ("InvalidSignatureException", 403, HardDown),
        ] {
            assert_eq!(verdict(Some(code), Some(status), "x").class, class, "{code}");
            let mut small = code.to_owned();
            small[..1].make_ascii_lowercase();
            assert_eq!(verdict(Some(&small), None, "x").class, class, "{small}");
            if let Some(known) = status_of(code) {
                assert_eq!(known, status, "{code}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_request_is_known_by_the_message() {
        let of = |message| verdict(Some("ValidationException"), Some(400), message);
        for message in [
            "Input is too long for requested model.",
            "The model returned the following errors: prompt is too long: 200049 tokens > 200000 maximum",
            "The model returned the following errors: input length and `max_tokens` exceed context limit: 9 + 9 > 9",
        ] {
            assert_eq!(of(message).class, FaultClass::ContextLength, "{message}");
        }
        let filtered = "The model returned the following errors: Output blocked by content filtering policy";
        assert_eq!(of(filtered).class, FaultClass::ContentFilter);
        let bare = of(
            "Invocation of model ID anthropic.claude-haiku-4-5-20251001-v1:0 with on-demand throughput isn’t supported.",
        );
        assert_eq!((bare.class, bare.remedy), (FaultClass::HardDown, Some(PROFILE)));
        assert_eq!(
            of("The provided model identifier is invalid.").class,
            FaultClass::HardDown
        );
        assert_eq!(of("temperature: too hot").class, FaultClass::BadRequest);
    }

    #[test]
    fn each_way_of_being_shut_out_has_its_own_remedy() {
        let remedy = |code| verdict(Some(code), Some(403), "x").remedy.unwrap();
        assert!(remedy("AccessDeniedException").contains("console"));
        assert!(remedy("ExpiredTokenException").contains("aws sso login"));
        assert!(remedy("UnrecognizedClientException").contains("AWS_ACCESS_KEY_ID"));
        assert!(remedy("SignatureDoesNotMatch").contains("clock"));
        assert!(verdict(Some("InvalidSignatureException"), Some(403), "x").unspeakable);
    }

    #[test]
    fn an_unknown_code_goes_by_its_status() {
        use FaultClass::{BadRequest, HardDown, Overloaded, Throttled, Transient};
        for (status, class) in [
            (Some(307), HardDown),
            (Some(400), BadRequest),
            (Some(403), HardDown),
            (Some(413), BadRequest),
            (Some(429), Throttled),
            (Some(500), Transient),
            (Some(503), Overloaded),
            (None, Transient),
        ] {
            assert_eq!(
                verdict(Some("NewException"), status, "x").class,
                class,
                "{status:?}"
            );
            assert_eq!(verdict(None, status, "x").class, class, "{status:?}");
        }
    }
}
