//! The HTTP client of one provider.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::HeaderMap;

use crate::base_url::BaseUrl;

/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);

pub(crate) fn client(
    base: &BaseUrl,
    headers: HeaderMap,
    connect_timeout: Duration,
) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("greenroom/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        // A redirect would carry the conversation to where nobody configured it to go.
        .redirect(reqwest::redirect::Policy::none())
        // Resilience is decided above, and counted there.
        .retry(reqwest::retry::never());
    if !base.is_https() {
        // No certificate is ever checked: don't load, or miss, the machine's.
        builder = builder.tls_certs_only([]);
    }
    if base.is_loopback() {
        builder = builder.no_proxy();
    }
    builder.build()
}
