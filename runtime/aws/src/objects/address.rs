//! Where a bucket's objects are.

use std::fmt::Write as _;

use aws_config::SdkConfig;

use super::ObjectError;

/// Where S3 is: the region's own address, or another.
pub(super) enum Addresses {
    /// Amazon's, by the region's name.
    Own { region: String },
    /// Another, with the bucket in the path: no emulator has a name of its own for each bucket.
    Other(String),
}

impl Addresses {
    pub(super) fn new(region: &str, endpoint: Option<&str>, found: &SdkConfig) -> Result<Self, ObjectError> {
        let set = endpoint.map(str::to_owned).filter(|url| !url.is_empty());
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let ignored = variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let ignored = ignored.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let set = set.or_else(|| variable("AWS_ENDPOINT_URL_S3").filter(|_| !ignored));
        let set = set.or_else(|| found.endpoint_url().map(str::to_owned));
        match set {
            None => Ok(Self::Own {
                region: region.to_owned(),
            }),
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::Other(url.trim_end_matches('/').to_owned()))
            }
            Some(url) => Err(ObjectError::refused(
                &format!("the address of S3 is no URL: {url}"),
                "check store.payload_endpoint, AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL",
            )),
        }
    }

    /// Which other address it is, for people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Own { .. } => String::new(),
            Self::Other(url) => format!(" at {url}"),
        }
    }

    /// The URL of an object, or of the bucket itself.
    pub(super) fn of(&self, bucket: &str, key: Option<&str>, query: &str) -> String {
        let mut url = match self {
            Self::Other(url) => format!("{url}/{bucket}/"),
            Self::Own { region } => {
                let china = if region.starts_with("cn-") { ".cn" } else { "" };
                // No certificate is for a name with more dots.
                match bucket.contains('.') {
                    true => format!("https://s3.{region}.amazonaws.com{china}/{bucket}/"),
                    false => format!("https://{bucket}.s3.{region}.amazonaws.com{china}/"),
                }
            }
        };
        for byte in key.unwrap_or_default().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                    url.push(char::from(byte));
                }
                other => {
                    // A String takes everything.
                    let _ = write!(url, "%{other:02X}");
                }
            }
        }
        if !query.is_empty() {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(region: &str) -> Addresses {
        Addresses::Own {
            region: region.to_owned(),
        }
    }

    #[test]
    fn a_bucket_has_a_name_of_its_own_unless_no_certificate_is_for_it() {
        for (at, bucket, key, query, url) in [
            (
                own("eu-west-1"),
                "mine",
                Some("p/dev/s-1/ab"),
                "",
                "https://mine.s3.eu-west-1.amazonaws.com/p/dev/s-1/ab",
            ),
            (
                own("eu-west-1"),
                "my.own",
                Some("k"),
                "",
                "https://s3.eu-west-1.amazonaws.com/my.own/k",
            ),
            (
                own("cn-north-1"),
                "mine",
                None,
                "list-type=2",
                "https://mine.s3.cn-north-1.amazonaws.com.cn/?list-type=2",
            ),
            (
                Addresses::Other("http://127.0.0.1:1".to_owned()),
                "mine",
                Some("a|b@c/ü"),
                "",
                "http://127.0.0.1:1/mine/a%7Cb%40c/%C3%BC",
            ),
        ] {
            assert_eq!(at.of(bucket, key, query), url);
        }
    }
}
