//! A request, signed as S3 wants it: the path as it is, and the body's SHA-256 in a header of its own, which S3 compares
//! with what came.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;

use super::ObjectError;
use super::who::now;

/// What is asked of S3.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// Encoded.
    pub(super) url: String,
    pub(super) content: &'a [u8],
    pub(super) region: &'a str,
}

impl Asked<'_> {
    pub(super) fn signed(self, credentials: &Credentials) -> Result<Request, ObjectError> {
        self.signed_at(credentials, now()).map_err(|why| {
            ObjectError::refused(
                &format!("a request can't be signed: {why}"),
                "report this as a defect",
            )
        })
    }

    fn signed_at(self, credentials: &Credentials, at: SystemTime) -> Result<Request, String> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity: Identity = credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("s3")
            .time(at)
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let body = SignableBody::Bytes(self.content);
        let signable = SignableRequest::new(self.method, &self.url, std::iter::empty(), body)
            .map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &params)
            .map_err(|error| error.to_string())?
            .into_parts();
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(&self.url)
            .body(SdkBody::from(self.content))
            .map_err(|error| error.to_string())?;
        instructions.apply_to_request_http1x(&mut request);
        Request::try_from(request).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// The examples of Amazon's documents, "Authenticating Requests: Using the Authorization Header", that have no headers
    /// but those that are always signed.
    #[test]
    fn requests_are_signed_as_amazon_s_own_examples_are() {
        let example = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "the documents",
        );
        let at = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        for (query, signature) in [
            (
                "lifecycle=",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "max-keys=2&prefix=J",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let asked = Asked {
                method: "GET",
                url: format!("https://examplebucket.s3.amazonaws.com/?{query}"),
                content: &[],
                region: "us-east-1",
            };
            let request = asked.signed_at(&example, at).unwrap();
            let said = request.headers().get("authorization").unwrap();
            assert!(
                said.ends_with(&format!("Signature={signature}")),
                "{query}: {said}"
            );
        }
    }
}
