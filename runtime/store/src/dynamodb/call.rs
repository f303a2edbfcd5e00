//! One operation of the store: its requests, each sent again while that may help, their units, and a span.
//!
//! The SDK retries nothing by itself: what a second try means is decided here. A condition that fails ends the
//! operation at once. Throttling and conflicts are waited out, never taken for another writer. A request that was not
//! answered is sent again as it was; what then comes of it is told together with that fact.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Error as ServiceError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemOutput;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::types::ConsumedCapacity;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use greenroom_aws::ObjectError;
use greenroom_kernel::StoreError;
use tokio::time::Instant;
use tracing::Span;

use super::error::{Fault, Place, fault};
use super::item::Item;

/// The first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often a batch may be done in part only.
const PARTIAL: u32 = 20;

/// What the store asked of the service since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DynamoUsage {
    /// Requests that write, those sent again included.
    pub write_requests: u64,
    /// Requests that read, those sent again included.
    pub read_requests: u64,
    /// Capacity units that the service said it billed for writes, indexes included.
    pub write_units: f64,
    /// The same for reads.
    pub read_units: f64,
    /// Requests to the bucket of large payloads, those sent again included.
    pub object_requests: u64,
    /// Requests that were sent again.
    pub retries: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    write_requests: AtomicU64,
    read_requests: AtomicU64,
    /// In halves: that is what the service counts in.
    write_halves: AtomicU64,
    read_halves: AtomicU64,
    object_requests: AtomicU64,
    retries: AtomicU64,
}

impl Counters {
    pub(super) fn usage(&self) -> DynamoUsage {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DynamoUsage {
            write_requests: of(&self.write_requests),
            read_requests: of(&self.read_requests),
            write_units: of(&self.write_halves) as f64 / 2.0,
            read_units: of(&self.read_halves) as f64 / 2.0,
            object_requests: of(&self.object_requests),
            retries: of(&self.retries),
        }
    }
}

/// Whether a request reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Read,
    Write,
}

/// An answer that says what it cost.
pub(super) trait Metered {
    const WAY: Way;
    fn units(&self) -> f64;
}

fn of(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
}

macro_rules! metered {
    ($way:ident: $($one:ty),* ; many $($many:ty),*) => {
        $(impl Metered for $one {
            const WAY: Way = Way::$way;
            fn units(&self) -> f64 { of(self.consumed_capacity()) }
        })*
        $(impl Metered for $many {
            const WAY: Way = Way::$way;
            fn units(&self) -> f64 { self.consumed_capacity().iter().map(|each| of(Some(each))).sum() }
        })*
    };
}

metered!(Write: PutItemOutput, UpdateItemOutput, DeleteItemOutput; many TransactWriteItemsOutput, BatchWriteItemOutput);
metered!(Read: GetItemOutput, QueryOutput; many BatchGetItemOutput);

/// What came of a request with a condition.
pub(super) enum Outcome<T> {
    Done(T),
    /// A condition did not hold. `item` is what is in the first one's place, where that was asked for; `at` are the places
    /// of those that failed; `resent` tells that an earlier try was not answered, and may be what is there.
    Failed {
        item: Option<Item>,
        at: Vec<usize>,
        resent: bool,
    },
}

/// One operation of the store.
pub(super) struct Call<'s> {
    pub(super) operation: &'static str,
    place: &'s Place,
    counters: &'s Counters,
    patience: Duration,
    attempts: AtomicU64,
    halves: AtomicU64,
    span: Span,
}

impl<'s> Call<'s> {
    pub(super) fn new(
        operation: &'static str,
        place: &'s Place,
        counters: &'s Counters,
        patience: Duration,
    ) -> Self {
        Self {
            operation,
            place,
            counters,
            patience,
            attempts: AtomicU64::new(0),
            halves: AtomicU64::new(0),
            span: tracing::info_span!(
                "store",
                otel.kind = "client",
                db.system.name = "aws.dynamodb",
                db.operation.name = operation,
                aws.dynamodb.table_names = %place.table,
                attempts = tracing::field::Empty,
                units = tracing::field::Empty,
                error = tracing::field::Empty,
            ),
        }
    }

    /// Sends a request without a condition.
    pub(super) async fn send<T, E, F>(&self, request: impl Fn() -> F) -> Result<T, StoreError>
    where
        T: Metered,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        ServiceError: From<E>,
    {
        match self.try_to(request).await? {
            Outcome::Done(answer) => Ok(answer),
            Outcome::Failed { item, at, .. } => Err(Fault::Condition { item, at }.into_error(self.operation)),
        }
    }

    /// Sends a request, again while that may help.
    ///
    /// # Errors
    /// `Unanswered` when any try may have taken effect and none was answered.
    pub(super) async fn try_to<T, E, F>(&self, request: impl Fn() -> F) -> Result<Outcome<T>, StoreError>
    where
        T: Metered,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        ServiceError: From<E>,
    {
        let request = |tries| {
            self.count(T::WAY, tries);
            // The SDK's futures are large: on the heap they are moved about as pointers.
            let sent = Box::pin(request());
            async {
                let answer = sent.await.map_err(|error| fault(self.place, error))?;
                self.bill(T::WAY, answer.units());
                Ok(answer)
            }
        };
        self.repeat(self.patience, request).await
    }

    /// Asks something of the bucket, again while that may help: a large payload takes three times as long.
    ///
    /// # Errors
    /// As [`Call::try_to`].
    pub(super) async fn of_bucket<T, F>(&self, request: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, ObjectError>>,
    {
        let request = |tries| {
            self.count_object(tries);
            let sent = Box::pin(request());
            async { sent.await.map_err(Fault::from) }
        };
        match self.repeat(self.patience.saturating_mul(3), request).await? {
            Outcome::Done(answer) => Ok(answer),
            Outcome::Failed { item, at, .. } => Err(Fault::Condition { item, at }.into_error(self.operation)),
        }
    }

    async fn repeat<T, F>(
        &self,
        patience: Duration,
        request: impl Fn(u32) -> F,
    ) -> Result<Outcome<T>, StoreError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let (mut tries, mut resent) = (0_u32, false);
        let until = Instant::now() + patience;
        loop {
            let failed = match request(tries).await {
                Ok(answer) => return Ok(Outcome::Done(answer)),
                Err(fault) => fault,
            };
            tries += 1;
            let again = match failed {
                Fault::Condition { item, at } => return Ok(Outcome::Failed { item, at, resent }),
                Fault::Throttled(ref why) => {
                    tracing::debug!(parent: &self.span, operation = self.operation, why, tries, "throttled");
                    true
                }
                Fault::Unanswered(ref why) => {
                    tracing::debug!(parent: &self.span, operation = self.operation, why, tries, "unanswered");
                    resent = true;
                    true
                }
                Fault::Refused { .. } | Fault::Unfit(_) => false,
            };
            let pause = pause(tries);
            if !again || Instant::now() + pause >= until {
                return Err(self.failed(failed, resent));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits a little where a batch was done in part only, `tries` times so far.
    ///
    /// # Errors
    /// `Busy` when that was often enough.
    pub(super) async fn breathe(&self, tries: u32) -> Result<(), StoreError> {
        if tries > PARTIAL {
            return Err(self.failed(Fault::Throttled("a batch was done in part".to_owned()), false));
        }
        tokio::time::sleep(pause(tries)).await;
        Ok(())
    }

    /// A try that may have taken effect makes the whole uncertain, whatever the last one was told.
    fn failed(&self, fault: Fault, resent: bool) -> StoreError {
        let error = fault.into_error(self.operation);
        let error = if resent && error.is_definite() {
            StoreError::Unanswered {
                operation: self.operation,
                source: Some(Box::new(error)),
            }
        } else {
            error
        };
        self.span.record("error", tracing::field::display(&error));
        error
    }

    fn count(&self, way: Way, tries: u32) {
        let counter = match way {
            Way::Read => &self.counters.read_requests,
            Way::Write => &self.counters.write_requests,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(1, Ordering::Relaxed);
        if tries > 0 {
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count_object(&self, tries: u32) {
        self.counters.object_requests.fetch_add(1, Ordering::Relaxed);
        if tries > 0 {
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn bill(&self, way: Way, units: f64) {
        let halves = (units * 2.0).round() as u64;
        let counter = match way {
            Way::Read => &self.counters.read_halves,
            Way::Write => &self.counters.write_halves,
        };
        counter.fetch_add(halves, Ordering::Relaxed);
        self.halves.fetch_add(halves, Ordering::Relaxed);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.span
            .record("attempts", self.attempts.load(Ordering::Relaxed));
        self.span
            .record("units", self.halves.load(Ordering::Relaxed) as f64 / 2.0);
    }
}

/// How long to wait before try `tries` + 1: anything up to a bound that doubles.
fn pause(tries: u32) -> Duration {
    let bound = FIRST_PAUSE
        .saturating_mul(1 << tries.min(10).saturating_sub(1))
        .min(LONGEST_PAUSE);
    bound.mul_f64(rand::random::<f64>())
}
