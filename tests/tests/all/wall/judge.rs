//! Reads answers as the strictest client would: one beginning, one end, nothing behind it, or an error and no end.

mod chat;
mod messages;
mod responses;

use serde_json::Value;

use super::words::{Family, Figures};

/// Why an answer ended, where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Call,
    Filter,
    Length,
}

/// What an answer was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is whole.
    Whole {
        /// The text, or the arguments of the one tool call.
        said: String,
        finish: Finish,
        figures: Option<Figures>,
    },
    /// It broke off behind `said`, and an error says so.
    Broken { said: String, error: String },
    /// There is none, and an error says why.
    Refused {
        status: u16,
        error: String,
        retry_after: Option<u64>,
    },
    /// It breaks its wire's rules.
    Wrong(String),
}

/// One event of a stream.
struct Event {
    name: Option<String>,
    data: String,
}

/// What is heard of a stream so far.
#[derive(Debug, Default)]
struct Listening {
    said: String,
    finish: Option<Finish>,
    figures: Option<Figures>,
    /// The wire's last word came.
    is_done: bool,
    error: Option<String>,
}

trait Judge {
    /// What is wrong with an event, if anything is.
    fn event(&mut self, event: &Event, heard: &mut Listening) -> Result<(), String>;

    /// Whether an event belongs to the error before it.
    fn is_of_the_error(&self, _event: &Event) -> bool {
        false
    }
}

/// An answer in events.
pub(super) fn stream(family: Family, body: &[u8], is_torn: bool) -> Verdict {
    let mut judge: Box<dyn Judge> = match family {
        Family::Chat => Box::<chat::Chat>::default(),
        Family::Responses => Box::<responses::Responses>::default(),
        Family::Messages => Box::<messages::Messages>::default(),
        Family::Bedrock => unreachable!("nobody is answered in Bedrock's words"),
    };
    let mut heard = Listening::default();
    let text = String::from_utf8_lossy(body);
    for event in events(&text) {
        let wrong = match event {
            Ok(event) if heard.error.is_some() && judge.is_of_the_error(&event) => {
                judge.event(&event, &mut heard)
            }
            Ok(_) if heard.is_done || heard.error.is_some() => Err("something behind the end".to_owned()),
            Ok(event) => judge.event(&event, &mut heard),
            Err(rest) => Err(format!("half an event: {rest}")),
        };
        if let Err(why) = wrong {
            return Verdict::Wrong(format!("{why}; in: {}", tail(&text)));
        }
    }
    let Listening {
        said,
        finish,
        figures,
        is_done,
        error,
    } = heard;
    match (error, finish, is_done) {
        (Some(error), None, false) => Verdict::Broken { said, error },
        (Some(_), ..) => Verdict::Wrong(format!("an error and an end: {}", tail(&text))),
        (None, Some(finish), true) if !is_torn => Verdict::Whole {
            said,
            finish,
            figures,
        },
        (None, finish, is_done) => Verdict::Wrong(format!(
            "it just stops (finish {finish:?}, last word {is_done}, torn {is_torn}): {}",
            tail(&text)
        )),
    }
}

fn tail(text: &str) -> String {
    let shown: Vec<char> = text.chars().rev().take(600).collect();
    shown.into_iter().rev().collect()
}

/// Events without comments; the rest as an error where it is no whole event.
fn events(text: &str) -> impl Iterator<Item = Result<Event, String>> {
    let (whole, rest) = text.rsplit_once("\n\n").unwrap_or(("", text));
    let rest = (!rest.is_empty()).then(|| Err(rest.to_owned()));
    let whole = whole.split("\n\n").filter_map(|block| {
        let (mut name, mut data) = (None, Vec::new());
        for line in block.lines() {
            if let Some(value) = line.strip_prefix("event:") {
                name = Some(value.trim().to_owned());
            } else if let Some(value) = line.strip_prefix("data:") {
                data.push(value.strip_prefix(' ').unwrap_or(value));
            } else if !line.starts_with(':') && !line.is_empty() && !line.starts_with("id:") {
                return Some(Err(line.to_owned()));
            }
        }
        let data = data.join("\n");
        (!data.is_empty()).then_some(Ok(Event { name, data }))
    });
    whole.chain(rest)
}

/// An answer in one piece.
pub(super) fn whole(family: Family, body: &[u8]) -> Verdict {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Verdict::Wrong("its body is no JSON".to_owned());
    };
    let judged = match family {
        Family::Chat => chat::whole(&body),
        Family::Responses => responses::whole(&body),
        Family::Messages => messages::whole(&body),
        Family::Bedrock => None,
    };
    match judged {
        Some((said, finish, figures)) => Verdict::Whole {
            said,
            finish,
            figures: Some(figures),
        },
        None => Verdict::Wrong(format!("no whole answer: {}", tail(&body.to_string()))),
    }
}

/// An error in the family's words.
pub(super) fn error(family: Family, status: u16, retry_after: Option<u64>, body: &[u8]) -> Verdict {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (kind, message) = (body["error"]["type"].as_str(), body["error"]["message"].as_str());
    let is_anthropic = body["type"] == "error";
    match (kind, message) {
        (Some(kind), Some(message))
            if !message.is_empty() && is_anthropic == (family == Family::Messages) =>
        {
            Verdict::Refused {
                status,
                error: format!("{kind}: {message}"),
                retry_after,
            }
        }
        _ => Verdict::Wrong(format!("status {status} without an error of the family: {body}")),
    }
}

fn json(event: &Event) -> Result<Value, String> {
    serde_json::from_str(&event.data).map_err(|_| format!("no JSON: {}", event.data))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::words::{Answer, Kind};
    use super::*;

    const FAMILIES: [Family; 3] = [Family::Chat, Family::Responses, Family::Messages];

    fn answer() -> Answer {
        Answer::text("one two three", Figures { input: 5, output: 3 })
    }

    #[test]
    fn a_whole_answer_is_whole_for_its_judge() {
        for family in FAMILIES {
            let expected = Verdict::Whole {
                said: "one two three".to_owned(),
                finish: Finish::Stop,
                figures: Some(Figures { input: 5, output: 3 }),
            };
            let events = family.events(&answer(), true);
            let body: Vec<u8> = events.into_iter().flat_map(|event| event.bytes).collect();
            assert_eq!(stream(family, &body, false), expected, "{family:?}");
            let torn = stream(family, &body, true);
            assert!(matches!(torn, Verdict::Wrong(_)), "{family:?}: {torn:?}");
            let body = family.whole(&answer()).to_string();
            assert_eq!(whole(family, body.as_bytes()), expected, "{family:?}");
        }
    }

    #[test]
    fn an_answer_without_any_one_of_its_events_or_with_one_twice_is_wrong() {
        for family in FAMILIES {
            let events = family.events(&answer(), false);
            for at in 0..events.len() {
                let twice = events[..=at].iter().chain(&events[at..]);
                let without = events[..at].iter().chain(&events[at + 1..]);
                for (what, body) in [
                    ("twice", twice.collect::<Vec<_>>()),
                    ("without", without.collect()),
                ] {
                    // Nobody misses a ping, and what a Chat stream says twice can't be told from an echo.
                    let is_ping = String::from_utf8_lossy(&events[at].bytes).contains("ping");
                    if is_ping || (family == Family::Chat && events[at].kind == Kind::Said) {
                        continue;
                    }
                    let body: Vec<u8> = body.iter().flat_map(|event| event.bytes.clone()).collect();
                    let verdict = stream(family, &body, false);
                    let is_right = matches!(&verdict, Verdict::Whole { said, .. } if said == "one two three");
                    assert!(!is_right, "{family:?}, event {at} {what}: {verdict:?}");
                }
            }
        }
    }

    #[test]
    fn an_error_behind_text_is_a_broken_answer_and_one_behind_the_end_is_wrong() {
        for family in FAMILIES {
            let events = family.events(&answer(), false);
            let error = family.error_event(super::super::words::Trouble::Broken, 99);
            let some = events
                .iter()
                .filter(|event| matches!(event.kind, Kind::Begin | Kind::Said));
            let body: Vec<u8> = some
                .flat_map(|event| event.bytes.clone())
                .chain(error.clone())
                .collect();
            let broken = stream(family, &body, false);
            assert!(
                matches!(&broken, Verdict::Broken { said, .. } if said == "one two three"),
                "{family:?}: {broken:?}"
            );
            let all: Vec<u8> = events
                .iter()
                .flat_map(|event| event.bytes.clone())
                .chain(error)
                .collect();
            assert!(
                matches!(stream(family, &all, false), Verdict::Wrong(_)),
                "{family:?}"
            );
        }
    }
}
