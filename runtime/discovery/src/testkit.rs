//! What every directory must do, as tests that each of them passes; and a directory to play with.

mod board;
mod contract;

pub use board::{Board, StandingClock, member};
pub use contract::{
    Stage, a_member_enters_changes_and_leaves, an_outage_is_an_error_that_can_be_tried_again,
    everybody_is_listed_once, nobody_is_an_empty_list, the_picture_outlives_an_outage_and_says_so,
    who_comes_is_used_within_seconds_and_who_goes_is_not, who_comes_or_goes_is_listed_so,
};
