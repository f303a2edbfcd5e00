//! The contract suite: what every store must do, one named case each.
//!
//! [`store_contract!`](crate::store_contract) makes a test of every case. Each begins with an empty store.
#![allow(missing_docs, reason = "a case's name says what it shows")]

mod attention;
mod content;
mod lists;
mod log;

use std::sync::Arc;

use greenroom_kernel::{Append, Appended, Store};

pub use attention::*;
pub use content::*;
pub use lists::*;
pub use log::*;

/// A store as the cases see it.
pub type Subject = Arc<dyn Store>;

async fn stored(store: &Subject, append: Append) {
    let what = format!("{:?} {}", append.key, append.slot.seq);
    assert_eq!(store.append(append).await.unwrap(), Appended::Stored, "{what}");
}

/// Makes a module `$name` with one test for every case of the contract. `$make` is a closure that returns a
/// future of the store (an `Arc<dyn Store>`) and anything that must live as long as it.
///
/// `store_contract! { in turn, $name($from) => $make }` makes a function instead that runs all of them, one after the
/// other, and panics with the names of those that fail: where what a store stands on takes its time to start. `$make`
/// gets `$from`, a reference to that.
///
/// The crate that uses it needs `tokio` with `macros` and `rt-multi-thread`, and for the second `futures`.
#[macro_export]
macro_rules! store_contract {
    ($name:ident => $make:expr) => {
        $crate::store_contract! { @list (each $name, $make) }
    };
    (in turn, $name:ident($from:ident: $of:ty) => $make:expr) => {
        $crate::store_contract! { @list (turn $name, $from, $of, $make) }
    };
    (@list ($($how:tt)*)) => {
        $crate::store_contract! { @($($how)*)
            an_append_is_stored_where_absent_and_read_back_whole
            a_taken_slot_answers_with_its_occupant_and_changes_nothing
            the_same_append_again_collides_with_itself
            an_append_beyond_the_end_is_refused_as_a_gap
            of_64_appends_to_one_slot_exactly_one_is_stored
            appends_to_64_journals_at_once_all_land
            reads_begin_where_asked_stop_at_the_limit_and_at_the_end
            tenants_with_the_same_ids_see_nothing_of_each_other
            a_slot_keeps_extreme_numbers_and_texts
            rows_change_with_their_slot_and_a_later_row_replaces
            a_collided_append_changes_no_row
            an_append_past_the_end_changes_no_row
            sessions_are_listed_newest_first_and_by_every_filter
            session_pages_stay_whole_while_sessions_are_added
            messages_are_read_from_either_end
            tasks_are_listed_newest_first_and_by_every_filter
            task_pages_stay_whole_while_tasks_are_added_and_ordinals_order_as_numbers
            a_page_token_that_no_page_gave_is_refused
            journals_that_need_an_owner_or_are_due_are_found_in_key_order
            an_older_snapshot_is_ignored
            a_blob_is_kept_before_its_journal_has_a_slot
            hollowing_keeps_the_keys_and_removes_the_content
            hollowing_touches_no_other_journal
            hollowing_leaves_a_journal_alone_whose_log_has_no_deletion
            hollowing_left_in_the_middle_stays_work_until_another_call_has_done_it
            sweeping_removes_old_hollow_journals_and_ended_task_journals_only
            sweeping_removes_journals_without_slots_a_day_after_they_were_met
            sweeping_is_bounded
            stats_count_appends_and_commits
        }
    };
    (@(each $name:ident, $make:expr) $($case:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _guard) = ($make)().await;
                    $crate::testkit::contract::$case(&store).await;
                }
            )*
        }
    };
    (@(turn $name:ident, $from:ident, $of:ty, $make:expr) $($case:ident)*) => {
        async fn $name($from: &$of) {
            let mut failed: Vec<&str> = Vec::new();
            $(
                let (store, _guard) = ($make)($from).await;
                let case = ::std::panic::AssertUnwindSafe($crate::testkit::contract::$case(&store));
                if ::futures::FutureExt::catch_unwind(case).await.is_err() {
                    failed.push(stringify!($case));
                }
            )*
            assert!(failed.is_empty(), "these cases failed: {failed:#?}");
        }
    };
}
