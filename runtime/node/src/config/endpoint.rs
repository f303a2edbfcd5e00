//! Where services of AWS are found instead of at their own addresses: emulators, endpoints inside a VPC.
//!
//! One rule for all of them. What goes there holds conversations, a private key even, so that plaintext stays on this
//! machine, unless its host is named outright. The vendor's own variables (`AWS_ENDPOINT_URL`…) count as its SDKs read
//! them, except where a private key is fetched.

use std::collections::BTreeMap;

use axum::http::Uri;
use greenroom_wire::leaves_this_machine;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ConfigError;
use super::discovery::RawDiscoveryKind;
use super::raw::Raw;

/// `[aws]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAws {
    /// Hosts that `http://` endpoints may be at, besides this machine.
    pub(crate) plaintext_hosts: Vec<String>,
}

/// Refuses endpoints that can't be used, or that would be reached in plaintext on another machine: whatever keys are
/// called so, wherever they stand.
pub(super) fn check(raw: &Raw, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let whole = serde_json::to_value(raw).map_err(|error| ConfigError::value("aws", &error.to_string()))?;
    let mut named = Vec::new();
    collect("", &whole, &mut named);
    if raw.discovery.kind != Some(RawDiscoveryKind::CloudMap) {
        // A DNS server's address, or a mistake that is told elsewhere.
        named.retain(|(key, _)| key != "discovery.endpoint");
    }
    named.extend(of_the_secret(raw, variables));
    for (key, url) in named {
        may_be_called(&url, &raw.aws.plaintext_hosts).map_err(|why| ConfigError::value(&key, &why))?;
    }
    Ok(())
}

fn collect(within: &str, value: &Value, named: &mut Vec<(String, String)>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let key = match within {
            "" => name.clone(),
            within => format!("{within}.{name}"),
        };
        match value.as_str() {
            Some(url) if name.ends_with("endpoint") || name.ends_with("endpoint_url") => {
                named.push((key, url.to_owned()));
            }
            _ => collect(&key, value, named),
        }
    }
}

/// Where the variables say that the secret with the certificates is.
fn of_the_secret(raw: &Raw, variables: &BTreeMap<String, String>) -> Option<(String, String)> {
    if raw.tls.secret.is_none() || raw.tls.endpoint.is_some() {
        return None;
    }
    let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    if set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    let names = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"];
    let found = names.into_iter().find_map(|name| Some((name, set(name)?)));
    found.map(|(name, url)| (name.to_owned(), url.clone()))
}

fn may_be_called(url: &str, plaintext: &[String]) -> Result<(), String> {
    let read: Option<Uri> = url.parse().ok();
    let parts = read
        .as_ref()
        .and_then(|uri| Some((uri.scheme_str()?, uri.host()?)));
    let host = match parts {
        Some(("https", host)) if !host.is_empty() => return Ok(()),
        Some(("http", host)) if !host.is_empty() => host.trim_matches(['[', ']']),
        _ => return Err(format!("`{url}` is no URL such as http://127.0.0.1:4566")),
    };
    match !leaves_this_machine(host) || plaintext.iter().any(|named| named.eq_ignore_ascii_case(host)) {
        true => Ok(()),
        false => Err(format!(
            "{host} is another machine, and what goes there would go in plaintext: write https://, or name it outright: \
             aws.plaintext_hosts = [\"{host}\"]"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_stays_on_this_machine_unless_a_host_is_named_outright() {
        let named = ["dynamodb".to_owned(), "fd00::7".to_owned()];
        for (url, fits) in [
            ("https://dynamodb.eu-west-1.amazonaws.com", true),
            ("http://127.0.0.1:8000", true),
            ("http://localhost:8000/", true),
            ("http://[::1]:8000", true),
            ("http://DynamoDB:8000", true),
            ("http://[fd00::7]:8000", true),
            ("http://10.0.0.7:8000", false),
            ("http://dynamodb.internal:8000", false),
            ("http://127.0.0.1.example:8000", false),
            ("http://127.0.0.1@evil.example:8000", false),
            ("http://localhost.example", false),
        ] {
            let said = may_be_called(url, &named);
            assert_eq!(said.is_ok(), fits, "{url}: {said:?}");
            assert!(said.map_or_else(|why| why.contains("aws.plaintext_hosts"), |()| true));
        }
        for nonsense in [
            "127.0.0.1:8000",
            "localhost",
            "http://",
            "ftp://127.0.0.1",
            "here",
            "",
        ] {
            let said = may_be_called(nonsense, &named).unwrap_err();
            assert!(said.contains("is no URL"), "{nonsense}: {said}");
        }
    }
}
