//! The page at `/`: what a newcomer sees first. It is compiled in, loads nothing from anywhere else, and speaks to
//! `/graphql` as any other client does. So is the page that `/graphql` shows to browsers, where queries are tried; from
//! there GraphiQL is one click away, which is loaded from elsewhere for whoever asks for it.
//!
//! All it loads lies below a folder named by the content of the whole, so that an upgrade never mixes two versions:
//! what has such a name may be kept for ever, and the document that names it is asked for each time.

mod files;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use greenroom_kernel::Failure;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::edge;
use crate::gateway::Inner;
use crate::http::failure_with;
use crate::request_id::RequestId;
use files::{FILES, GRAPHIQL, INDEX, QUERY};

/// Where the document is.
pub(crate) const DOCUMENT: &str = "/";
/// Where what it loads is.
pub(crate) const LOADED: &str = "/page/{version}/{*file}";
/// Of `/graphql`, in a browser: the own page, and by this query GraphiQL.
const TRYING: &str = "/graphql";
pub(crate) const GRAPHIQL_ASKED: &str = "graphiql";
/// What the documents of `/graphql` load, which isn't for the page at `/`.
const OF_TRYING: &str = "query/";

/// A text that a model wrote is never more than text: nothing is run or loaded that isn't ours, from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// GraphiQL is somebody else's, and comes from where its document says, held to its hashes.
const POLICY_OF_GRAPHIQL: &str = "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src data:; \
                      script-src 'self' https://unpkg.com/react@18.3.1/ https://unpkg.com/react-dom@18.3.1/ \
                      https://unpkg.com/graphiql@3.8.3/; \
                      style-src 'self' 'unsafe-inline' https://unpkg.com/graphiql@3.8.3/; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const ASK_EACH_TIME: &str = "no-cache";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// One file as it is sent.
struct Sent {
    media: &'static str,
    cache: &'static str,
    policy: &'static str,
    plain: Tagged,
    gzip: Option<Tagged>,
}

/// Bytes and the tag that is theirs alone.
struct Tagged {
    bytes: Bytes,
    tag: HeaderValue,
}

/// By path.
static PAGE: LazyLock<HashMap<String, Sent>> = LazyLock::new(build);

/// Compresses everything now rather than at the first request.
pub(crate) fn prepare() {
    LazyLock::force(&PAGE);
}

/// Serves the document and what it loads.
pub(crate) async fn serve(state: State<Arc<Inner>>, request: Request) -> Response {
    let Some(sent) = PAGE.get(request.uri().path()) else {
        return edge::unknown_path(state, request).await;
    };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let id = request.extensions().get::<RequestId>().cloned();
        let id = id.unwrap_or_else(|| RequestId::of(request.headers(), &*state.random));
        let failure = Failure::bad_input("the page is read by GET; queries go to /graphql by POST");
        let mut response = failure_with(StatusCode::METHOD_NOT_ALLOWED, failure, &id);
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allow);
        return response;
    }
    sent.response(request.headers(), request.method() == Method::HEAD)
}

/// The page to try queries on: our own, or GraphiQL where that is asked for. Nothing is loaded from elsewhere unasked.
pub(crate) fn trying(query: Option<&str>, headers: &HeaderMap) -> Response {
    let path = match query {
        Some(GRAPHIQL_ASKED) => GRAPHIQL_ASKED,
        _ => TRYING,
    };
    match PAGE.get(path) {
        Some(sent) => sent.response(headers, false),
        None => Response::default(),
    }
}

impl Sent {
    fn response(&self, asked: &HeaderMap, head: bool) -> Response {
        let packed = self.gzip.as_ref().filter(|_| takes_gzip(asked));
        let body = packed.unwrap_or(&self.plain);
        let known = has_tag(asked, &body.tag);
        let mut response = Response::new(match known || head {
            true => Body::empty(),
            false => Body::from(body.bytes.clone()),
        });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        set(header::CACHE_CONTROL, self.cache);
        set(header::VARY, "accept-encoding");
        set(header::CONTENT_SECURITY_POLICY, self.policy);
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::X_FRAME_OPTIONS, "DENY");
        set(header::REFERRER_POLICY, "no-referrer");
        if !known {
            set(header::CONTENT_TYPE, self.media);
            if packed.is_some() {
                set(header::CONTENT_ENCODING, "gzip");
            }
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.bytes.len()));
        }
        headers.insert(header::ETAG, body.tag.clone());
        response
    }
}

/// Whether the client says that it has these bytes.
fn has_tag(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter();
    let tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let tags = tags.map(|each| each.trim().trim_start_matches("W/"));
    let mut tags = tags.filter(|each| !each.is_empty());
    tags.any(|each| each == "*" || each.as_bytes() == tag.as_bytes())
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = |part: &str| {
            let quality = part.strip_prefix("q=").or(part.strip_prefix("Q="));
            quality.is_some_and(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0))
        };
        named && !parts.any(refused)
    })
}

fn build() -> HashMap<String, Sent> {
    let mut whole = blake3::Hasher::new();
    for file in FILES.iter() {
        whole.update(file.name.as_bytes());
        whole.update(blake3::hash(file.bytes).as_bytes());
    }
    let version = &whole.finalize().to_hex()[..16];
    let scripts = FILES
        .iter()
        .map(|file| file.name)
        .filter(|name| name.ends_with(".js") && !name.starts_with(OF_TRYING));
    // Named beforehand, so that no script waits for the one that imports it.
    let preloads: String = scripts
        .map(|name| format!("<link rel=\"modulepreload\" href=\"/page/VERSION/{name}\">\n    "))
        .collect();
    let document = |text: &str, policy| Sent {
        policy,
        ..sent(
            "index.html",
            ASK_EACH_TIME,
            Bytes::from(text.replace("VERSION", version)),
        )
    };
    let index = INDEX.replace("<!-- PRELOADS -->", preloads.trim_end());
    let documents = [
        (DOCUMENT, document(&index, POLICY)),
        (TRYING, document(QUERY, POLICY)),
        (GRAPHIQL_ASKED, document(GRAPHIQL, POLICY_OF_GRAPHIQL)),
    ];
    let loaded = FILES.iter().map(|file| {
        let path = format!("/page/{version}/{}", file.name);
        (path, sent(file.name, FOR_EVER, Bytes::from_static(file.bytes)))
    });
    let documents = documents.map(|(path, sent)| (path.to_owned(), sent));
    loaded.chain(documents).collect()
}

fn sent(name: &str, cache: &'static str, plain: Bytes) -> Sent {
    let hash = blake3::hash(&plain).to_hex();
    let tagged = |bytes: Bytes, coding: &str| Tagged {
        bytes,
        // Hexadecimal between quotes: always a header's value.
        tag: HeaderValue::from_str(&format!("\"{}{coding}\"", &hash[..16]))
            .unwrap_or(HeaderValue::from_static("\"\"")),
    };
    let packed = gzip(&plain).filter(|packed| packed.len() < plain.len());
    Sent {
        media: media(name),
        cache,
        policy: POLICY,
        gzip: packed.map(|packed| tagged(packed, "-gzip")),
        plain: tagged(plain, ""),
    }
}

fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).ok()?;
    Some(packer.finish().ok()?.into())
}

fn media(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
