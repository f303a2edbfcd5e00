//! Relay connections over the supervisor's pages.

use async_graphql::{ComplexObject, SimpleObject};
use greenroom_kernel::{Failure, Page, PageRequest, RequestRow};

use super::history::AgentRecord;
use super::message::ChatMessage;
use super::request::{ModelRequest, place};
use super::session::ChatSession;
use super::task::{Step, Task};

const DEFAULT_PAGE: u32 = 20;
const MAX_PAGE: u32 = 100;
/// How many rows behind a page's beginning a cursor may point.
const MAX_SKIP: u32 = 1_000;

/// What lies around a page.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// Whether rows lie before this page.
    has_previous_page: bool,
    /// Whether rows lie behind this page.
    has_next_page: bool,
    /// The cursor of the first row.
    start_cursor: Option<String>,
    /// The cursor of the last row.
    end_cursor: Option<String>,
}

/// Rows, each with its cursor, and what lies around them.
pub(super) struct Rows<T> {
    pub(super) rows: Vec<(String, T)>,
    pub(super) has_previous: bool,
    pub(super) has_next: bool,
}

macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty) => {
        /// One row and its place.
        #[derive(SimpleObject)]
        pub(crate) struct $edge {
            /// The row's place: pass it as `after` or `before`.
            cursor: String,
            /// The row.
            node: $node,
        }

        /// One page of a list.
        #[derive(SimpleObject)]
        #[graphql(complex)]
        pub(crate) struct $connection {
            /// The rows and their places.
            edges: Vec<$edge>,
            /// What lies around this page.
            page_info: PageInfo,
        }

        #[ComplexObject]
        impl $connection {
            /// The rows, for those who need no places.
            async fn nodes(&self) -> Vec<&$node> {
                self.edges.iter().map(|edge| &edge.node).collect()
            }
        }

        impl From<Rows<$node>> for $connection {
            fn from(rows: Rows<$node>) -> Self {
                let edges: Vec<_> = rows
                    .rows
                    .into_iter()
                    .map(|(cursor, node)| $edge { cursor, node })
                    .collect();
                Self {
                    page_info: PageInfo {
                        has_previous_page: rows.has_previous,
                        has_next_page: rows.has_next,
                        start_cursor: edges.first().map(|edge| edge.cursor.clone()),
                        end_cursor: edges.last().map(|edge| edge.cursor.clone()),
                    },
                    edges,
                }
            }
        }
    };
}

connection!(SessionConnection, SessionEdge, ChatSession);
connection!(TaskConnection, TaskEdge, Task);
connection!(StepConnection, StepEdge, Step);
connection!(MessageConnection, MessageEdge, ChatMessage);
connection!(ModelRequestConnection, ModelRequestEdge, ModelRequest);
connection!(AgentRecordConnection, AgentRecordEdge, AgentRecord);

impl ModelRequestConnection {
    /// A page of the log, which was asked for `after` a place. Where nothing fits in the part of it that was looked through,
    /// it tells all the same where to go on.
    pub(super) fn of(page: Page<RequestRow>, after: bool) -> Self {
        let rows = page.rows.into_iter();
        let mut connection = Self::from(Rows {
            rows: rows.map(|row| (place(&row), ModelRequest::from(row))).collect(),
            has_previous: after,
            has_next: page.next.is_some(),
        });
        if page.next.is_some() {
            connection.page_info.end_cursor = page.next;
        }
        connection
    }
}

impl AgentRecordConnection {
    /// A page of a history, which was asked for `after` a place; as [`ModelRequestConnection::of`].
    pub(super) fn of(page: Page<greenroom_kernel::AgentRecord>, after: bool) -> Self {
        let rows = page.rows.into_iter();
        let mut connection = Self::from(Rows {
            rows: rows
                .map(|row| (row.place().to_string(), AgentRecord::from(row)))
                .collect(),
            has_previous: after,
            has_next: page.next.is_some(),
        });
        if page.next.is_some() {
            connection.page_info.end_cursor = page.next;
        }
        connection
    }
}

/// How many rows a page shall have.
pub(super) fn page_size(what: &str, asked: Option<i32>) -> Result<u32, Failure> {
    match asked {
        None => Ok(DEFAULT_PAGE),
        Some(n) => match u32::try_from(n) {
            Ok(n) if n <= MAX_PAGE => Ok(n),
            _ => Err(Failure::bad_input(format!("{what} must be from 0 to {MAX_PAGE}"))),
        },
    }
}

/// A cursor that an earlier page didn't hand out.
pub(super) fn unknown_cursor() -> Failure {
    Failure::bad_input("unknown cursor: pass one of an earlier page of the same list")
}

/// A page of rows that the supervisor pages by tokens of its own, one a page: a row's cursor is the token its page
/// began with and how many rows lie between.
pub(super) struct TokenPage {
    token: Option<String>,
    skip: u32,
    first: u32,
}

impl TokenPage {
    pub(super) fn new(first: Option<i32>, after: Option<&str>) -> Result<Self, Failure> {
        let first = page_size("first", first)?;
        let Some(after) = after else {
            return Ok(Self {
                token: None,
                skip: 0,
                first,
            });
        };
        let (skip, token) = after.split_once('.').ok_or_else(unknown_cursor)?;
        let skip = skip
            .parse()
            .ok()
            .filter(|skip| *skip <= MAX_SKIP)
            .ok_or_else(unknown_cursor)?;
        let token = (!token.is_empty()).then(|| token.to_owned());
        Ok(Self { token, skip, first })
    }

    /// What to ask the supervisor for. One row at least, so that asking for none still tells whether there are any.
    pub(super) fn request(&self) -> PageRequest {
        PageRequest {
            after: self.token.clone(),
            limit: (self.skip + self.first).max(1),
        }
    }

    /// The rows of what it answered.
    pub(super) fn rows<R, T>(&self, page: Page<R>, node: impl Fn(R) -> T) -> Rows<T> {
        let answered = int_len(page.rows.len());
        let token = self.token.as_deref().unwrap_or_default();
        let cursor_at = |index: u32| match &page.next {
            Some(next) if index + 1 == answered => format!("0.{next}"),
            _ => format!("{}.{token}", index + 1),
        };
        let end = self.skip + self.first;
        let rows = (0..)
            .zip(page.rows)
            .filter(|(index, _)| (self.skip..end).contains(index))
            .map(|(index, row)| (cursor_at(index), node(row)))
            .collect();
        Rows {
            rows,
            has_previous: self.token.is_some() || self.skip > 0,
            has_next: page.next.is_some() || answered > end,
        }
    }
}

fn int_len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
