//! `greenroom healthcheck`, and the HTTP client that commands speak to a gateway with.

use std::time::Duration;

use reqwest::{Client, Url};

use crate::cli::HealthcheckArgs;
use crate::failed::{Failed, chain};

/// A client for one gateway. One on this machine is reached without a proxy, and without root certificates where
/// it has no certificate to check.
pub(crate) fn client(url: &str) -> Result<Client, Failed> {
    let misused = || {
        Failed::misused(format!(
            "`{url}` is no gateway's URL such as http://127.0.0.1:8080"
        ))
    };
    let parsed = Url::parse(url).map_err(|_| misused())?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(misused());
    }
    let mut builder = Client::builder()
        .user_agent(concat!("greenroom/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5));
    if parsed.scheme() == "http" {
        builder = builder.tls_certs_only([]).no_proxy();
    }
    Ok(builder.build()?)
}

/// Fails unless the gateway answers in time.
pub(crate) fn healthcheck(args: &HealthcheckArgs) -> Result<(), Failed> {
    let url = &args.gateway.url;
    let client = client(url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(healthy(&client, url, args.timeout))
        .map_err(Failed::because)
}

/// Why a gateway doesn't answer.
pub(crate) async fn healthy(client: &Client, url: &str, patience: Duration) -> Result<(), String> {
    let url = format!("{}/healthz", url.trim_end_matches('/'));
    match client.get(&url).timeout(patience).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("{url} answers {}", answer.status())),
        Err(error) => Err(format!("{url} does not answer: {}", chain(&error))),
    }
}
