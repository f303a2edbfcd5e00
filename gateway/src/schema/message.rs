//! One message of a conversation.

use async_graphql::{Context, ID, Object, Result};
use greenroom_kernel::MessageRow;

use super::enums::Role;
use super::reach::Reach;
use super::response::Usage;
use super::scalars::{DateTime, Json};

/// One message of a conversation.
pub(crate) struct ChatMessage(pub(super) MessageRow);

/// One message of a conversation.
#[Object]
impl ChatMessage {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.0.id())
    }

    /// The session it belongs to.
    async fn session_id(&self) -> ID {
        ID(self.0.session.to_string())
    }

    /// The turn it belongs to.
    async fn task_id(&self) -> Option<ID> {
        Some(ID(self.0.task().to_string()))
    }

    /// Who said it.
    async fn role(&self) -> Role {
        self.0.message.role.into()
    }

    /// What was said.
    async fn content(&self, ctx: &Context<'_>) -> Result<String> {
        let text = Reach::of(ctx)?
            .text(&self.0.session, &self.0.message.content)
            .await?;
        Ok(text.to_string())
    }

    /// Which agent said it.
    async fn agent(&self) -> Option<&str> {
        self.0.message.agent.as_ref().map(|agent| agent.as_str())
    }

    /// When it was said.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.at)
    }

    /// What it used.
    async fn usage(&self) -> Option<Usage> {
        self.0.message.usage.map(Usage::from)
    }

    /// The client's own data.
    async fn metadata(&self) -> Option<Json> {
        self.0.message.metadata.as_ref().map(Json::from_plain)
    }
}
