use super::*;

fn info(name: &str, context_window: Option<u32>) -> ModelInfo {
    ModelInfo::named(name).with_window(context_window)
}

type Named<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

struct World {
    a: Vec<ModelInfo>,
    b: Vec<ModelInfo>,
}

impl World {
    fn new() -> Self {
        Self {
            a: vec![info("big", Some(1000)), info("small", None)],
            b: vec![info("small", Some(10))],
        }
    }

    fn served(&self) -> Vec<Candidate<'_>> {
        vec![
            Candidate {
                name: "a",
                models: &self.a,
            },
            Candidate {
                name: "b",
                models: &self.b,
            },
            Candidate {
                name: "bare",
                models: &[],
            },
        ]
    }

    fn names(&self, logical: Option<&str>, routes: &[Named<'_>]) -> Vec<String> {
        let routes = routes
            .iter()
            .map(|(name, targets)| {
                let target = |(p, m): &(&str, Option<&str>)| RouteTarget {
                    provider: (*p).into(),
                    model: m.map(Into::into),
                    weight: 1,
                };
                let targets: Vec<RouteTarget> = targets.iter().map(target).collect();
                ((*name).to_owned(), targets.into())
            })
            .collect();
        let served = self.served();
        let (_, placed) = resolve(logical, &routes, &served).unwrap();
        placed
            .iter()
            .map(|p| format!("{}/{}", served[p.provider].name, p.model))
            .collect()
    }
}

#[test]
fn the_default_route_is_every_provider_in_order_with_its_first_model() {
    let world = World::new();
    assert_eq!(world.names(None, &[]), ["a/big", "b/small"]);
    assert_eq!(world.names(Some("default"), &[]), ["a/big", "b/small"]);
    assert_eq!(world.names(None, &[("default", &[("b", None)])]), ["b/small"]);
}

#[test]
fn a_name_is_a_route_or_a_provider_with_its_model_or_a_listed_model() {
    let world = World::new();
    let routes: &[Named<'_>] = &[("fast", &[("b", None), ("a", Some("small")), ("bare", Some("x"))])];
    assert_eq!(
        world.names(Some("fast"), routes),
        ["b/small", "a/small", "bare/x"]
    );
    assert_eq!(world.names(Some("small"), routes), ["a/small", "b/small"]);
    assert_eq!(world.names(Some("a/unlisted"), routes), ["a/unlisted"]);
}

#[test]
fn an_unknown_name_is_the_callers_mistake_and_the_known_ones_are_named() {
    let world = World::new();
    let error = resolve(Some("gpt-9"), &BTreeMap::new(), &world.served()).unwrap_err();
    let failure = Failure::from(error);
    assert_eq!(failure.code, greenroom_kernel::ErrorCode::NotFound);
    assert!(failure.message.contains("gpt-9") && failure.message.contains("big, small"));
}

#[test]
fn no_provider_and_no_model_are_unavailable_and_name_the_remedy() {
    let failure = Failure::from(resolve(None, &BTreeMap::new(), &[]).unwrap_err());
    assert_eq!(failure.code, greenroom_kernel::ErrorCode::Unavailable);
    for remedy in ["OPENAI_API_KEY", "Ollama", "GREENROOM_MODEL_PATH"] {
        assert!(failure.message.contains(remedy), "{failure}");
    }
    let bare = [Candidate {
        name: "ollama",
        models: &[],
    }];
    let failure = Failure::from(resolve(None, &BTreeMap::new(), &bare).unwrap_err());
    assert_eq!(failure.code, greenroom_kernel::ErrorCode::Unavailable);
    assert!(failure.message.contains("ollama"));
}

#[test]
fn a_target_is_read_with_everything_behind_the_first_slash_as_its_model() {
    let target = |provider: &str, model: Option<&str>| RouteTarget {
        provider: provider.into(),
        model: model.map(Into::into),
        weight: 1,
    };
    assert_eq!(RouteTarget::parse("a"), target("a", None));
    assert_eq!(RouteTarget::parse("a/b/c"), target("a", Some("b/c")));
}
