//! Whether a request was meant for this machine by something on it. Any web page can send requests to loopback,
//! directly or by rebinding its own DNS name to it; a browser tells on both by `Origin` and `Host`.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

/// Why a request is refused, or nothing.
pub(crate) fn refuse_foreign(uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let authority = uri.authority().map(|authority| authority.as_str());
    let mut hosts = headers
        .get_all(HOST)
        .iter()
        .map(|host| host.to_str().unwrap_or_default());
    let host = hosts.next();
    let mut named = [authority, host].into_iter().flatten();
    let is_ours =
        (authority.is_some() || host.is_some()) && hosts.next().is_none() && named.all(is_loopback_host);
    if !is_ours {
        return Some("the Host header must name this machine: localhost, 127.0.0.1 or [::1]");
    }
    let foreign = |origin: &http::HeaderValue| !origin.to_str().is_ok_and(is_loopback_origin);
    if headers.get_all(ORIGIN).iter().any(foreign) {
        return Some("pages of other origins may not call this server");
    }
    None
}

/// Whether `host[:port]` is loopback.
fn is_loopback_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, "")) => (name, None),
            Some((name, port)) => (name, Some(port.strip_prefix(':').unwrap_or("x"))),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_v6 = host.starts_with('[');
    let name_fits = if is_v6 {
        name == "::1"
    } else {
        name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1"
    };
    name_fits && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_loopback_origin(origin: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(is_loopback_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_a_request_gives_must_be_ours_and_one_must_be_given() {
        let refused = |uri: &str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            refuse_foreign(&uri.parse().unwrap(), &headers).is_some()
        };
        assert!(!refused("/", &["localhost"]));
        assert!(!refused("http://localhost:1/", &[]));
        assert!(!refused("http://localhost:1/", &["localhost:1"]));
        assert!(refused("/", &[]));
        assert!(refused("/", &["localhost", "localhost"]));
        assert!(refused("http://localhost/", &["evil.example"]));
        assert!(refused("http://evil.example/", &["localhost"]));
    }

    #[test]
    fn only_names_of_this_machine_are_loopback_hosts() {
        for good in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(is_loopback_host(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:evil",
            "localhost:80:80",
            "user@localhost",
            "[::1",
            "[::1]x",
            "[::1]:",
            "::1",
            "0.0.0.0",
            "localhost:99999",
        ] {
            assert!(!is_loopback_host(bad), "{bad}");
        }
    }

    #[test]
    fn only_http_origins_of_this_machine_are_loopback_origins() {
        for good in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:1"] {
            assert!(is_loopback_origin(good), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://evil.example",
            "file://localhost",
            "http://localhost/",
            "localhost",
        ] {
            assert!(!is_loopback_origin(bad), "{bad}");
        }
    }
}
