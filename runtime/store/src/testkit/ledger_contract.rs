//! The ledger's contract suite: what every ledger must do, one named case each.
//!
//! [`ledger_contract!`](crate::ledger_contract) makes a test of every case. Each begins with an empty ledger.
#![allow(missing_docs, reason = "a case's name says what it shows")]

mod budgets;
mod kept;
mod requests;
mod rows;
mod sums;

use std::sync::Arc;

use greenroom_kernel::Ledger;

pub use budgets::*;
pub use kept::*;
pub use requests::*;
pub use rows::{request, row};
pub use sums::*;

/// A ledger as the cases see it.
pub type Subject = Arc<dyn Ledger>;

/// Makes a module `$name` with one test for every case of the contract. `$make` is a closure that returns a
/// future of the ledger (an `Arc<dyn Ledger>`) and anything that must live as long as it. The form `in turn` is that of
/// [`store_contract!`](crate::store_contract).
///
/// The crate that uses it needs `tokio` with `macros` and `rt-multi-thread`, and for the form `in turn` `futures`.
#[macro_export]
macro_rules! ledger_contract {
    ($name:ident => $make:expr) => {
        $crate::ledger_contract! { @list (each $name, $make) }
    };
    (in turn, $name:ident($from:ident: $of:ty) => $make:expr) => {
        $crate::ledger_contract! { @list (turn $name, $from, $of, $make) }
    };
    (@list ($($how:tt)*)) => {
        $crate::ledger_contract! { @($($how)*)
            tries_are_read_back_whole_the_newest_first_page_by_page
            a_row_that_is_sent_again_counts_once
            sums_keep_classes_apart_and_tell_what_failed_is_estimated_or_has_no_price
            sums_are_by_every_dimension_the_dearest_first
            sums_begin_and_end_with_the_days_asked_for
            a_report_has_the_sum_of_all_and_says_whether_there_are_more
            sums_that_are_larger_than_fits_hold_up_no_other
            tenants_see_nothing_of_each_other_s_costs
            requests_are_read_back_and_swept_by_age_some_at_a_time
            budgets_are_kept_replaced_and_removed
            what_64_writers_record_at_once_is_all_there
            a_place_in_the_ledger_that_no_page_gave_is_refused
        }
    };
    (@(each $name:ident, $make:expr) $($case:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (ledger, _guard) = ($make)().await;
                    $crate::testkit::ledger_contract::$case(&ledger).await;
                }
            )*
        }
    };
    (@(turn $name:ident, $from:ident, $of:ty, $make:expr) $($case:ident)*) => {
        async fn $name($from: &$of) {
            let mut failed: Vec<&str> = Vec::new();
            $(
                let (ledger, _guard) = ($make)($from).await;
                let case = ::std::panic::AssertUnwindSafe($crate::testkit::ledger_contract::$case(&ledger));
                if ::futures::FutureExt::catch_unwind(case).await.is_err() {
                    failed.push(stringify!($case));
                }
            )*
            assert!(failed.is_empty(), "these cases failed: {failed:#?}");
        }
    };
}
