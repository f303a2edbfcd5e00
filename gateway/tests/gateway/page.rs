//! The page: what it is sent with, and how much it is.

use axum::body::Body;
use http::{Method, Request};

use crate::client::{Running, start};

/// What the document and all that it loads may weigh, in bytes: a page is there at once on any line.
const BUDGET: usize = 80 * 1024;
/// And uncompressed, for whoever takes no gzip.
const PLAIN_BUDGET: usize = 200 * 1024;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Every path that the document loads.
fn loaded(document: &str) -> Vec<String> {
    let quoted = document.split('"');
    let mut paths: Vec<_> = quoted
        .filter(|text| text.starts_with("/page/"))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// The status and the bytes of the body, with headers of one's own.
async fn weighed(gateway: &Running, path: &str, encoding: &str) -> usize {
    let request = Request::builder()
        .method(Method::HEAD)
        .uri(gateway.url(path))
        .header("accept-encoding", encoding)
        .body(Body::empty())
        .unwrap();
    let reply = gateway.send(request).await;
    assert_eq!(reply.status, 200, "{path}");
    assert!(reply.text.is_empty(), "{path}: HEAD has no body");
    reply.header("content-length").parse().unwrap()
}

#[tokio::test]
async fn the_page_and_all_it_loads_are_there_with_their_types_and_strict_headers() {
    let gateway = start().await;
    let page = gateway.get("/", &[("accept", "text/html")]).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    assert!(page.text.starts_with("<!doctype html>") && !page.text.contains("VERSION"));
    let paths = loaded(&page.text);
    assert!(paths.len() > 20, "{paths:?}");
    let mut replies = vec![page];
    for path in &paths {
        let reply = gateway.get(path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        let (_, ending) = path.rsplit_once('.').unwrap();
        let media = match ending {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(reply.header("content-type"), media, "{path}");
        assert_eq!(
            reply.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        replies.push(reply);
    }
    for reply in &replies {
        assert_eq!(reply.header("content-security-policy"), POLICY);
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert_eq!(reply.header("x-frame-options"), "DENY");
        assert_eq!(reply.header("vary"), "accept-encoding");
        assert_eq!(reply.header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn every_script_imports_only_what_the_document_names_beforehand() {
    let gateway = start().await;
    let page = gateway.get("/", &[]).await;
    let paths = loaded(&page.text);
    let mut imports = 0;
    for path in paths.iter().filter(|path| path.ends_with(".js")) {
        let script = gateway.get(path, &[]).await.text;
        let folder = path.rsplit_once('/').unwrap().0;
        for import in script.lines().filter_map(|line| {
            let from = line
                .starts_with("import ")
                .then(|| line.rsplit_once(" from "))
                .flatten()?;
            Some(from.1.trim_matches(['"', ';']).to_owned())
        }) {
            let mut parts: Vec<&str> = folder.split('/').collect();
            for part in import.split('/') {
                match part {
                    "." => {}
                    ".." => drop(parts.pop()),
                    name => parts.push(name),
                }
            }
            let wanted = parts.join("/");
            assert!(paths.contains(&wanted), "{path} imports {wanted}");
            imports += 1;
        }
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!script.contains(forbidden), "{path} holds {forbidden}");
        }
    }
    assert!(imports > 40, "only {imports} imports were found");
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let gateway = start().await;
    let first = gateway.get("/", &[]).await;
    let tag = first.header("etag");
    assert!(tag.len() > 10 && tag.starts_with('"'), "{tag}");
    for had in [
        tag.to_owned(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        let again = gateway.get("/", &[("if-none-match", &had)]).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{had}");
        assert_eq!(again.header("etag"), tag);
        assert_eq!(again.header("cache-control"), "no-cache");
    }
    let other = gateway.get("/", &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status.as_u16(), other.text.len()), (200, first.text.len()));
    // Other bytes have another tag.
    let head = Request::head(gateway.url("/")).header("accept-encoding", "br, gzip");
    let packed = gateway.send(head.body(Body::empty()).unwrap()).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_ne!(packed.header("etag"), tag);
    let unwanted = Request::head(gateway.url("/")).header("accept-encoding", "gzip;q=0, identity");
    let plain = gateway.send(unwanted.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (plain.header("content-encoding"), plain.header("etag")),
        ("", tag)
    );
}

#[tokio::test]
async fn the_page_is_read_and_nothing_else() {
    let gateway = start().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method).uri(gateway.url("/"));
        let reply = gateway.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "GET, HEAD"));
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
    let page = gateway.get("/", &[]).await.text;
    let script = loaded(&page)
        .into_iter()
        .find(|path| path.ends_with("/app.js"))
        .unwrap();
    let version = script.split('/').nth(2).unwrap();
    for unknown in [
        "/index.html".to_owned(),
        "/page".to_owned(),
        "/page/".to_owned(),
        format!("/page/{version}/nope.js"),
        format!("/page/{version}/../app.js"),
        format!("/page/{version}//app.js"),
        "/page/0123456789abcdef/app.js".to_owned(),
        "/favicon.ico".to_owned(),
    ] {
        let reply = gateway.get(&unknown, &[]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (404, "NOT_FOUND"),
            "{unknown}"
        );
    }
    let foreign = gateway.get("/", &[("host", "evil.example")]).await;
    assert_eq!(
        (foreign.status.as_u16(), foreign.code().as_str()),
        (403, "FORBIDDEN")
    );
}

#[tokio::test]
async fn the_whole_page_is_light() {
    let gateway = start().await;
    let page = gateway.get("/", &[]).await.text;
    let paths = [vec!["/".to_owned()], loaded(&page)].concat();
    let (mut packed, mut plain) = (0, 0);
    for path in &paths {
        packed += weighed(&gateway, path, "gzip").await;
        plain += weighed(&gateway, path, "identity").await;
    }
    assert!(packed < BUDGET, "{packed} bytes");
    assert!(packed < plain && plain < PLAIN_BUDGET, "{plain} bytes");
}
