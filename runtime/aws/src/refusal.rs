//! Who calls is refused in the same ways by every service, by codes that differ a little: what each means, said once.

/// What to do where no credentials were found.
pub const NO_CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where AWS gives a \
                                  role (ECS task, EKS web identity, EC2 instance)";

/// Why a caller was refused before anybody looked at what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerRefusal {
    /// Its credentials were good once.
    Expired,
    /// Nobody knows its credentials, or there are none.
    Unknown,
    /// What was signed isn't what came, or not when it came.
    Signature,
}

impl CallerRefusal {
    /// What an error code says of the caller; none when it says nothing of it. A denied action is none: what would allow
    /// it is the service's own.
    pub fn of(code: &str) -> Option<Self> {
        Some(match code {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Self::Expired,
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "InvalidToken"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "MissingSecurityHeader" => Self::Unknown,
            "InvalidSignature"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "RequestExpired"
            | "RequestTimeTooSkewed" => Self::Signature,
            _ => return None,
        })
    }

    /// What is wrong, for people, with where it was said.
    pub fn said(self, place: &str) -> String {
        match self {
            Self::Expired => format!("the credentials for {place} have expired"),
            Self::Unknown => format!("AWS does not know the credentials for {place}"),
            Self::Signature => format!("the signature for {place} was refused"),
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Expired => "get new credentials (aws sso login, aws login, or the role's session)",
            Self::Unknown => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE"
            }
            Self::Signature => "check AWS_SECRET_ACCESS_KEY, and this machine's clock",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_s_own_code_for_the_same_thing_is_known() {
        use CallerRefusal::*;
        for (code, meant) in [
            // DynamoDB, Secrets Manager, Cloud Map; the query services; S3.
            ("ExpiredTokenException", Some(Expired)),
            ("ExpiredToken", Some(Expired)),
            ("UnrecognizedClientException", Some(Unknown)),
            ("InvalidClientTokenId", Some(Unknown)),
            ("InvalidAccessKeyId", Some(Unknown)),
            ("InvalidSignatureException", Some(Signature)),
            ("SignatureDoesNotMatch", Some(Signature)),
            ("RequestTimeTooSkewed", Some(Signature)),
            ("AccessDeniedException", None),
            ("AccessDenied", None),
            ("", None),
        ] {
            assert_eq!(CallerRefusal::of(code), meant, "{code}");
        }
    }
}
