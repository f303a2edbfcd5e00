//! Reading what is asked from a body or a query string.

use std::collections::BTreeMap;

use async_graphql::Variables;
use axum::extract::Query;
use http::Uri;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::engine::Operation;

/// One operation, or several that are answered together.
#[derive(Debug)]
pub(super) enum Params {
    One(Operation),
    Batch(Vec<Operation>),
}

/// One operation as JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonOperation {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
    /// Of no meaning here, but it has to be a map.
    #[serde(default, rename = "extensions")]
    _extensions: Option<BTreeMap<String, IgnoredAny>>,
}

impl From<JsonOperation> for Operation {
    fn from(json: JsonOperation) -> Self {
        Self {
            query: json.query,
            name: json.operation_name.filter(|name| !name.is_empty()),
            variables: json.variables,
        }
    }
}

/// One operation as a query string.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UrlOperation {
    query: String,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

impl Params {
    /// Reads a JSON body. The error says what is wrong with it, and where.
    pub(super) fn from_body(body: &[u8], max_batch: usize) -> Result<Self, String> {
        let is_batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let unreadable = |error: serde_json::Error| format!("the body is not a GraphQL request: {error}");
        if !is_batch {
            let operation: JsonOperation = serde_json::from_slice(body).map_err(unreadable)?;
            return Ok(Self::One(operation.into()));
        }
        let operations: Vec<JsonOperation> = serde_json::from_slice(body).map_err(unreadable)?;
        if operations.is_empty() || operations.len() > max_batch {
            return Err(format!("a batch has 1 to {max_batch} operations"));
        }
        Ok(Self::Batch(operations.into_iter().map(Operation::from).collect()))
    }

    /// Reads a query string, whose `variables` are JSON text.
    pub(super) fn from_uri(uri: &Uri) -> Result<Self, String> {
        let Query(url) = Query::<UrlOperation>::try_from_uri(uri)
            .map_err(|error| format!("the query string is not a GraphQL request: {}", error.body_text()))?;
        let variables = match url.variables.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => serde_json::from_str(text)
                .map_err(|error| format!("variables are not a JSON map: {error}"))?,
            None => Variables::default(),
        };
        if let Some(text) = url.extensions.as_deref().filter(|text| !text.is_empty()) {
            serde_json::from_str::<Option<BTreeMap<String, IgnoredAny>>>(text)
                .map_err(|error| format!("extensions are not a JSON map: {error}"))?;
        }
        Ok(Self::One(Operation {
            query: url.query,
            name: url.operation_name.filter(|name| !name.is_empty()),
            variables,
        }))
    }
}
