//! The floor: a bare reverse proxy on hyper, with pooled connections and nothing else.

use std::convert::Infallible;

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};

type Upstream = Client<HttpConnector, Incoming>;
type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn pass(
    client: Upstream,
    upstream: Authority,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (mut head, body) = request.into_parts();
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(upstream);
    head.uri = Uri::from_parts(uri).unwrap();
    head.headers.remove("host");
    let answer = client.request(Request::from_parts(head, body)).await.unwrap();
    Ok(answer.map(BodyExt::boxed))
}

/// Serves until killed; writes its address to `ready`.
pub(crate) fn serve(ready: &str, upstream: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let upstream: Authority = upstream.parse().unwrap();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        std::fs::write(ready, listener.local_addr().unwrap().to_string()).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (client, upstream) = (client.clone(), upstream.clone());
            let service = service_fn(move |request| pass(client.clone(), upstream.clone(), request));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
}
