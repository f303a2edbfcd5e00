//! The running gateway and the agents it knows; agent hosts that are to be joined.

use std::time::Duration;

use greenroom_kernel::{AgentEndpoint, HostState};
use greenroom_wire::Links;
use reqwest::Client;
use serde_json::{Value, json};

use super::report::Line;
use crate::config::Config;
use crate::failed::chain;
use crate::probe::{client, healthy};

const GATEWAY: &str = "gateway";
const AGENT: &str = "agent";
const HOST: &str = "agent host";
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn check(config: &Config, links: &Links, url: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    match client(url) {
        Ok(client) => match healthy(&client, url, PATIENCE).await {
            Ok(()) => {
                lines.push(Line::ok(GATEWAY, format!("{url} answers")));
                lines.extend(agents(&client, url).await);
            }
            Err(why) => lines.push(Line::warn(
                GATEWAY,
                why,
                "start it with `greenroom dev`, or pass its --url",
            )),
        },
        Err(failed) => lines.push(Line::fail(GATEWAY, failed.to_string(), "pass another --url")),
    }
    for host in &config.agent_hosts {
        lines.push(joined(host, links).await);
    }
    lines
}

async fn agents(client: &Client, url: &str) -> Vec<Line> {
    let remedy = "is it a greenroom gateway that lets you in?";
    let body = json!({ "query": "{ listAgents { name health lastError instances { id } } }" });
    let asking = client
        .post(format!("{}/graphql", url.trim_end_matches('/')))
        .timeout(PATIENCE)
        .json(&body)
        .send();
    let answer: Result<Value, reqwest::Error> = async { asking.await?.json().await }.await;
    match answer {
        Ok(answer) => match answer["data"]["listAgents"].as_array() {
            Some(agents) if agents.is_empty() => {
                vec![Line::fail(
                    AGENT,
                    "none is known",
                    "start an agent host and join it with --agent URL",
                )]
            }
            Some(agents) => agents.iter().map(agent).collect(),
            None => vec![Line::fail(
                AGENT,
                format!("they can't be listed: {}", answer["errors"]),
                remedy,
            )],
        },
        Err(error) => vec![Line::fail(
            AGENT,
            format!("they can't be listed: {}", chain(&error)),
            remedy,
        )],
    }
}

fn agent(status: &Value) -> Line {
    let name = status["name"].as_str().unwrap_or("?");
    let health = status["health"].as_str().unwrap_or("?");
    let instances = status["instances"].as_array().map_or(0, Vec::len);
    let said = format!("{name} is {health} ({instances} instances)");
    let last = status["lastError"]
        .as_str()
        .map(|error| format!(": {error}"))
        .unwrap_or_default();
    match health {
        "HEALTHY" => Line::ok(AGENT, said),
        "UNHEALTHY" => Line::fail(
            AGENT,
            format!("{said}{last}"),
            "look at its host's log; it is tried again by itself",
        ),
        _ => Line::warn(AGENT, format!("{said}{last}"), "look at its host's log"),
    }
}

async fn joined(host: &str, links: &Links) -> Line {
    let remedy = "start it, or take it out of agent.join";
    match links.agent(host) {
        Ok(agent) => match tokio::time::timeout(PATIENCE, agent.check()).await {
            Ok(Ok(HostState::Serving)) => Line::ok(HOST, format!("{host} serves")),
            Ok(Ok(HostState::Draining)) => Line::warn(
                HOST,
                format!("{host} drains: it takes nothing new"),
                "start it again",
            ),
            Ok(Err(failure)) => Line::fail(HOST, failure.message, remedy),
            Err(_) => Line::fail(HOST, format!("{host} does not answer"), remedy),
        },
        Err(error) => Line::fail(HOST, chain(&error), remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::State;

    #[test]
    fn an_agent_is_as_well_as_its_health() {
        let state = |health: &str| agent(&json!({ "name": "a", "health": health, "instances": [1] })).state;
        assert_eq!(
            [state("HEALTHY"), state("DEGRADED"), state("UNHEALTHY")],
            [State::Ok, State::Warn, State::Fail]
        );
    }
}
