//! Follows one turn to its end, over as many connections as it takes.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};

use super::api::{Api, FOLLOW, Trouble};
use super::text::Text;
use crate::failed::Failed;

/// The pause before connecting again.
const PAUSE: Duration = Duration::from_millis(300);

/// How a turn ended.
pub(super) struct Followed {
    /// The task's status.
    pub(super) status: String,
    /// The answer, as far as it came.
    pub(super) content: String,
    pub(super) error: Option<Value>,
}

/// Prints what comes, from `cursor` on, until the turn ends or waits for a person.
///
/// # Errors
/// A gateway that says no, or is away for longer than `patience`.
pub(super) async fn follow(
    api: &Api,
    task: &str,
    cursor: &str,
    patience: Duration,
    mut print: impl FnMut(&str) -> Result<(), Failed>,
) -> Result<Followed, Failed> {
    let (mut cursor, mut text) = (cursor.to_owned(), Text::default());
    let mut away_since: Option<Instant> = None;
    loop {
        let trouble = match api
            .subscribe(FOLLOW, json!({ "task": task, "after": cursor }))
            .await
        {
            Ok(mut answers) => loop {
                match answers.next().await {
                    Some(Ok(answer)) => {
                        away_since = None;
                        let event = &answer["onTask"];
                        if let Some(at) = event["cursor"].as_str() {
                            at.clone_into(&mut cursor);
                        }
                        print(&shown(&mut text, event))?;
                        if let Some((status, error)) = end(event) {
                            return Ok(Followed {
                                status,
                                content: text.text(),
                                error,
                            });
                        }
                    }
                    Some(Err(trouble)) => break trouble,
                    None => break Trouble::Passing("the gateway ended the subscription".to_owned()),
                }
            },
            Err(trouble) => trouble,
        };
        match trouble {
            Trouble::Refused(failed) => return Err(failed),
            Trouble::Passing(why) => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() > patience {
                    return Err(Failed::because(why));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn shown(text: &mut Text, event: &Value) -> String {
    match event["kind"].as_str() {
        Some("DELTA") => {
            let offset = event["offset"]
                .as_u64()
                .and_then(|offset| usize::try_from(offset).ok());
            let attempt = event["attempt"].as_u64().unwrap_or(0);
            text.apply(
                attempt,
                offset.unwrap_or(0),
                event["delta"].as_str().unwrap_or(""),
            )
        }
        Some("MESSAGE") if event["message"]["role"] == "ASSISTANT" => {
            text.settle(event["message"]["content"].as_str().unwrap_or(""))
        }
        _ => String::new(),
    }
}

fn end(event: &Value) -> Option<(String, Option<Value>)> {
    let kind = event["kind"].as_str()?;
    if !matches!(kind, "COMPLETED" | "FAILED" | "CANCELLED" | "WAITING") {
        return None;
    }
    let task = &event["task"];
    let status = task["status"].as_str().unwrap_or(kind).to_owned();
    Some((
        status,
        Some(task["error"].clone()).filter(|error| !error.is_null()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_its_task_s_status_and_error() {
        let event =
            json!({ "kind": "FAILED", "task": { "status": "FAILED", "error": { "code": "UNAVAILABLE" } } });
        assert_eq!(
            end(&event),
            Some(("FAILED".to_owned(), Some(json!({ "code": "UNAVAILABLE" }))))
        );
        let waits = json!({ "kind": "WAITING", "task": { "status": "OUTCOME_UNKNOWN", "error": null } });
        assert_eq!(end(&waits), Some(("OUTCOME_UNKNOWN".to_owned(), None)));
        assert_eq!(end(&json!({ "kind": "DELTA" })), None);
    }

    #[test]
    fn what_the_caller_said_is_not_printed_again() {
        let mut text = Text::default();
        let said = |role: &str| json!({ "kind": "MESSAGE", "message": { "role": role, "content": "hi" } });
        assert_eq!(shown(&mut text, &said("USER")), "");
        assert_eq!(shown(&mut text, &said("ASSISTANT")), "hi");
    }
}
