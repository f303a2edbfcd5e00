//! Items that expire by themselves. The service reaps them some time after their moment: until then nobody is shown them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Item, number, set};

/// The attribute that the service reaps items by.
const EXPIRES: &str = "expires";

/// The filter that leaves out what has expired, with the value of [`now`].
pub(super) const UNEXPIRED: &str = "attribute_not_exists(expires) OR expires > :now";

/// Lets an item expire when it was kept for so long.
pub(super) fn expire_after(item: &mut Item, keep: Duration) {
    set(item, EXPIRES, number(seconds_from_now(keep)));
}

/// What [`UNEXPIRED`] compares with.
pub(super) fn now() -> (&'static str, AttributeValue) {
    (":now", number(seconds_from_now(Duration::ZERO)))
}

/// A moment as the service counts: in whole seconds.
#[allow(
    clippy::disallowed_methods,
    reason = "the service reaps by the time of day, whatever clock its callers are given"
)]
fn seconds_from_now(later: Duration) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_add(later);
    now.as_secs()
}
