//! Faults that need more than one call, or more than a script: connections that are refused or fail in TLS, a target that
//! comes and goes, callers that leave.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::act::{Act, After, Script};
use super::caller::{Caller, Wish};
use super::judge::Verdict;
use super::stage::{DEADLINES, GOOD, OWN, healthy, pairs, provider, server};
use super::upstream::{Place, Upstream};
use super::words::{Family, Trouble};
use crate::support::until;

fn wish(is_streamed: bool) -> Wish {
    Wish {
        is_streamed,
        ..Wish::default()
    }
}

fn is_text(verdict: &Verdict, text: &str) -> bool {
    matches!(verdict, Verdict::Whole { said, .. } if said == text)
}

#[tokio::test]
async fn refused_connects() {
    let (mut mortal, upstream) = (Upstream::start().await, Upstream::start().await);
    let (mut routes, mut providers) = (String::new(), String::new());
    let mut places = Vec::new();
    for (at, (_, family)) in pairs() {
        let (bad, good) = (format!("bad{at}"), format!("good{at}"));
        places.push(mortal.place(&bad, Place::new(Script::Always(Act::Answer), OWN)));
        upstream.place(&good, Place::new(Script::Always(Act::Answer), GOOD));
        providers.push_str(&provider(&bad, family, &mortal.url));
        providers.push_str(&provider(&good, family, &upstream.url));
        writeln!(
            routes,
            "both{at} = [\"{bad}/m\", \"{good}/m\"]\nalone{at} = [\"{bad}/m\"]"
        )
        .unwrap();
    }
    let server = server(format!(
        "[models]\n{DEADLINES}[models.routes]\n{routes}{providers}"
    ))
    .await;
    // What doesn't answer its probes is asked last: it has to break behind them.
    until("all were probed", Duration::from_secs(20), async || {
        let probed = pairs()
            .zip(&places)
            .all(|((_, (_, family)), place)| family == Family::Bedrock || place.seen().probes > 0);
        probed.then_some(())
    })
    .await;
    mortal.kill().await;
    let caller = Caller::new(&server.http);
    let asked = pairs().flat_map(|(at, (family, _))| {
        let caller = &caller;
        [true, false].map(|streamed| async move {
            let both = caller.ask(family, &format!("both{at}"), wish(streamed)).await;
            let alone = caller.ask(family, &format!("alone{at}"), wish(streamed)).await;
            (family, both, alone)
        })
    });
    for (family, both, alone) in join_all(asked).await {
        assert!(is_text(&both.verdict, GOOD), "{family:?}: {both:?}");
        assert_eq!(both.tries, Some(2), "{family:?}: {both:?}");
        assert!(both.provider.starts_with("good"), "{family:?}: {both:?}");
        let refused = matches!(alone.verdict, Verdict::Refused { status: 502, .. });
        assert!(refused, "{family:?}: {alone:?}");
    }
    healthy(&server).await;
}

/// Answers every hello with an alert: the handshake has failed.
async fn without_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut hello = [0; 1024];
                let _ = stream.read(&mut hello).await;
                let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]).await;
            });
        }
    });
    format!("https://{address}")
}

#[tokio::test]
async fn failing_tls() {
    let (upstream, url) = (Upstream::start().await, without_tls().await);
    let (mut routes, mut providers) = (String::new(), String::new());
    for (at, (_, family)) in pairs() {
        let (bad, good) = (format!("bad{at}"), format!("good{at}"));
        upstream.place(&good, Place::new(Script::Always(Act::Answer), GOOD));
        providers.push_str(&provider(&bad, family, &url));
        providers.push_str(&provider(&good, family, &upstream.url));
        writeln!(
            routes,
            "both{at} = [\"{bad}/m\", \"{good}/m\"]\nalone{at} = [\"{bad}/m\"]"
        )
        .unwrap();
    }
    let server = server(format!(
        "[models]\n{DEADLINES}[models.routes]\n{routes}{providers}"
    ))
    .await;
    let caller = Caller::new(&server.http);
    let asked = pairs().flat_map(|(at, (family, _))| {
        let caller = &caller;
        [true, false].map(|streamed| async move {
            let both = caller.ask(family, &format!("both{at}"), wish(streamed)).await;
            let alone = caller.ask(family, &format!("alone{at}"), wish(streamed)).await;
            (family, both, alone)
        })
    });
    for (family, both, alone) in join_all(asked).await {
        // Its probes fail already: it isn't even tried first.
        assert!(is_text(&both.verdict, GOOD), "{family:?}: {both:?}");
        let Verdict::Refused {
            status: 502, error, ..
        } = &alone.verdict
        else {
            panic!("{family:?}: {alone:?}");
        };
        assert!(error.contains("connect"), "{error}");
    }
    healthy(&server).await;
}

#[tokio::test]
async fn flapping() {
    let upstream = Upstream::start().await;
    let (mut routes, mut providers) = (String::new(), String::new());
    let mut places: Vec<Arc<Place>> = Vec::new();
    for (at, (_, family)) in pairs() {
        let (bad, good) = (format!("bad{at}"), format!("good{at}"));
        let flaps = Script::Alternate(Act::Refuse(Trouble::Broken, After::Unsaid));
        places.push(upstream.place(&bad, Place::new(flaps, OWN)));
        places.push(upstream.place(&good, Place::new(Script::Always(Act::Answer), GOOD)));
        providers.push_str(&provider(&bad, family, &upstream.url));
        providers.push_str(&provider(&good, family, &upstream.url));
        writeln!(routes, "cell{at} = [\"{bad}/m\", \"{good}/m\"]").unwrap();
    }
    let server = server(format!(
        "[models]\n{DEADLINES}[models.routes]\n{routes}{providers}"
    ))
    .await;
    let caller = Caller::new(&server.http);
    join_all(pairs().map(|(at, (family, _))| {
        let caller = &caller;
        async move {
            for call in 0..30 {
                let heard = caller.ask(family, &format!("cell{at}"), wish(call % 3 > 0)).await;
                let is_whole = is_text(&heard.verdict, OWN) || is_text(&heard.verdict, GOOD);
                assert!(is_whole, "{family:?}, call {call}: {heard:?}");
                assert!(
                    heard.tries.is_some_and(|tries| tries <= 2),
                    "{family:?}: {heard:?}"
                );
            }
        }
    }))
    .await;
    for two in places.chunks(2) {
        let (bad, good) = (two[0].seen(), two[1].seen());
        // It fails every other call: its breaker opens at the tenth, and then it is left alone.
        assert!(bad.calls >= 10 && bad.calls < 20, "{} calls", bad.calls);
        assert_eq!(good.calls + bad.answered, 30);
    }
    healthy(&server).await;
}

#[tokio::test]
async fn a_caller_that_hangs_up() {
    let upstream = Upstream::start().await;
    let (mut routes, mut providers) = (String::new(), String::new());
    let mut places = Vec::new();
    for (at, (_, family)) in pairs() {
        // In the middle of a stream, before its first token, before any answer.
        for (kind, act) in [
            ("slow", Act::Answer),
            ("mute", Act::Stall(0)),
            ("deaf", Act::Hush),
        ] {
            let name = format!("{kind}{at}");
            let mut place = Place::new(Script::Always(act), OWN);
            place.pace = Duration::from_millis(200);
            places.push(upstream.place(&name, place));
            providers.push_str(&provider(&name, family, &upstream.url));
            writeln!(routes, "{name} = [\"{name}/m\"]").unwrap();
        }
    }
    // The usual deadlines: nothing but the hang-up ends these calls.
    let server = server(format!("[models.routes]\n{routes}{providers}")).await;
    let caller = Caller::new(&server.http);
    let places = &places;
    join_all(pairs().flat_map(|(at, (family, _))| {
        let caller = &caller;
        [("slow", true), ("mute", true), ("deaf", true), ("deaf", false)].map(|(kind, streamed)| async move {
            let place = &places[at * 3 + ["slow", "mute", "deaf"].iter().position(|k| *k == kind).unwrap()];
            if !streamed {
                // Behind the streamed one, at the same place.
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            let before = place.seen();
            let request = caller.request(family, &format!("{kind}{at}"), wish(streamed));
            let call = tokio::spawn(async move {
                let mut pieces = request.send().await.unwrap().bytes_stream();
                while let Some(piece) = pieces.next().await {
                    if String::from_utf8_lossy(&piece.unwrap()).contains("two") {
                        return;
                    }
                }
            });
            until("the call came", Duration::from_secs(10), async || {
                (place.seen().calls > before.calls).then_some(())
            })
            .await;
            if kind == "slow" {
                call.await.unwrap();
            } else {
                tokio::time::sleep(Duration::from_millis(300)).await;
                call.abort();
            }
            let gone = Instant::now();
            until("the upstream was left", Duration::from_secs(5), async || {
                (place.seen().left.len() > before.left.len()).then_some(())
            })
            .await;
            let left = place.seen().left[before.left.len()];
            let after = left.saturating_duration_since(gone);
            println!(
                "{:9} {kind} streamed {streamed}: left after {after:?}",
                family.name()
            );
            assert!(after < Duration::from_secs(1), "{family:?} {kind}: {after:?}");
            assert_eq!(place.seen().calls, before.calls + 1, "nobody tried again");
        })
    }))
    .await;
    healthy(&server).await;
}
