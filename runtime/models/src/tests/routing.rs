//! Calls over routes: who is asked first, and who not at all.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    CallContext, Capabilities, Content, ErrorCode, ImageSource, ModelMessage, ModelRequest, ModelRole,
    Models, Narrowing, Part, Strategy, ToolSpec,
};

use super::script::{Act, Scripted, streams};
use super::world::{World, config, context, request};
use crate::{CapabilityTable, ModelsConfig, Price, PriceTable, Route, RouteTarget};

/// Three providers behind the route `r`.
struct Stage {
    providers: [Arc<Scripted>; 3],
    config: ModelsConfig,
}

impl Stage {
    fn new(strategy: Strategy) -> Self {
        let providers = ["a", "b", "c"].map(|name| Scripted::new(name, vec![]));
        let mut config = config(&providers.each_ref());
        let targets = ["a", "b", "c"].map(RouteTarget::parse).to_vec();
        config.routes.insert(
            "r".into(),
            Route {
                strategy,
                targets,
                ..Route::default()
            },
        );
        config.prices = PriceTable::empty("test")
            .with("a/*", Price::new(9.0, 9.0, 9.0))
            .with("b/*", Price::new(1.0, 1.0, 1.0));
        Self { providers, config }
    }

    fn knowing(mut self, target: &str, can: Capabilities) -> Self {
        self.config.capabilities = self.config.capabilities.with(target, can);
        self
    }

    fn world(&self) -> World {
        World::with(self.config.clone())
    }
}

fn ask() -> ModelRequest {
    ModelRequest {
        model: Some("r".into()),
        ..request()
    }
}

fn narrowed(narrowing: Narrowing) -> CallContext {
    CallContext {
        narrowing,
        ..context()
    }
}

async fn served(world: &World, request: &ModelRequest, context: &CallContext) -> String {
    world.call_with(request, context).await.result.unwrap().provider
}

async fn refused(world: &World, request: &ModelRequest, context: &CallContext) -> String {
    let failure = world.call_with(request, context).await.result.unwrap_err();
    assert_eq!(
        (failure.code, failure.retryable),
        (ErrorCode::BadUserInput, false)
    );
    failure.message
}

#[tokio::test(start_paused = true)]
async fn a_route_goes_by_its_strategy_and_a_call_may_ask_for_another() {
    let stage = Stage::new(Strategy::LeastCost);
    let world = stage.world();
    assert_eq!(served(&world, &ask(), &context()).await, "b");
    let by_priority = narrowed(Narrowing {
        strategy: Some(Strategy::Priority),
        ..Narrowing::default()
    });
    assert_eq!(served(&world, &ask(), &by_priority).await, "a");
}

#[tokio::test(start_paused = true)]
async fn least_latency_explores_and_then_leaves_the_slowest_alone() {
    let stage = Stage::new(Strategy::LeastLatency);
    let waits = [900, 100, 500].map(Duration::from_millis);
    for (provider, wait) in stage.providers.iter().zip(waits) {
        *provider.otherwise.lock() = streams(&[Act::Wait(wait), Act::Say("x"), Act::End(None)]);
    }
    let world = stage.world();
    for _ in 0..20 {
        served(&world, &ask(), &context()).await;
    }
    let counts = stage.providers.each_ref().map(|p| p.calls().len());
    assert_eq!((counts[0], counts.iter().sum::<usize>()), (1, 20));
    assert!(counts[1] >= 1 && counts[2] >= 1, "{counts:?}");
    let quick = narrowed(Narrowing {
        max_latency_ms: Some(200),
        strategy: Some(Strategy::Priority),
        ..Narrowing::default()
    });
    assert_eq!(served(&world, &ask(), &quick).await, "b");
}

#[tokio::test(start_paused = true)]
async fn a_sticky_route_keeps_a_session_where_it_is_until_its_target_is_away() {
    let stage = Stage::new(Strategy::Sticky);
    let world = stage.world();
    let of = |session: &str| CallContext {
        affinity: Some(session.into()),
        ..context()
    };
    let home = served(&world, &ask(), &of("s-1")).await;
    for _ in 0..5 {
        assert_eq!(served(&world, &ask(), &of("s-1")).await, home);
    }
    let mut homes = Vec::new();
    for session in 0..30 {
        homes.push(served(&world, &ask(), &of(&format!("s-{session}"))).await);
    }
    homes.sort();
    homes.dedup();
    assert_eq!(homes, ["a", "b", "c"]);
    let without = Narrowing {
        exclude: vec![home.clone()],
        ..Narrowing::default()
    };
    let away = CallContext {
        narrowing: without,
        ..of("s-1")
    };
    assert_ne!(served(&world, &ask(), &away).await, home);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_excludes_is_not_asked_and_when_nobody_is_left_every_reason_is_told() {
    let stage = Stage::new(Strategy::Priority);
    let world = stage.world();
    let exclude = |names: &[&str]| Narrowing {
        exclude: names.iter().map(ToString::to_string).collect(),
        ..Narrowing::default()
    };
    assert_eq!(served(&world, &ask(), &narrowed(exclude(&["a"]))).await, "b");
    assert_eq!(
        served(&world, &ask(), &narrowed(exclude(&["a/a-m", "b"]))).await,
        "c"
    );
    let cheap = Narrowing {
        max_cost_usd: Some(0.001),
        ..exclude(&["b/b-m"])
    };
    let said = refused(&world, &ask(), &narrowed(cheap)).await;
    for part in [
        "a/a-m would cost 0.004554 US dollars",
        "b/b-m is excluded by the call",
        "c/c-m has no known price, max_cost_usd is 0.001",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(stage.providers[0].calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn models_that_can_t_do_what_a_request_needs_are_left_out_and_named_when_none_is_left() {
    let no = Some(false);
    let nothing = Capabilities::default();
    let stage = Stage::new(Strategy::Priority)
        .knowing(
            "a/*",
            Capabilities {
                vision: no,
                context_window: Some(100),
                ..nothing
            },
        )
        .knowing(
            "b/*",
            Capabilities {
                vision: no,
                tools: no,
                ..nothing
            },
        );
    let world = stage.world();
    let mut look = ask();
    look.messages = vec![ModelMessage::new(
        ModelRole::User,
        Content::Parts(vec![Part::Image {
            source: ImageSource::Url {
                url: "https://x/y.png".into(),
            },
            detail: None,
            cache: None,
        }]),
    )];
    assert_eq!(served(&world, &look, &context()).await, "c");
    let long = ModelRequest {
        max_tokens: Some(101),
        ..ask()
    };
    assert_eq!(served(&world, &long, &context()).await, "b");
    let mut with_tool = long.clone();
    with_tool.tools.push(ToolSpec {
        name: "f".into(),
        description: String::new(),
        parameters: serde_json::json!({}),
        cache: None,
    });
    assert_eq!(served(&world, &with_tool, &context()).await, "c");
    let of_one = ModelRequest {
        model: Some("a/a-m".into()),
        ..look.clone()
    };
    let said = refused(&world, &of_one, &context()).await;
    assert!(said.contains("a/a-m sees no images"), "{said}");
    let mut of_one = ModelRequest {
        model: Some("a/a-m".into()),
        ..long
    };
    // The answer may be shorter than it could be.
    assert_eq!(served(&world, &of_one, &context()).await, "a");
    of_one
        .messages
        .push(ModelMessage::text(ModelRole::User, "x".repeat(600)));
    let said = refused(&world, &of_one, &context()).await;
    assert!(said.contains("context window of 100 tokens"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn the_listing_names_routes_and_models_once_each_with_what_they_can() {
    let stage = Stage::new(Strategy::Priority);
    stage.providers[0].serve(&["x", "y"]);
    stage.providers[1].serve(&["x", "r"]);
    let can = Capabilities {
        vision: Some(true),
        ..Capabilities::default()
    };
    let mut config = stage.config.clone();
    config.capabilities = CapabilityTable::empty("none").with("a/x", can);
    let listing = World::with(config).router.listing();
    let shown: Vec<_> = listing
        .iter()
        .map(|l| (l.id.as_str(), l.provider.as_deref(), l.can.vision))
        .collect();
    assert_eq!(
        shown,
        [
            ("default", None, Some(true)),
            ("r", None, Some(true)),
            ("x", Some("a"), Some(true)),
            ("y", Some("a"), None),
            ("b/x", Some("b"), None),
            ("b/r", Some("b"), None),
            ("c-m", Some("c"), None),
        ]
    );
}
