//! `greenroom chat`: a client of the public API like any other. It survives the server's restarts: a message is
//! sent again under the same key, and the answer is read on from the last cursor.

mod api;
mod follow;
mod sse;
mod text;

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::ChatArgs;
use crate::failed::Failed;
use crate::output;
use api::Api;
use follow::{Followed, follow};

/// How many messages of a resumed session are shown again.
const SHOWN_AGAIN: u32 = 6;
/// How many characters of each.
const REMEMBERED: usize = 400;
/// How long the server may be away before the chat gives up.
const AWAY: Duration = Duration::from_secs(30);

/// Chats until the end of the input, or once.
pub(crate) fn run(args: ChatArgs) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(chat(args));
    // A thread may still wait for a line of input.
    runtime.shutdown_background();
    done
}

async fn chat(args: ChatArgs) -> Result<(), Failed> {
    let api = Api::new(&args.gateway.url)?;
    let mut chat = Chat {
        api,
        session: args.session,
        agent: args.agent,
        model: args.model,
        json: args.json,
    };
    if let Some(text) = &args.once {
        return match chat.say(text).await? {
            true => Ok(()),
            false => Err(Failed::silently()),
        };
    }
    chat.greet(&args.gateway.url).await?;
    let mut lines = input();
    let prompt = || match std::io::stdin().is_terminal() && !args.json {
        true => output::fragment("> "),
        false => Ok(()),
    };
    prompt()?;
    let mut all_well = true;
    while let Some(line) = lines.recv().await {
        match line.trim() {
            "" => {}
            "/quit" | "/exit" => break,
            text => all_well &= chat.say(text).await?,
        }
        prompt()?;
    }
    if let (Some(session), false) = (&chat.session, args.json) {
        output::complaint(&format!("go on with: greenroom chat --session {session}"));
    }
    if all_well { Ok(()) } else { Err(Failed::silently()) }
}

/// Lines of input, read on a thread of their own.
fn input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Enough of a message to remember it by.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(REMEMBERED) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

struct Chat {
    api: Api,
    session: Option<String>,
    agent: Option<String>,
    model: Option<String>,
    json: bool,
}

impl Chat {
    /// Tells what a resumed session was about.
    async fn greet(&self, url: &str) -> Result<(), Failed> {
        let Some(session) = &self.session else {
            if !self.json {
                output::complaint(&format!(
                    "chatting with {url}; /quit or the end of the input ends it"
                ));
            }
            return Ok(());
        };
        let found = self
            .api
            .call(api::HISTORY, json!({ "id": session, "last": SHOWN_AGAIN }))
            .await?;
        let Some(edges) = found["getSession"]["messages"]["edges"].as_array() else {
            return Err(Failed::because("there is no such session here"));
        };
        if !self.json {
            for message in edges.iter().map(|edge| &edge["node"]) {
                let who = if message["role"] == "USER" { "> " } else { "" };
                output::text(&format!(
                    "{who}{}",
                    beginning(message["content"].as_str().unwrap_or(""))
                ))?;
            }
        }
        Ok(())
    }

    /// Says something and prints the answer as it comes. False when there was none.
    async fn say(&mut self, content: &str) -> Result<bool, Failed> {
        let input = json!({
            "sessionId": self.session, "content": content, "agent": self.agent, "model": self.model,
            "wait": "ACCEPTED", "idempotencyKey": api::key(),
        });
        let sent = self
            .api
            .call_again(api::SEND, json!({ "input": input }), AWAY)
            .await?;
        let sent = &sent["sendChat"];
        let (Some(session), Some(task), Some(cursor)) = (
            sent["session"]["id"].as_str(),
            sent["task"]["id"].as_str(),
            sent["cursor"].as_str(),
        ) else {
            return Err(Failed::because(
                "the gateway's answer makes no sense: is it a greenroom gateway?",
            ));
        };
        if self.session.is_none() && !self.json {
            output::complaint(&format!("session {session}"));
        }
        self.session = Some(session.to_owned());
        let quiet = self.json;
        let followed = follow(&self.api, task, cursor, AWAY, |text| match quiet {
            true => Ok(()),
            false => output::fragment(text),
        })
        .await?;
        self.finish(session, task, &followed)
    }

    fn finish(&self, session: &str, task: &str, followed: &Followed) -> Result<bool, Failed> {
        let Followed {
            status,
            content,
            error,
        } = followed;
        let done = status == "COMPLETED";
        if self.json {
            let error = error.as_ref().unwrap_or(&Value::Null);
            output::json(&json!({
                "session": session, "task": task, "status": status, "content": content, "error": error,
            }))?;
            return Ok(done);
        }
        if !content.ends_with('\n') && !content.is_empty() {
            output::fragment("\n")?;
        }
        if !done {
            let said = error.as_ref().and_then(|error| error["message"].as_str());
            let code = error
                .as_ref()
                .and_then(|error| error["code"].as_str())
                .unwrap_or(status);
            output::complaint(&format!(
                "{code}: {}",
                said.unwrap_or("the answer did not come to its end")
            ));
            if status == "WAITING" || status == "OUTCOME_UNKNOWN" {
                output::complaint(&format!("see: greenroom tasks show {task}"));
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_remembered_by_its_beginning() {
        assert_eq!(beginning("é short"), "é short");
        assert_eq!(beginning(&"é".repeat(401)), format!("{} …", "é".repeat(400)));
    }
}
