//! How an act looks on the wire.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use super::act::{Act, After};
use super::connection::{Connection, chunked, date};
use super::words::{Answer, Event, Family, Kind, Trouble};

/// Stands for a long text until it goes out: writing that as JSON would take seconds.
const LONG: &str = "a long text";

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(600);

/// One call, and what is done with it.
pub(super) struct Told {
    pub(super) family: Family,
    pub(super) act: Act,
    pub(super) is_streamed: bool,
    pub(super) wants_figures: bool,
    pub(super) pace: Duration,
    pub(super) answer: Answer,
}

/// How a call ended at this end.
pub(super) enum Ended {
    /// With the whole answer and its figures.
    Whole,
    /// With an error's answer.
    Refused,
    /// By closing the connection.
    Closed,
    /// By resetting it.
    Reset,
}

/// Does it.
pub(super) async fn play(to: &mut Connection, mut told: Told) -> io::Result<Ended> {
    told.answer.is_filtered = told.act == Act::Filtered;
    if told.act == Act::LongLine {
        // A frame is summed up: it can't be lengthened afterwards.
        let text = match told.family {
            Family::Bedrock => told.act.text().unwrap_or_default(),
            _ => LONG.to_owned(),
        };
        told.answer.pieces = vec![text];
    }
    match told.act {
        Act::Refuse(trouble, after) => refuse(to, &told, trouble, after).await,
        Act::Reset => Ok(Ended::Reset),
        Act::Hush => silence(to).await,
        Act::Headers => {
            to.raw(b"HTTP/1.1 200 OK\r\nx-long: ").await?;
            drip(to).await
        }
        Act::ErrorBody => {
            let (body, _) = told.family.error(Trouble::Broken);
            json(to, 200, &[], body.to_string().as_bytes()).await?;
            Ok(Ended::Refused)
        }
        Act::Gzip => {
            let kind = if told.is_streamed {
                told.family.stream_type()
            } else {
                "application/json"
            };
            let headers = [
                ("content-type", kind),
                ("content-encoding", "gzip"),
                ("transfer-encoding", "chunked"),
            ];
            to.head(200, &headers).await?;
            to.chunk(&[
                0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xfe, 0x7b, 0x22, 10, 10,
            ])
            .await?;
            to.raw(b"0\r\n\r\n").await?;
            Ok(Ended::Refused)
        }
        _ if told.is_streamed => stream(to, &told).await,
        _ => whole(to, &told).await,
    }
}

/// A JSON body.
pub(super) async fn json(
    to: &mut Connection,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let length = body.len().to_string();
    let mut all = vec![
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    all.extend_from_slice(headers);
    to.head(status, &all).await?;
    to.raw(body).await
}

async fn refuse(to: &mut Connection, told: &Told, trouble: Trouble, after: After) -> io::Result<Ended> {
    let (body, name) = told.family.error(trouble);
    let after = match after {
        After::Unsaid => None,
        After::Seconds(seconds) => Some(seconds.to_string()),
        After::Date(ahead) => Some(date(ahead)),
    };
    let mut headers = Vec::new();
    if let Some(after) = &after {
        headers.push(("retry-after", after.as_str()));
    }
    if let Some(name) = name {
        headers.push(("x-amzn-errortype", name));
    }
    json(to, trouble.status(), &headers, body.to_string().as_bytes()).await?;
    Ok(Ended::Refused)
}

async fn silence(to: &mut Connection) -> io::Result<Ended> {
    to.pause(FOR_EVER).await?;
    Ok(Ended::Closed)
}

/// A byte now and then, for ever.
async fn drip(to: &mut Connection) -> io::Result<Ended> {
    loop {
        to.raw(b"a").await?;
        to.pause(Duration::from_millis(50)).await?;
    }
}

async fn stream(to: &mut Connection, told: &Told) -> io::Result<Ended> {
    let Told { family, act, .. } = told;
    let events = family.events(&told.answer, told.wants_figures);
    let headers = [
        ("content-type", family.stream_type()),
        ("transfer-encoding", "chunked"),
    ];
    if *act == Act::Trickle {
        to.head(200, &headers).await?;
        let mut bytes: Vec<u8> = events.iter().flat_map(|event| chunked(&event.bytes)).collect();
        bytes.extend_from_slice(b"0\r\n\r\n");
        return trickle(to, &bytes).await;
    }
    to.head(200, &headers).await?;
    match *act {
        Act::Late(millis) => {
            say(to, told, before(&events, 0)).await?;
            to.pause(Duration::from_millis(millis)).await?;
            say(to, told, &events[before(&events, 0).len()..]).await?;
        }
        Act::Stall(said) => {
            say(to, told, before(&events, said)).await?;
            return silence(to).await;
        }
        Act::Cut(said) => {
            say(to, told, before(&events, said)).await?;
            // A reset overtakes what was sent and not read yet.
            to.pause(Duration::from_millis(100)).await?;
            return Ok(Ended::Reset);
        }
        Act::Close(said) => {
            say(to, told, before(&events, said)).await?;
            to.raw(b"0\r\n\r\n").await?;
            return Ok(Ended::Closed);
        }
        Act::Garbled(said) => {
            say(to, told, before(&events, said)).await?;
            to.chunk(&family.garbled()).await?;
            say(to, told, &events[before(&events, said).len()..]).await?;
            to.raw(b"0\r\n\r\n").await?;
            return Ok(Ended::Closed);
        }
        Act::BadChunk(said) => {
            say(to, told, before(&events, said)).await?;
            to.raw(b"zz\r\nno size\r\n").await?;
            return Ok(Ended::Closed);
        }
        Act::NoDone => {
            let end: &[Kind] = match family {
                // Its last word says nothing that the end didn't.
                Family::Chat => &[Kind::Done],
                _ => &[Kind::End, Kind::Done],
            };
            let events: Vec<Event> = events
                .iter()
                .filter(|e| !end.contains(&e.kind))
                .cloned()
                .collect();
            say(to, told, &events).await?;
            to.raw(b"0\r\n\r\n").await?;
            return Ok(Ended::Closed);
        }
        Act::ErrorEvent(trouble, said) => {
            let before = before(&events, said);
            say(to, told, before).await?;
            to.chunk(&family.error_event(trouble, before.len())).await?;
            to.raw(b"0\r\n\r\n").await?;
            return Ok(Ended::Closed);
        }
        Act::Drip => {
            say(to, told, before(&events, 0)).await?;
            loop {
                to.chunk(b"a").await?;
                to.pause(Duration::from_millis(50)).await?;
            }
        }
        _ => say(to, told, &events).await?,
    }
    to.raw(b"0\r\n\r\n").await?;
    Ok(Ended::Whole)
}

/// The events up to so many pieces.
fn before(events: &[Event], said: usize) -> &[Event] {
    let mut left = said;
    for (at, event) in events.iter().enumerate() {
        if event.kind == Kind::Said {
            if left == 0 {
                return &events[..at];
            }
            left -= 1;
        }
    }
    events
}

async fn say(to: &mut Connection, told: &Told, events: &[Event]) -> io::Result<()> {
    for event in events {
        if event.kind == Kind::Said && !told.pace.is_zero() {
            to.pause(told.pace).await?;
        }
        to.chunk(&lengthened(told.act, &event.bytes)).await?;
    }
    Ok(())
}

fn lengthened(act: Act, bytes: &[u8]) -> Cow<'_, [u8]> {
    match (act.text(), std::str::from_utf8(bytes)) {
        (Some(text), Ok(bytes)) => bytes.replace(LONG, &text).into_bytes().into(),
        _ => bytes.into(),
    }
}

async fn trickle(to: &mut Connection, bytes: &[u8]) -> io::Result<Ended> {
    for few in bytes.chunks(24) {
        to.raw(few).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(Ended::Whole)
}

/// An answer in one piece.
async fn whole(to: &mut Connection, told: &Told) -> io::Result<Ended> {
    let body = told.family.whole(&told.answer).to_string().into_bytes();
    let body = lengthened(told.act, &body).into_owned();
    let length = body.len().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    let half = |said: usize| if said == 0 { 0 } else { body.len() / 2 };
    match told.act {
        Act::Late(millis) => {
            to.pause(Duration::from_millis(millis)).await?;
            json(to, 200, &[], &body).await?;
        }
        Act::Stall(said) => {
            to.head(200, &headers).await?;
            to.raw(&body[..half(said)]).await?;
            return silence(to).await;
        }
        Act::Cut(said) | Act::Close(said) => {
            to.head(200, &headers).await?;
            to.raw(&body[..half(said)]).await?;
            to.pause(Duration::from_millis(100)).await?;
            return Ok(match told.act {
                Act::Cut(_) => Ended::Reset,
                _ => Ended::Closed,
            });
        }
        Act::Garbled(said) => {
            json(to, 200, &[], &body[..half(said)]).await?;
            return Ok(Ended::Refused);
        }
        Act::BadChunk(said) => {
            let headers = [
                ("content-type", "application/json"),
                ("transfer-encoding", "chunked"),
            ];
            to.head(200, &headers).await?;
            to.chunk(&body[..half(said).max(1)]).await?;
            to.raw(b"zz\r\nno size\r\n").await?;
            return Ok(Ended::Closed);
        }
        Act::Trickle => {
            to.head(200, &headers).await?;
            return trickle(to, &body).await;
        }
        Act::Drip => {
            to.head(
                200,
                &[
                    ("content-type", "application/json"),
                    ("content-length", "10000000"),
                ],
            )
            .await?;
            return drip(to).await;
        }
        _ => json(to, 200, &[], &body).await?,
    }
    Ok(Ended::Whole)
}
