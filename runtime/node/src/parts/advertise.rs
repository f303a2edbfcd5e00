//! Where others reach this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use greenroom_kernel::HostPort;
use serde::Deserialize;

use crate::failed::{Failed, chain};

/// Where Amazon ECS tells a task about itself.
const ECS: &str = "ECS_CONTAINER_METADATA_URI_V4";
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// It may not answer yet when a task begins.
const ATTEMPTS: u32 = 3;

/// What is told of a task, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(default)]
    networks: Vec<Network>,
}

#[derive(Debug, Deserialize)]
struct Network {
    #[serde(default, rename = "NetworkMode")]
    mode: String,
    #[serde(default, rename = "IPv4Addresses")]
    addresses: Vec<Ipv4Addr>,
}

/// The address of a process that listens at `bound`: the one that is configured, else that of its ECS task, else where it
/// listens. `section` is the role's in the configuration, `set` reads the environment.
///
/// # Errors
/// It listens on all addresses, and nobody says which one others reach; or on loopback alone, where others have to reach it.
pub(crate) async fn advertised(
    section: &str,
    configured: Option<&HostPort>,
    bound: SocketAddr,
    set: &dyn Fn(&str) -> Option<String>,
) -> Result<HostPort, Failed> {
    if let Some(configured) = configured {
        return Ok(configured.clone());
    }
    let mut why = String::new();
    if let Some(base) = set(ECS).filter(|url| !url.is_empty()) {
        match of_task(&base).await {
            Ok(Some(ip)) if bound.ip().is_loopback() && !ip.is_loopback() => {
                let (variable, port) = (section.to_ascii_uppercase(), bound.port());
                return Err(Failed::misused(format!(
                    "{section}.listen is {bound}, where only this task itself reaches it, and others would be sent to {ip}: \
                     set {section}.listen (GREENROOM__{variable}__LISTEN) to 0.0.0.0:{port}"
                )));
            }
            Ok(Some(ip)) => return Ok(HostPort::numeric(ip.into(), bound.port())),
            Ok(None) => why = " (the ECS task has no network of the mode awsvpc)".to_owned(),
            Err(error) => why = format!(" (the ECS task's metadata can't be read: {error})"),
        }
        tracing::warn!("{section}.advertise is not set, and nothing was learnt of the ECS task{why}");
    }
    if bound.ip().is_unspecified() {
        let variable = section.to_ascii_uppercase();
        return Err(Failed::misused(format!(
            "{section}.listen is {bound}, which doesn't say where others reach this process{why}: set {section}.advertise \
             (GREENROOM__{variable}__ADVERTISE) to an address:port"
        )));
    }
    Ok(bound.into())
}

/// The task's first address in a network of its own.
async fn of_task(base: &str) -> Result<Option<Ipv4Addr>, String> {
    let client = reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .timeout(ANSWER_WITHIN)
        .build()
        .map_err(|error| chain(&error))?;
    let url = format!("{}/task", base.trim_end_matches('/'));
    let mut attempt = 1;
    loop {
        match asked(&client, &url).await {
            Ok(task) => {
                let networks = task.containers.into_iter().flat_map(|one| one.networks);
                let own = networks.filter(|network| network.mode == "awsvpc");
                return Ok(own.flat_map(|network| network.addresses).next());
            }
            Err(why) if attempt >= ATTEMPTS => return Err(why),
            Err(_) => attempt += 1,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn asked(client: &reqwest::Client, url: &str) -> Result<Task, String> {
    let answer = client
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    let text = match answer {
        Ok(answer) => answer.text().await,
        Err(error) => Err(error),
    };
    let text = text.map_err(|error| chain(&error))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::task::JoinSet;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    async fn metadata(task: &'static str) -> (String, JoinSet<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v4/x", listener.local_addr().unwrap());
        let routes = Router::new().route("/v4/x/task", get(async move || task));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (url, serving)
    }

    #[tokio::test]
    async fn what_is_configured_counts_then_where_it_listens() {
        let bound: SocketAddr = "127.0.0.1:7070".parse().unwrap();
        let configured = "s.internal:1".parse().unwrap();
        let found = advertised("supervisor", Some(&configured), bound, &nothing).await;
        assert_eq!(found.unwrap(), configured);
        let found = advertised("supervisor", None, bound, &nothing).await;
        assert_eq!(found.unwrap(), bound.into());
    }

    #[tokio::test]
    async fn a_task_of_ecs_is_reached_at_its_own_address() {
        let (url, _serving) = metadata(
            r#"{"Containers": [{"Name": "agent", "Networks": [{"NetworkMode": "bridge", "IPv4Addresses": ["172.17.0.2"]}]},
                {"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.106"], "MACAddress": "0e"}]}]}"#,
        )
        .await;
        let set = move |name: &str| (name == ECS).then(|| url.clone());
        let found = advertised("agent", None, "0.0.0.0:7071".parse().unwrap(), &set).await;
        assert_eq!(found.unwrap().to_string(), "10.0.2.106:7071");
    }

    #[tokio::test]
    async fn a_task_of_ecs_that_listens_to_itself_alone_is_refused_with_what_to_set() {
        let (url, _serving) = metadata(
            r#"{"Containers": [{"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.106"]}]}]}"#,
        )
        .await;
        let set = move |name: &str| (name == ECS).then(|| url.clone());
        let said = advertised("agent", None, "127.0.0.1:7071".parse().unwrap(), &set).await;
        let said = said.unwrap_err().to_string();
        assert!(
            said.contains("set agent.listen (GREENROOM__AGENT__LISTEN) to 0.0.0.0:7071"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn an_address_that_says_nothing_is_refused_with_what_to_set() {
        let bound = "0.0.0.0:7070".parse().unwrap();
        let said = advertised("supervisor", None, bound, &nothing).await;
        let said = said.unwrap_err().to_string();
        assert!(
            said.contains("set supervisor.advertise (GREENROOM__SUPERVISOR__ADVERTISE)"),
            "{said}"
        );
        let (url, _serving) = metadata(r#"{"Containers": []}"#).await;
        let set = move |name: &str| (name == ECS).then(|| url.clone());
        let said = advertised("supervisor", None, bound, &set)
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains("no network of the mode awsvpc"), "{said}");
    }
}
