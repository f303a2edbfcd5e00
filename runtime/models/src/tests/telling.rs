use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use greenroom_kernel::{BreakerState, FaultClass, Health, Models, ProviderStatus};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::script::{Act, Scripted, USED, refuses, says, streams};
use super::world::{World, config};
use crate::{ModelsConfig, ModelsError, Price, PriceTable, Route, RouteTarget};

const SECOND: Duration = Duration::from_secs(1);

impl World {
    /// The first provider's status.
    pub(super) fn router_status(&self) -> ProviderStatus {
        self.router.providers().swap_remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_show_what_calls_experienced() {
    let answer = streams(&[
        Act::Wait(SECOND),
        Act::Say("x"),
        Act::Wait(2 * SECOND),
        Act::End(Some(USED)),
    ]);
    let a = Scripted::new("a", vec![answer, refuses(FaultClass::BadRequest)]);
    let world = World::of(&[&a]);
    let fresh = world.router_status();
    assert_eq!(
        fresh,
        ProviderStatus {
            name: "a".into(),
            node: "node-1".into(),
            health: Health::Healthy,
            breaker: BreakerState::Closed,
            concurrency_limit: 64,
            in_flight: 0,
            error_rate: 0.0,
            latency_ms_p50: None,
            ttft_ms_p50: None,
            last_error: None,
            concurrency_ceiling: 64,
            ttft_ms_average: None,
            tokens_per_second: None,
            held_until: None,
            credentials: None,
            requests_left: None,
            tokens_left: None,
            quota_resets_at: None,
        }
    );
    let (_, during) = tokio::join!(world.call(), async {
        tokio::time::sleep(SECOND).await;
        world.router_status()
    });
    assert_eq!(during.in_flight, 1);
    let after = world.router_status();
    assert_eq!((after.in_flight, after.error_rate), (0, 0.0));
    assert!((1000..1010).contains(&after.ttft_ms_p50.unwrap()), "{after:?}");
    assert!((3000..3010).contains(&after.latency_ms_p50.unwrap()), "{after:?}");
    let _ = world.call().await;
    let refused = world.router_status();
    assert_eq!((refused.error_rate, refused.health), (0.0, Health::Healthy));
    assert_eq!(
        refused.last_error, None,
        "what is wrong with one request is nobody else's business"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_that_began_soon_is_not_a_slow_call() {
    let a = Scripted::new("a", vec![]);
    let mut acts = Vec::new();
    for _ in 0..10 {
        acts.extend([Act::Say("x"), Act::Wait(20 * SECOND)]);
    }
    acts.push(Act::End(None));
    *a.otherwise.lock() = streams(&acts);
    let world = World::of(&[&a]);
    for outcome in join_all((0..5).map(|_| world.call())).await {
        outcome.result.unwrap();
    }
    assert_eq!(world.router_status().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn usage_is_the_providers_and_priced_or_estimated_and_marked() {
    let a = Scripted::new(
        "a",
        vec![says("12345678"), streams(&[Act::Say("12345678"), Act::End(None)])],
    );
    let prices = PriceTable::empty("test").with("a/a-m", Price::new(1e6, 0.0, 2e6));
    let world = World::with(ModelsConfig {
        prices,
        ..config(&[&a])
    });
    let given = world.call().await.result.unwrap().usage;
    assert_eq!(
        (given.input_tokens, given.output_tokens, given.estimated),
        (10, 5, false)
    );
    assert_eq!(given.cost_usd, Some(20.0));
    let estimated = world.call().await.result.unwrap().usage;
    assert_eq!(
        (
            estimated.input_tokens,
            estimated.output_tokens,
            estimated.estimated
        ),
        (6, 2, true)
    );
    assert_eq!(estimated.cost_usd, Some(10.0));
    let tried = world.tried();
    assert_eq!((tried[0].usage, tried[1].usage), (given, estimated));
}

#[tokio::test(start_paused = true)]
async fn without_a_price_there_is_no_cost() {
    let a = Scripted::new("a", vec![]);
    assert_eq!(World::of(&[&a]).call().await.result.unwrap().usage.cost_usd, None);
}

#[tokio::test(start_paused = true)]
async fn a_lost_try_that_brought_something_is_billed_as_estimated() {
    let a = Scripted::new(
        "a",
        vec![streams(&[
            Act::Say("12345678"),
            Act::Break(FaultClass::Transient),
        ])],
    );
    let b = Scripted::new("b", vec![says("hello")]);
    let world = World::of(&[&a, &b]);
    let usage = world.call().await.result.unwrap().usage;
    assert_eq!(
        (usage.input_tokens, usage.output_tokens, usage.estimated),
        (10 + 6, 5 + 2, true)
    );

    let a = Scripted::new("a", vec![refuses(FaultClass::Transient)]);
    let b = Scripted::new("b", vec![says("hello")]);
    let usage = World::of(&[&a, &b]).call().await.result.unwrap().usage;
    assert_eq!(usage, USED);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_tells_what_its_tries_used() {
    let cut = || streams(&[Act::Say("12345678"), Act::Tool, Act::Break(FaultClass::Transient)]);
    let a = Scripted::new("a", vec![cut()]);
    let b = Scripted::new("b", vec![cut()]);
    *a.otherwise.lock() = refuses(FaultClass::BadRequest);
    *b.otherwise.lock() = refuses(FaultClass::BadRequest);
    let prices = PriceTable::empty("test")
        .with("a/a-m", Price::new(1e6, 0.0, 0.0))
        .with("b/b-m", Price::new(2e6, 0.0, 0.0));
    let world = World::with(ModelsConfig {
        prices,
        ..config(&[&a, &b])
    });
    let outcome = world.call().await;
    outcome.result.unwrap_err();
    let used = outcome.used;
    assert_eq!((used.input_tokens, used.estimated), (6 + 6, true));
    assert_eq!(used.cost_usd, Some(6.0 + 12.0));
    let tried: Vec<_> = world.tried().iter().map(|t| t.usage).collect();
    assert_eq!(tried.len(), 3, "two were cut, one was refused");
    assert_eq!(
        tried[0].plus(tried[1]),
        used,
        "no more and no less than its tries"
    );
    assert!(tried[2].is_nothing());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_has_told_what_it_used() {
    let a = Scripted::new(
        "a",
        vec![streams(&[
            Act::Say("12345678"),
            Act::Break(FaultClass::Transient),
        ])],
    );
    let b = Scripted::new("b", vec![streams(&[Act::Work, Act::Say("1234"), Act::Hang])]);
    let world = World::of(&[&a, &b]);
    let mut used = Default::default();
    let mut on_content = |piece: greenroom_kernel::ContentPiece<'_>| {
        if let greenroom_kernel::ContentPiece::Used(until_now) = piece {
            used = until_now;
        }
    };
    let (request, context) = (super::world::request(), super::world::context());
    let call = world.router.call(&request, &context, &mut on_content);
    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    assert_eq!((used.input_tokens, used.output_tokens), (6 + 6, 2 + 1));
    let tried: Vec<_> = world.tried().iter().map(|t| t.usage).collect();
    assert_eq!(tried[0].plus(tried[1]), used);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_gave_a_sign_of_life_is_billed_though_it_showed_nothing() {
    let a = Scripted::new(
        "a",
        vec![streams(&[Act::Work, Act::Break(FaultClass::Transient)])],
    );
    let b = Scripted::new("b", vec![says("hello")]);
    let usage = World::of(&[&a, &b]).call().await.result.unwrap().usage;
    assert_eq!((usage.input_tokens, usage.estimated), (10 + 6, true));
}

#[tokio::test(start_paused = true)]
async fn an_estimate_is_of_the_input_at_the_first_targets_price() {
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    let prices = PriceTable::empty("test").with("a/a-m", Price::new(1e6, 0.0, 0.0));
    let world = World::with(ModelsConfig {
        prices,
        ..config(&[&a, &b])
    });
    let estimate = world.router.estimate(&super::world::request());
    assert_eq!(
        (estimate.input_tokens, estimate.output_tokens, estimate.cost_usd),
        (6, 0, Some(6.0))
    );
}

#[tokio::test(start_paused = true)]
async fn every_try_is_counted_once_with_the_time_to_its_first_content() {
    let a = Scripted::new("a", vec![refuses(FaultClass::Overloaded)]);
    let b = Scripted::new(
        "b",
        vec![streams(&[
            Act::Wait(SECOND),
            Act::Work,
            Act::Wait(2 * SECOND),
            Act::Say("x"),
            Act::End(None),
        ])],
    );
    let world = World::of(&[&a, &b]);
    world.call().await.result.unwrap();
    let tried: Vec<_> = world
        .tried()
        .into_iter()
        .map(|t| {
            (
                t.provider,
                t.number,
                t.class,
                t.first_content.map(|d| d.as_secs()),
            )
        })
        .collect();
    assert_eq!(
        tried,
        [
            ("a".into(), 1, "overloaded", None),
            ("b".into(), 2, "ok", Some(3))
        ]
    );
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused_by_name() {
    let (a, twin) = (Scripted::new("a", vec![]), Scripted::new("a", vec![]));
    let named = RouteTarget::parse;
    assert_eq!(
        config(&[&a, &twin]).validate(),
        Err(ModelsError::ProviderTwice { name: "a".into() })
    );
    let slashed = Scripted::new("a/b", vec![]);
    assert_eq!(
        config(&[&slashed]).validate(),
        Err(ModelsError::ProviderName { name: "a/b".into() })
    );
    let mut routed = config(&[&a]);
    routed
        .routes
        .insert("fast".into(), vec![named("a"), named("nobody")].into());
    assert_eq!(
        routed.validate(),
        Err(ModelsError::UnknownProvider {
            route: "fast".into(),
            provider: "nobody".into()
        })
    );
    routed.routes.insert("fast".into(), Route::default());
    assert_eq!(
        routed.validate(),
        Err(ModelsError::EmptyRoute { route: "fast".into() })
    );
}

type Fields = BTreeMap<String, String>;

/// Keeps every span's fields, by name of the span.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, Fields>>>);

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(
            field.name().to_owned(),
            format!("{value:?}").trim_matches('"').to_owned(),
        );
    }
}

impl<S: tracing::Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "model_try" {
            attributes.record(&mut Fill(self.0.lock().entry(id.into_u64()).or_default()));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(fields) = self.0.lock().get_mut(&id.into_u64()) {
            values.record(&mut Fill(fields));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_try_is_a_span_in_the_conventions_words() {
    let a = Scripted::new("a", vec![refuses(FaultClass::Throttled)]);
    let b = Scripted::new("b", vec![says("hello")]);
    let world = World::of(&[&a, &b]);
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    world.call().with_subscriber(subscriber).await.result.unwrap();
    let seen: Vec<Fields> = spans.0.lock().values().cloned().collect();
    assert_eq!(seen.len(), 2);
    let get = |at: usize, name: &str| seen[at].get(name).map(String::as_str);
    let (failed, ok) = if get(0, "error.type").is_some() {
        (0, 1)
    } else {
        (1, 0)
    };
    assert_eq!(get(failed, "gen_ai.operation.name"), Some("chat"));
    assert_eq!(get(failed, "gen_ai.provider.name"), Some("a"));
    assert_eq!(get(failed, "error.type"), Some("throttled"));
    assert_eq!(get(failed, "otel.status_code"), Some("ERROR"));
    assert_eq!(get(ok, "otel.name"), Some("chat b-m"));
    assert_eq!(get(ok, "gen_ai.request.model"), Some("b-m"));
    assert_eq!(get(ok, "gen_ai.usage.input_tokens"), Some("10"));
    assert_eq!(get(ok, "gen_ai.usage.output_tokens"), Some("5"));
    assert_eq!(get(ok, "gen_ai.response.finish_reasons"), Some("stop"));
    assert_eq!(get(ok, "error.type"), None);
}
