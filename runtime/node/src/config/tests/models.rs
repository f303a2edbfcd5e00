use greenroom_kernel::{Capabilities, Strategy};
use greenroom_models::{Batch, HedgeAfter, Hold, Price, Recover, RouteFlow, RouteTarget, Way};

use super::*;

fn policy(file: &str) -> ModelPolicy {
    load(&world(file, &[]).sources).unwrap().config.models
}

#[test]
fn a_route_is_a_list_or_a_table_with_a_strategy_and_weights() {
    let file = r#"
[models.routes]
plain = ["a/b/c", { target = "d", weight = 0 }]
[models.routes.spread]
strategy = "least_latency"
targets = [{ target = "a/m", weight = 3 }, "b"]
"#;
    let target = |text, weight| RouteTarget {
        weight,
        ..RouteTarget::parse(text)
    };
    let expected = [
        (
            "plain",
            Strategy::Priority,
            vec![target("a/b/c", 1), target("d", 0)],
        ),
        (
            "spread",
            Strategy::LeastLatency,
            vec![target("a/m", 3), target("b", 1)],
        ),
    ];
    let expected = expected.map(|(name, strategy, targets)| {
        (
            name.to_owned(),
            Route {
                strategy,
                targets,
                ..Route::default()
            },
        )
    });
    assert_eq!(policy(file).routes, expected);
}

#[test]
fn a_route_says_what_its_calls_may_do_and_nothing_is_on_by_itself() {
    let flow = |settings: &str| {
        let file = format!("[models.routes.r]\ntargets = [\"a\"]\n{settings}");
        let world = world(&file, &[]);
        let loaded = load(&world.sources).unwrap();
        // What is shown reads back as what is in force.
        let shown = loaded.shown().unwrap();
        let again = load(&self::world(&shown, &[]).sources).unwrap();
        assert_eq!(again.config.models.routes, loaded.config.models.routes);
        loaded.config.models.routes[0].1.flow
    };
    assert_eq!(flow(""), RouteFlow::default());
    assert_eq!(flow("hedge = { after = \"p95\" }").hedge, Some(HedgeAfter::P95));
    let fixed = HedgeAfter::Fixed(Duration::from_millis(800));
    assert_eq!(flow("hedge = { after = 800 }").hedge, Some(fixed));
    assert!(flow("reroute_filtered = true").reroute_filtered);
    assert!(flow("join = true").join);
    assert_eq!(flow("batch = {}").batch, Some(Batch::default()));
    let batch = flow("batch = { within_ms = 1, inputs = 16 }").batch.unwrap();
    assert_eq!((batch.within, batch.inputs), (Duration::from_millis(1), 16));
}

#[test]
fn what_is_tried_after_content_is_common_to_all_routes_or_a_route_s_own() {
    let recover = |ways: &[Way], hold| Recover {
        ways: ways.to_vec(),
        hold,
    };
    assert_eq!(policy("").recover, Recover::default());
    let file = r#"
[models]
recover = ["hold"]
[models.routes.a]
recover = ["splice", "prompt", { hold_ms = 1500 }, "error"]
targets = ["a"]
[models.routes.b]
recover = [{ hold_tokens = 20 }]
targets = ["b"]
[models.routes.c]
recover = ["error"]
targets = ["c"]
[models.routes.d]
targets = ["d"]
"#;
    let policy = policy(file);
    assert_eq!(policy.recover, recover(&[], Some(Hold::All)));
    let own: Vec<_> = policy
        .routes
        .into_iter()
        .map(|(_, route)| route.recover)
        .collect();
    let window = Hold::Window(Duration::from_millis(1500));
    assert_eq!(
        own,
        [
            Some(recover(&[Way::Splice, Way::Prompt], Some(window))),
            Some(recover(&[], Some(Hold::Tokens(20)))),
            Some(recover(&[], None)),
            None,
        ]
    );
}

#[test]
fn a_mistake_in_a_route_is_named_with_its_place_and_what_would_be_right() {
    for (file, parts) in [
        (
            "[models.routes.r]\ntargets = [\"a\"]\nstrategie = \"weighted\"",
            ["line 3", "models.routes.r.strategie", "models.routes.r.strategy"].as_slice(),
        ),
        (
            "[models.routes.r]\ntargets = [\"a\"]\nstrategy = \"fastest\"",
            &["line 3", "fastest", "least_latency"],
        ),
        (
            "[models.routes.r]\ntargets = [\"a\"]\nhedge = { after = 0 }",
            &["line 3", "models.routes.r.hedge.after", "milliseconds, 1 or more"],
        ),
        (
            "[models.routes.r]\ntargets = [\"a\"]\nhedge = { afer = 10 }",
            &["line 3", "models.routes.r.hedge.afer", "after"],
        ),
        (
            "[models.routes.r]\ntargets = [\"a\"]\nbatch = { within_ms = 3 }",
            &["models.routes.r.batch", "within_ms", "2 ms"],
        ),
        (
            "[models.routes.r]\ntargets = [\"a\"]\nbatch = { inputs = 1 }",
            &["models.routes.r.batch", "inputs: from 2 to 2048"],
        ),
        (
            "[models.routes]\nr = 3",
            &["line 2", "models.routes.r", "a list of targets"],
        ),
        (
            "[models.routes]\nr = [3]",
            &["line 2", "models.routes.r", "provider/model"],
        ),
        (
            "[models.routes]\nr = [{ weight = 2 }]",
            &["models.routes.r", "target"],
        ),
        ("[models]\nrecover = [\"spice\"]", &["line 2", "spice", "splice"]),
        ("[models]\nrecover = [3]", &["line 2", "hold_ms"]),
        (
            "[models]\nrecover = [\"error\", \"splice\"]",
            &["models.recover", "put it last"],
        ),
        (
            "[models]\nrecover = [\"splice\", \"splice\"]",
            &["models.recover", "twice"],
        ),
        (
            "[models]\nrecover = [{ hold_ms = 0 }]",
            &["models.recover", "1 at least"],
        ),
        (
            "[models]\nrecover = [{ hold_ms = 1 }, \"hold\"]",
            &["models.recover", "in one way"],
        ),
        (
            "[models.routes.r]\ntargets = [\"a\"]\nrecover = [{}]",
            &["models.routes.r.recover", "hold_tokens"],
        ),
        (
            "[providers.a]\napi = \"responses\"\n[models.capabilities.\"a/m\"]\nprefill = true",
            &["models.capabilities.\"a/…\".prefill", "api = \"chat\""],
        ),
        (
            "[models.capabilities.\"a/m\"]\nvison = true",
            &["line 2", "vison", "vision"],
        ),
        (
            "[models.prices.\"a/m\"]\ninput = 1.0",
            &["models.prices.a/m", "output"],
        ),
    ] {
        let said = mistake(file, &[]);
        for part in parts {
            assert!(said.contains(part), "{file}: `{part}` in: {said}");
        }
    }
}

#[test]
fn facts_and_prices_that_are_set_stand_above_the_tables() {
    let file = r#"
[models.capabilities."openai/gpt-4o"]
vision = false
[models.prices."openai/gpt-4o"]
input = 3.0
output = 5.0
cached_input = 1.0
"#;
    let models = policy(file);
    let can = models
        .capabilities
        .can("openai", "gpt-4o", Capabilities::default());
    assert_eq!((can.vision, can.tools), (Some(false), Some(true)));
    let mut expected =
        greenroom_models::PriceTable::default().with("openai/gpt-4o", Price::new(3.0, 1.0, 5.0));
    // Rows of other prices than the table's own name another version.
    let own = format!("{}, own ", expected.version);
    assert!(
        models.prices.version.starts_with(&own),
        "{}",
        models.prices.version
    );
    expected.version.clone_from(&models.prices.version);
    assert_eq!(models.prices, expected);
}

#[test]
fn none_of_several_keys_is_shown() {
    let file = "[providers.a]\nbase_url = \"http://h\"\napi_keys = [\"sesame-1\", \"sesame-2\"]";
    let loaded = load(&world(file, &[]).sources).unwrap();
    assert_eq!(loaded.config.providers[0].1.api_keys.len(), 2);
    assert!(!loaded.shown().unwrap().contains("sesame"));
    assert!(!loaded.shown_json().to_string().contains("sesame"));
}
