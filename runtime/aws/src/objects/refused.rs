//! What S3's refusals mean, and how each is mended.

use crate::{CallerRefusal, on_one_line};

const DENIED: &str = "let the caller s3:ListBucket on the bucket, and s3:GetObject, PutObject and DeleteObject on its \
                      objects (docs/dynamodb.md)";

/// Why a request got no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// There is no such bucket, and it will be so until somebody mends something.
    #[error("{what}; {remedy}")]
    NoBucket {
        /// Which.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Too much was asked: nothing was done. Again in a while.
    #[error("{0}")]
    Busy(String),
    /// It may have been done.
    #[error("{0}")]
    Unanswered(String),
    /// It was refused, and will be until somebody mends something.
    #[error("{what}; {remedy}")]
    Refused {
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: &'static str,
        /// It is the caller that was refused, not what it asked.
        caller: bool,
    },
}

impl ObjectError {
    pub(super) fn refused(what: &str, remedy: &'static str) -> Self {
        Self::Refused {
            what: what.to_owned(),
            remedy,
            caller: false,
        }
    }

    pub(super) fn is_of_the_caller(&self) -> bool {
        matches!(self, Self::Refused { caller: true, .. })
    }
}

/// What an answer means that is no success. `region` is where S3 says the bucket is.
pub(super) fn refused(place: &str, status: u16, said: &[u8], region: Option<&str>) -> ObjectError {
    let said = String::from_utf8_lossy(said);
    let code = member(&said, "Code").unwrap_or_default();
    let why = match (code, member(&said, "Message")) {
        ("", _) => format!("HTTP {status}"),
        (code, None) => code.to_owned(),
        (code, Some(message)) => format!("{code} ({})", on_one_line(&plain(message))),
    };
    if let Some(refusal) = CallerRefusal::of(code) {
        return ObjectError::Refused {
            what: refusal.said(place),
            remedy: refusal.remedy(),
            caller: true,
        };
    }
    match code {
        "NoSuchKey" => ObjectError::Missing,
        "NoSuchBucket" => no_bucket(place),
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => {
            let elsewhere = region.or_else(|| member(&said, "Region"));
            let what = match elsewhere {
                Some(region) => format!("{place} isn't there: the bucket is in {region}"),
                None => format!("{place} isn't there: the bucket is in another region ({why})"),
            };
            ObjectError::refused(&what, "name a bucket of store.region in store.payload_bucket")
        }
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "NotSignedUp" => {
            ObjectError::refused(&format!("access to {place} is denied ({why})"), DENIED)
        }
        "SlowDown"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "OperationAborted"
        | "BandwidthLimitExceeded" => ObjectError::Busy(format!("{place}: {why}")),
        // It did not get the whole of what was sent.
        "RequestTimeout" | "IncompleteBody" => ObjectError::Unanswered(format!("{place}: {why}")),
        _ if status == 503 || status == 429 => ObjectError::Busy(format!("{place}: {why}")),
        _ if status >= 500 => ObjectError::Unanswered(format!("{place}: {why}")),
        // To those who may not list, S3 doesn't say what isn't there; and some answers have no body.
        "" if status == 403 => ObjectError::refused(&format!("access to {place} is denied"), DENIED),
        "" if status == 404 => ObjectError::Missing,
        _ => ObjectError::refused(
            &format!("{place} refused a request: {why}"),
            "report this as a defect, unless store.payload_endpoint names something that isn't S3",
        ),
    }
}

pub(super) fn no_bucket(place: &str) -> ObjectError {
    ObjectError::NoBucket {
        what: format!("there is no {place}"),
        remedy: "create it, or correct store.payload_bucket and store.region",
    }
}

/// What an element holds that has text alone, the first of its name.
fn member<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = behind.split_once("</")?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, more: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>said &quot;so&quot;</Message>\
             {more}<RequestId>4442587FB7D0A2F9</RequestId></Error>"
        )
    }

    #[test]
    fn what_somebody_must_mend_says_what_and_how() {
        for (status, code, more, header, what, remedy) in [
            (
                404,
                "NoSuchBucket",
                "",
                None,
                "there is no bucket b in eu-west-1",
                "store.payload_bucket",
            ),
            (
                301,
                "PermanentRedirect",
                "",
                Some("us-east-2"),
                "the bucket is in us-east-2",
                "store.region",
            ),
            (
                400,
                "AuthorizationHeaderMalformed",
                "<Region>us-west-2</Region>",
                None,
                "the bucket is in us-west-2",
                "store.region",
            ),
            (
                403,
                "AccessDenied",
                "",
                None,
                "denied (AccessDenied (said \"so\"))",
                "s3:ListBucket",
            ),
            (400, "ExpiredToken", "", None, "have expired", "aws sso login"),
            (
                403,
                "InvalidAccessKeyId",
                "",
                None,
                "does not know",
                "AWS_ACCESS_KEY_ID",
            ),
            (403, "SignatureDoesNotMatch", "", None, "signature", "clock"),
            (403, "RequestTimeTooSkewed", "", None, "signature", "clock"),
            (400, "EntityTooLarge", "", None, "EntityTooLarge", "defect"),
        ] {
            match refused(
                "bucket b in eu-west-1",
                status,
                error(code, more).as_bytes(),
                header,
            ) {
                ObjectError::Refused {
                    what: said,
                    remedy: to_do,
                    ..
                }
                | ObjectError::NoBucket {
                    what: said,
                    remedy: to_do,
                } => {
                    assert!(
                        said.contains(what) && to_do.contains(remedy),
                        "{code}: {said}; {to_do}"
                    );
                }
                other => panic!("{code}: {other:?}"),
            }
        }
        let bare = refused("bucket b in eu-west-1", 403, b"", None);
        assert!(
            matches!(bare, ObjectError::Refused { remedy: DENIED, .. }),
            "{bare:?}"
        );
    }

    #[test]
    fn what_passes_is_told_apart_from_what_may_have_been_done() {
        let of = |status, code: &str| refused("here", status, error(code, "").as_bytes(), None);
        for (status, code) in [
            (503, "SlowDown"),
            (503, "ServiceUnavailable"),
            (409, "OperationAborted"),
            (429, "Other"),
        ] {
            assert!(matches!(of(status, code), ObjectError::Busy(_)), "{code}");
        }
        for (status, code) in [(500, "InternalError"), (400, "RequestTimeout"), (502, "Other")] {
            assert!(matches!(of(status, code), ObjectError::Unanswered(_)), "{code}");
        }
        assert_eq!(of(404, "NoSuchKey"), ObjectError::Missing);
        assert_eq!(refused("here", 404, b"", None), ObjectError::Missing);
    }
}
