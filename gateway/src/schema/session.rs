//! A conversation and its messages.

use async_graphql::{Context, ID, Object, Result};
use greenroom_kernel::{Cursor, Failure, MessageRange, Position, SessionRow};

use super::connection::{MessageConnection, Rows, page_size, unknown_cursor};
use super::message::ChatMessage;
use super::reach::Reach;
use super::scalars::{DateTime, Json};

/// A conversation.
pub(crate) struct ChatSession(pub(super) SessionRow);

/// A conversation.
#[Object]
impl ChatSession {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// A title for people.
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }

    /// The client's own data.
    async fn metadata(&self) -> Option<Json> {
        self.0.metadata.as_ref().map(Json::from_plain)
    }

    /// Where it stands: a subscription from here misses nothing that follows.
    async fn cursor(&self) -> String {
        Cursor::behind(self.0.last).to_string()
    }

    /// When it was opened.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// Its messages, oldest first: a page from the start, or from the end with `last`.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start or behind `after`; 20 unless told, at most 100.")]
        first: Option<i32>,
        #[graphql(desc = "Only messages behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end or before `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only messages before this cursor.")] before: Option<String>,
    ) -> Result<MessageConnection> {
        let backwards = last.is_some() || before.is_some();
        if backwards && (first.is_some() || after.is_some()) {
            return Err(Failure::bad_input("use either first and after, or last and before").into());
        }
        let place = |cursor: &Option<String>| cursor.as_deref().map(parse_place).transpose();
        let (size, range) = if backwards {
            (page_size("last", last)?, MessageRange::Before(place(&before)?))
        } else {
            (page_size("first", first)?, MessageRange::After(place(&after)?))
        };
        let reach = Reach::of(ctx)?;
        let mut rows = reach
            .supervisor()
            .messages(reach.who(), &self.0.id, range, size + 1)
            .await?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        if more && backwards {
            rows.drain(..rows.len() - size);
        }
        rows.truncate(size);
        let rows = rows
            .into_iter()
            .map(|row| (print_place(row.position), ChatMessage(row)))
            .collect();
        let (has_previous, has_next) = match range {
            MessageRange::After(place) => (place.is_some(), more),
            MessageRange::Before(place) => (more, place.is_some()),
        };
        Ok(Rows {
            rows,
            has_previous,
            has_next,
        }
        .into())
    }
}

fn print_place(place: Position) -> String {
    format!("{:x}-{:x}", place.seq, place.index)
}

fn parse_place(text: &str) -> Result<Position, Failure> {
    let hex = |part: &str| (!part.starts_with('+')).then(|| u64::from_str_radix(part, 16).ok())?;
    let place = text.split_once('-').and_then(|(seq, index)| {
        Some(Position {
            seq: hex(seq)?,
            index: u32::try_from(hex(index)?).ok()?,
        })
    });
    place.ok_or_else(unknown_cursor)
}
