//! Migrations that are more than statements.

mod rows_to_pages;

pub(super) use rows_to_pages::rows_to_pages;
