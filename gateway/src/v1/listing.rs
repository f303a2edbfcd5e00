//! The list of models: routes, what the providers serve, and agents, in the words of OpenAI or of Anthropic.

use std::sync::Arc;

use axum::response::Response;
use greenroom_kernel::{Capabilities, ModelListing};
use http::HeaderMap;
use serde_json::{Value, json};

use super::call::AGENT;
use super::place::is_anthropic;
use super::refusal::{self, Refused};
use crate::gateway::Inner;

/// A name that calls may ask for.
struct Named {
    id: String,
    display: String,
    owner: String,
    more: Value,
}

/// Every name, in the words that `headers` ask for.
pub(super) async fn all(inner: &Arc<Inner>, headers: &HeaderMap) -> Result<Response, Refused> {
    let named = known(inner).await?;
    let body = if is_anthropic(headers) {
        let ends = [named.first(), named.last()].map(|end| end.map(|end| end.id.clone()));
        let [first, last] = ends;
        json!({
            "data": named.iter().map(|each| for_anthropic(inner, each)).collect::<Vec<_>>(),
            "has_more": false,
            "first_id": first,
            "last_id": last,
        })
    } else {
        json!({
            "object": "list",
            "data": named.iter().map(|each| for_openai(inner, each)).collect::<Vec<_>>(),
        })
    };
    Ok(refusal::json(body.to_string()))
}

/// The name `id`.
pub(super) async fn one(inner: &Arc<Inner>, headers: &HeaderMap, id: &str) -> Result<Response, Refused> {
    let known = known(inner).await?;
    let Some(named) = known.iter().find(|each| each.id == id) else {
        return Err(Refused::no_model("no such model: GET /v1/models lists them"));
    };
    let body = match is_anthropic(headers) {
        true => for_anthropic(inner, named),
        false => for_openai(inner, named),
    };
    Ok(refusal::json(body.to_string()))
}

async fn known(inner: &Inner) -> Result<Vec<Named>, Refused> {
    let mut named: Vec<Named> = inner.door.models.listing().into_iter().map(of_model).collect();
    let agents = inner.door.supervisor.agents().await.map_err(Refused::failed)?;
    named.extend(agents.into_iter().map(|agent| Named {
        id: format!("{AGENT}{}", agent.card.name),
        display: agent.card.name.to_string(),
        owner: "greenroom".to_owned(),
        more: json!({
            "kind": "agent",
            "description": agent.card.description,
            "version": agent.card.version,
            "can": Capabilities { streaming: Some(true), tools: Some(false), ..Capabilities::default() },
        }),
    }));
    Ok(named)
}

fn of_model(model: ModelListing) -> Named {
    let ModelListing { id, provider, can } = model;
    let kind = if provider.is_some() { "model" } else { "route" };
    let mut more = json!({ "kind": kind, "can": can });
    if let (Some(provider), Some(members)) = (&provider, more.as_object_mut()) {
        members.insert("provider".to_owned(), Value::from(provider.as_str()));
    }
    Named {
        display: id.clone(),
        id,
        owner: provider.unwrap_or_else(|| "greenroom".to_owned()),
        more,
    }
}

fn for_openai(inner: &Inner, named: &Named) -> Value {
    json!({
        "id": named.id,
        "object": "model",
        "created": inner.door.since.as_millis() / 1_000,
        "owned_by": named.owner,
        "greenroom": named.more,
    })
}

fn for_anthropic(inner: &Inner, named: &Named) -> Value {
    json!({
        "type": "model",
        "id": named.id,
        "display_name": named.display,
        "created_at": inner.door.since.to_string(),
    })
}
