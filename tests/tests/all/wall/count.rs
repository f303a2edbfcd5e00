//! Ten thousand calls, and the same count at both ends: what upstreams said they used is what the ledger holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};

use super::act::{Act, Script};
use super::caller::{Caller, Wish};
use super::judge::Verdict;
use super::stage::{OWN, healthy, provider, server};
use super::upstream::{Place, Upstream};
use super::words::{Family, Figures};
use crate::support::{Client, until};

const CALLS: u32 = 10_000;

/// Calls at once.
const AT_ONCE: usize = 64;

/// Identical calls that are made together.
const TOGETHER: u32 = 5;

const FAMILIES: [Family; 3] = [Family::Chat, Family::Responses, Family::Messages];

/// What a call is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// Two targets, the first of which fails a quarter of its calls.
    Failover,
    /// One such target.
    Retry,
    /// Its caller leaves in the middle.
    HangUp,
    /// Its first target says nothing now and then, and a second one is asked beside it.
    Hedge,
    /// It comes several times at once, and shares one answer.
    Join,
}

impl Job {
    fn of(number: u32) -> Self {
        match number % 200 {
            0..=4 => Self::HangUp,
            5 => Self::Hedge,
            6..=10 => Self::Join,
            11..=50 => Self::Retry,
            _ => Self::Failover,
        }
    }

    fn route(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Retry => "retry",
            Self::HangUp => "hangup",
            Self::Hedge => "hedge",
            Self::Join => "join",
        }
    }
}

/// A provider at both ends.
type Places = BTreeMap<String, Arc<Place>>;

fn configured(upstream: &Upstream) -> (String, Places) {
    let (mut routes, mut providers, mut places) = (String::new(), String::new(), Places::new());
    for family in FAMILIES {
        let name = family.name();
        let mut target = |of: &str, script: Script| {
            let at = format!("{of}-{name}");
            let mut place = Place::new(script, OWN);
            place.is_varied = true;
            if of == "join" {
                place.pace = Duration::from_millis(20);
            }
            places.insert(at.clone(), upstream.place(&at, place));
            writeln!(
                providers,
                "{}concurrency = 512",
                provider(&at, family, &upstream.url)
            )
            .unwrap();
            format!("\"{at}/m\"")
        };
        let answers = Script::Always(Act::Answer);
        let mut route = |name: &str, targets: &[String], more: &str| {
            writeln!(routes, "{name} = {{ targets = [{}]{more} }}", targets.join(", ")).unwrap();
        };
        let both = [target("mixed", Script::Mixed), target("behind", answers)];
        route(&format!("failover-{name}"), &both, "");
        route(&format!("retry-{name}"), &[target("alone", Script::Mixed)], "");
        route(
            &format!("hangup-{name}"),
            &[target("silent", Script::Always(Act::Stall(3)))],
            "",
        );
        let both = [
            target("mute", Script::Each(2, Act::Stall(0))),
            target("beside", answers),
        ];
        route(&format!("hedge-{name}"), &both, ", hedge = { after = 2000 }");
        route(&format!("join-{name}"), &[target("join", answers)], JOIN);
    }
    (format!("[models.routes]\n{routes}{providers}"), places)
}

const JOIN: &str = ", join = true";

/// Leaves when it has heard something.
async fn hang_up(caller: &Caller, family: Family, model: &str, wish: Wish) {
    let Ok(answer) = caller.request(family, model, wish).send().await else {
        return;
    };
    let mut pieces = answer.bytes_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        if String::from_utf8_lossy(&piece).contains("Alpha") {
            return;
        }
    }
}

async fn call(caller: &Caller, number: u32) {
    let job = Job::of(number);
    let family = FAMILIES[(number / 200 % 3) as usize];
    let model = format!("{}-{}", job.route(), family.name());
    let wish = Wish {
        is_streamed: number.is_multiple_of(2) || matches!(job, Job::HangUp | Job::Hedge | Job::Join),
        number: if job == Job::Join { number / 200 } else { number },
        ..Wish::default()
    };
    if job == Job::HangUp {
        return hang_up(caller, family, &model, wish).await;
    }
    let heard = caller.ask(family, &model, wish).await;
    let is_fine = match (&heard.verdict, job) {
        (Verdict::Whole { said, .. }, _) => said == OWN,
        (Verdict::Broken { .. }, Job::Failover | Job::Retry) => true,
        // The retry budget is for all calls together.
        (Verdict::Refused { .. }, Job::Retry) => true,
        _ => false,
    };
    assert!(is_fine, "{job:?} {number}: {heard:?}");
}

/// What the ledger holds of a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Held {
    tries: u64,
    /// Tokens whose figures are the upstream's.
    reported: u64,
    /// All, by class.
    figures: Figures,
    has_estimates: bool,
}

async fn ledger(client: &Client) -> (BTreeMap<String, Held>, BTreeMap<String, u64>) {
    let query = "{ spend(groupBy: [PROVIDER, KIND]) { more groups { provider kind sum { tries inputTokens \
                 cachedInputTokens cacheWriteTokens outputTokens reasoningTokens estimatedTokens } } } }";
    let data = client.call(query, json!({})).await.data();
    assert_eq!(data["spend"]["more"], false);
    let (mut held, mut kinds) = (BTreeMap::<String, Held>::new(), BTreeMap::<String, u64>::new());
    for group in data["spend"]["groups"].as_array().unwrap() {
        let (provider, kind) = (
            group["provider"].as_str().unwrap(),
            group["kind"].as_str().unwrap(),
        );
        let of = |name: &str| whole(&group["sum"][name]);
        let (input, output, estimated) = (of("inputTokens"), of("outputTokens"), of("estimatedTokens"));
        let others = of("cachedInputTokens") + of("cacheWriteTokens") + of("reasoningTokens");
        assert_eq!(others, 0, "{group}");
        *kinds.entry(kind.to_owned()).or_default() += of("tries");
        let here = held.entry(provider.to_owned()).or_default();
        // Who shares an answer makes no try.
        here.tries += if kind == "joined" { 0 } else { of("tries") };
        here.reported += input + output - estimated;
        here.figures.input += input;
        here.figures.output += output;
        here.has_estimates |= estimated > 0;
    }
    (held, kinds)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "they are whole, and small"
)]
fn whole(value: &Value) -> u64 {
    value.as_f64().unwrap() as u64
}

/// What upstreams said, and what the ledger says otherwise.
fn differences(places: &Places, held: &BTreeMap<String, Held>) -> Vec<String> {
    let differs = places.iter().filter_map(|(name, place)| {
        let (seen, held) = (place.seen(), held.get(name).copied().unwrap_or_default());
        let Figures { input, output } = seen.reported;
        let same = held.tries == u64::from(seen.calls)
            && held.reported == input + output
            && (held.has_estimates || held.figures == seen.reported);
        (!same).then(|| {
            format!(
                "{name}: {} calls, {:?}; the ledger: {held:?}",
                seen.calls, seen.reported
            )
        })
    });
    differs.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes ten thousand calls"]
async fn the_ledger_holds_to_the_token_what_upstreams_said() {
    let upstream = Upstream::start().await;
    let (config, places) = configured(&upstream);
    let server = server(config).await;
    let (caller, client) = (Caller::new(&server.http), Client::new(&server.http));
    let began = Instant::now();
    // Those that share an answer begin together.
    let (together, others): (Vec<u32>, Vec<u32>) =
        (0..CALLS).partition(|number| Job::of(*number) == Job::Join);
    let others = others.into_iter().map(|number| vec![number]);
    let groups = together
        .chunks(TOGETHER as usize)
        .map(<[u32]>::to_vec)
        .chain(others);
    futures::stream::iter(groups.collect::<Vec<_>>())
        .for_each_concurrent(AT_ONCE, |numbers| {
            let caller = &caller;
            async move {
                futures::future::join_all(numbers.iter().map(|number| call(caller, *number))).await;
            }
        })
        .await;
    let took = began.elapsed();
    // The last rows are written in groups, and calls that were left are settled by their end.
    until(
        "the ledger holds every try",
        Duration::from_secs(20),
        async || {
            let (held, _) = ledger(&client).await;
            let tries: u64 = held.values().map(|held| held.tries).sum();
            let calls: u64 = places.values().map(|place| u64::from(place.seen().calls)).sum();
            (tries == calls).then_some(())
        },
    )
    .await;
    let (held, kinds) = ledger(&client).await;
    let wrong = differences(&places, &held);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let tokens: u64 = held.values().map(|held| held.reported).sum();
    println!("{CALLS} calls in {took:?}, {tokens} tokens reported and held; tries: {kinds:?}");
    for kind in ["first", "retry", "failover", "hedge", "joined"] {
        assert!(
            kinds.get(kind).is_some_and(|tries| *tries > 0),
            "no {kind}: {kinds:?}"
        );
    }
    healthy(&server).await;
}
