//! What the service and the way to it report, in the store's own words.

mod invalid;

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_dynamodb::Error as ServiceError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use greenroom_aws::{CallerRefusal, Causes, NO_CREDENTIALS, ObjectError, on_one_line};
use greenroom_kernel::StoreError;

use super::item::Item;
use invalid::invalid;

const DENIED: &str = "let the caller dynamodb:GetItem, PutItem, UpdateItem, DeleteItem, Query, BatchGetItem and \
                      BatchWriteItem on the table and its indexes; docs/dynamodb.md tells what `greenroom migrate` needs";

/// Where the store is, as errors name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) table: String,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "table {} in {}", self.table, self.region)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

/// What became of one try.
#[derive(Debug)]
pub(super) enum Fault {
    /// A condition did not hold. `item` is what is in the first item's place, where that was asked for and its condition
    /// failed; `at` are the places of all that failed.
    Condition { item: Option<Item>, at: Vec<usize> },
    /// Nothing was written; again in a while.
    Throttled(String),
    /// It may have been done.
    Unanswered(Box<dyn StdError + Send + Sync>),
    /// It was refused, and will be until somebody mends something.
    Refused { what: String, remedy: String },
    /// It was refused for what it would write.
    Unfit(String),
}

impl Fault {
    /// As the store says it for an operation. `condition` never comes here: who sets one reads its outcome.
    pub(super) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Condition { .. } => StoreError::Corrupt {
                operation,
                what: "a condition failed that nobody had set".into(),
                source: None,
            },
            Self::Throttled(_) => StoreError::Busy { operation },
            Self::Unanswered(source) => StoreError::Unanswered {
                operation,
                source: Some(source),
            },
            Self::Refused { what, remedy } => StoreError::Refused {
                operation,
                what,
                remedy,
            },
            Self::Unfit(what) => StoreError::Unfit { operation, what },
        }
    }
}

/// What a failed try means.
pub(super) fn fault<E>(place: &Place, error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    ServiceError: From<E>,
{
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    match error {
        SdkError::ServiceError(refused) => {
            let refused = refused.into_err();
            let code = refused.code().unwrap_or_default().to_owned();
            let message = refused.message().unwrap_or_default().to_owned();
            said(place, refused.into(), &code, &message, status)
        }
        other => stuck(place, other),
    }
}

fn said(place: &Place, error: ServiceError, code: &str, message: &str, status: Option<u16>) -> Fault {
    match error {
        ServiceError::ConditionalCheckFailedException(failed) => {
            return Fault::Condition {
                item: failed.item,
                at: vec![0],
            };
        }
        ServiceError::TransactionCanceledException(cancelled) => {
            return cancelled_by(place, cancelled.cancellation_reasons.unwrap_or_default());
        }
        _ => {}
    }
    let refused = |what: String, remedy: &str| Fault::Refused {
        what,
        remedy: remedy.to_owned(),
    };
    if let Some(refusal) = CallerRefusal::of(code) {
        return refused(refusal.said(&place.to_string()), refusal.remedy());
    }
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Fault::Throttled(format!("{code}: {}", on_one_line(message))),
        "ResourceNotFoundException" | "TableNotFoundException" => refused(
            format!("there is no {place}"),
            "run `greenroom migrate`, which creates it, or correct store.region and store.table_prefix",
        ),
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => refused(
            format!("access to {place} is denied ({})", on_one_line(message)),
            DENIED,
        ),
        "ValidationException" => invalid(place, message),
        "ItemCollectionSizeLimitExceededException" => {
            Fault::Unfit(format!("{place} refused it: {}", on_one_line(message)))
        }
        _ if status.is_some_and(|status| status >= 500) => {
            Fault::Unanswered(format!("{place}: {code}: {}", on_one_line(message)).into())
        }
        _ => refused(
            format!("{place} refused a request: {code}: {}", on_one_line(message)),
            "report this as a defect, unless store.endpoint names something that isn't DynamoDB",
        ),
    }
}

/// Only a condition that failed is an answer; a conflict or throttling of any item is none. Of an append only the slot has
/// a condition.
fn cancelled_by(place: &Place, reasons: Vec<aws_sdk_dynamodb::types::CancellationReason>) -> Fault {
    let (mut others, mut at, mut item) = (Vec::new(), Vec::new(), None);
    for (index, reason) in reasons.into_iter().enumerate() {
        match reason.code.as_deref() {
            Some("ConditionalCheckFailed") => {
                at.push(index);
                if index == 0 {
                    item = reason.item;
                }
            }
            None | Some("None") => {}
            Some(code) => others.push((code.to_owned(), reason.message.unwrap_or_default())),
        }
    }
    if !at.is_empty() {
        return Fault::Condition { item, at };
    }
    let passing = |code: &str| {
        matches!(
            code,
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
        )
    };
    match others.iter().find(|(code, _)| !passing(code)) {
        None => Fault::Throttled(others.first().map_or_else(
            || "a transaction was cancelled".to_owned(),
            |(code, _)| format!("a transaction was cancelled: {code}"),
        )),
        Some((code, message)) if code == "ValidationError" => invalid(place, message),
        Some((code, message)) if code == "ItemCollectionSizeLimitExceeded" => {
            Fault::Unfit(format!("{place} refused it: {}", on_one_line(message)))
        }
        Some((code, message)) => Fault::Refused {
            what: format!("{place} refused a transaction: {code}: {}", on_one_line(message)),
            remedy: "report this as a defect".to_owned(),
        },
    }
}

fn stuck<E>(place: &Place, error: SdkError<E, HttpResponse>) -> Fault
where
    E: StdError + Send + Sync + 'static,
{
    let Causes {
        text: why,
        credentials,
    } = Causes::of(&error);
    if credentials {
        return Fault::Refused {
            what: format!("no AWS credentials were found for {place} ({why})"),
            remedy: NO_CREDENTIALS.to_owned(),
        };
    }
    let unmade = match &error {
        SdkError::ConstructionFailure(_) => true,
        // The connector has no word for it: it has not tried.
        SdkError::DispatchFailure(failed) => failed.is_other() && failed.as_other().is_none(),
        _ => false,
    };
    if unmade {
        return Fault::Refused {
            what: format!("a request to {place} can't be made ({why})"),
            remedy: "check store.region and store.endpoint, or AWS_REGION and AWS_ENDPOINT_URL".to_owned(),
        };
    }
    Fault::Unanswered(format!("{place}: {why}").into())
}

impl From<ObjectError> for Fault {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Busy(why) => Self::Throttled(why),
            ObjectError::Unanswered(why) => Self::Unanswered(why.into()),
            ObjectError::NoBucket { what, remedy } | ObjectError::Refused { what, remedy, .. } => {
                Self::Refused {
                    what,
                    remedy: remedy.to_owned(),
                }
            }
            ObjectError::Missing => Self::Refused {
                what: error.to_string(),
                remedy: "report this as a defect".to_owned(),
            },
        }
    }
}

/// A store that gave no answer within a time of ours.
#[derive(Debug, thiserror::Error)]
#[error("{place} was not ready within {} s", .waited.as_secs())]
pub(super) struct NotReady {
    pub(super) place: String,
    pub(super) waited: Duration,
}
