//! Events as they happen. Every stream is pulled: a slow reader holds nothing up but itself.

use async_graphql::{Context, ID, Result, Subscription as GraphQlSubscription};
use futures::stream::{Stream, StreamExt};
use greenroom_kernel::{ChatEventBody, Cursor, EventScope, EventStream};

use super::agent::AgentStatus;
use super::event::ChatEvent;
use super::message::ChatMessage;
use super::node::SupervisionEvent;
use super::reach::{Reach, agent_name, session_id, task_id};

/// Events as they happen.
pub(crate) struct Subscription;

/// Events as they happen. After a lost connection subscribe again with the last `cursor`: nothing is missed.
#[GraphQlSubscription]
impl Subscription {
    /// What happens in a conversation, text as it comes.
    async fn on_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation.")] session_id: ID,
        #[graphql(desc = "Behind this cursor; absent from now, `\"0\"` from the start.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<ChatEvent>> + use<>> {
        let scope = EventScope::Session(self::session_id(&session_id)?);
        Ok(events(ctx, scope, after)
            .await?
            .map(|event| Ok(ChatEvent(event?))))
    }

    /// The messages of a conversation.
    async fn on_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation.")] session_id: ID,
        #[graphql(desc = "Behind this cursor; absent from now, `\"0\"` from the start.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<ChatMessage>> + use<>> {
        let scope = EventScope::Session(self::session_id(&session_id)?);
        Ok(events(ctx, scope, after)
            .await?
            .filter_map(async |event| match event {
                Ok(event) => match event.body {
                    ChatEventBody::Message(message) => Some(Ok(ChatMessage(message))),
                    _ => None,
                },
                Err(failure) => Some(Err(failure.into())),
            }))
    }

    /// What happens to a task, text as it comes.
    async fn on_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task.")] task_id: ID,
        #[graphql(desc = "Behind this cursor; absent from now, `\"0\"` from the start.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<ChatEvent>> + use<>> {
        let scope = EventScope::Task(self::task_id(&task_id)?);
        Ok(events(ctx, scope, after)
            .await?
            .map(|event| Ok(ChatEvent(event?))))
    }

    /// Agents as they change, the present ones first.
    async fn on_agent_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this agent; absent, all.")] name: Option<String>,
    ) -> Result<impl Stream<Item = AgentStatus> + use<>> {
        let name = name.as_deref().map(agent_name).transpose()?;
        Ok(Reach::of(ctx)?
            .supervisor()
            .watch_agents(name)
            .await?
            .map(AgentStatus))
    }

    /// What happens in the supervision tree from now on.
    async fn on_supervision(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = SupervisionEvent> + use<>> {
        Ok(Reach::of(ctx)?
            .supervisor()
            .watch_supervision()
            .await?
            .map(SupervisionEvent::from))
    }
}

async fn events(ctx: &Context<'_>, scope: EventScope, after: Option<String>) -> Result<EventStream> {
    let after = after.as_deref().map(Cursor::parse).transpose()?;
    let reach = Reach::of(ctx)?;
    Ok(reach.supervisor().events(reach.who(), scope, after).await?)
}
