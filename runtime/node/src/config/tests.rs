mod costs;
mod models;

use std::collections::BTreeMap;

use std::path::PathBuf;

use super::*;

struct World {
    folder: tempfile::TempDir,
    sources: Sources,
}

fn world(file: &str, variables: &[(&str, &str)]) -> World {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("greenroom.toml"), file).unwrap();
    let mut all: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    all.entry("GREENROOM__STORE__PATH".to_owned())
        .or_insert_with(|| "s.sqlite".to_owned());
    let sources = Sources {
        folder: folder.path().to_owned(),
        variables: all,
        ..Sources::default()
    };
    World { folder, sources }
}

fn mistake(file: &str, variables: &[(&str, &str)]) -> String {
    let world = world(file, variables);
    let said = load(&world.sources).unwrap_err().to_string();
    said.replace(&format!("{}/", world.folder.path().display()), "")
}

#[test]
fn nothing_written_is_a_working_configuration() {
    let config = load(&world("", &[]).sources).unwrap().config;
    assert_eq!(config.gateway_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.operator_listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.gateway, GatewayConfig::default());
    assert_eq!(config.tasks, OrchestratorConfig::default());
    assert_eq!(config.agents, AgentSettings::default());
    assert!(config.providers.is_empty());
}

#[test]
fn flags_lie_over_the_environment_and_that_over_the_file() {
    let file =
        "[gateway]\nlisten = \"127.0.0.1:1\"\nmax_connections = 7\n[operator]\nlisten = \"127.0.0.1:2\"\n";
    let variables = [
        ("GREENROOM__GATEWAY__LISTEN", "127.0.0.1:3"),
        ("GREENROOM__OPERATOR__LISTEN", "localhost:4"),
    ];
    let mut world = world(file, &variables);
    world.sources.flags.listen = Some("127.0.0.1:5".to_owned());
    let config = load(&world.sources).unwrap().config;
    assert_eq!(config.gateway_listen.to_string(), "127.0.0.1:5");
    assert_eq!(config.operator_listen.to_string(), "127.0.0.1:4");
    assert_eq!(config.gateway.max_connections, 7);
}

#[test]
fn the_environment_reaches_every_kind_of_value() {
    let variables = [
        ("GREENROOM__STORE__PATH", "007"),
        ("GREENROOM__TASKS__MAX_COST_USD", "1.5"),
        ("GREENROOM__GATEWAY__GRAPHIQL", "false"),
        ("GREENROOM__AGENT__JOIN", "[\"http://127.0.0.1:7071\"]"),
        ("GREENROOM__PROVIDERS__ACME__BASE_URL", "http://127.0.0.1:9/v1"),
        ("GREENROOM__PROVIDERS__ACME__API_KEY", "123"),
        ("GREENROOM_MODEL_PATH", "/models/m.gguf"),
    ];
    let config = load(&world("", &variables).sources).unwrap().config;
    let StoreSettings::Sqlite(path) = &config.store else {
        panic!("{:?}", config.store)
    };
    assert!(path.is_absolute() && path.ends_with("007"));
    assert_eq!(config.tasks.limits.cost_usd, Some(1.5));
    assert!(!config.gateway.graphiql);
    assert_eq!(config.agent_hosts, ["http://127.0.0.1:7071"]);
    let (name, acme) = &config.providers[0];
    assert_eq!(
        (name.as_str(), acme.base_url.as_deref()),
        ("acme", Some("http://127.0.0.1:9/v1"))
    );
    assert_eq!(acme.api_key.as_deref(), Some("123"));
    assert_eq!(config.local.model_path, Some("/models/m.gguf".into()));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        mistake("# mine\n\n[gateway]\nlsiten = \"127.0.0.1:1\"\n", &[]),
        "configuration: greenroom.toml, line 4: unknown key `gateway.lsiten`: did you mean `gateway.listen`?"
    );
    assert_eq!(
        mistake("[gatway]\n", &[]),
        "configuration: greenroom.toml, line 1: unknown key `gatway`: did you mean `gateway`?"
    );
    assert_eq!(
        mistake(
            "[providers.acme]\nkind = \"openai\"\nbaseurl = \"http://h/v1\"\n",
            &[]
        ),
        "configuration: greenroom.toml, line 3: unknown key `providers.acme.baseurl`: did you mean \
         `providers.acme.base_url`?"
    );
    assert_eq!(
        mistake("store.pth = \"x\"\n", &[]),
        "configuration: greenroom.toml, line 1: unknown key `store.pth`: did you mean `store.path`?"
    );
    assert_eq!(
        mistake("[store]\nzzzzzzzz = 1\n", &[]),
        "configuration: greenroom.toml, line 2: unknown key `store.zzzzzzzz`"
    );
}

#[test]
fn an_unknown_variable_is_named_as_it_is_written() {
    assert_eq!(
        mistake("", &[("GREENROOM__GATEWAY__LISTN", "127.0.0.1:1")]),
        "configuration: environment variable GREENROOM__GATEWAY__LISTN: unknown key `gateway.listn`: did you mean \
         `gateway.listen`?"
    );
    assert_eq!(
        mistake("", &[("GREENROOM__STOR__PATH", "x")]),
        "configuration: environment variable GREENROOM__STOR__PATH: unknown key `stor`: did you mean `store`?"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    let said = mistake("[gateway]\n\nmax_connections = \"many\"\n", &[]);
    assert!(
        said.starts_with("configuration: greenroom.toml, line 3: `gateway.max_connections`: "),
        "{said}"
    );
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line() {
    let said = mistake("[gateway]\nlisten = \n", &[]);
    assert!(
        said.starts_with("configuration: greenroom.toml, line 2 is no TOML: "),
        "{said}"
    );
}

#[test]
fn values_that_cannot_work_are_refused() {
    for (file, named) in [
        ("gateway.listen = \"8080\"", "gateway.listen"),
        ("agent.join = [\"127.0.0.1\"]", "agent.join"),
        ("discovery.hosts = [\"a:1\"]", "discovery.hosts"),
        ("discovery = { kind = \"static\" }", "discovery.hosts"),
        (
            "discovery = { kind = \"static\", hosts = [\"a\"] }",
            "discovery.hosts",
        ),
        (
            "discovery = { kind = \"static\", hosts = [\"a:1\"], region = \"x\" }",
            "discovery.region",
        ),
        (
            "discovery = { kind = \"dns\", hosts = [\"10.0.0.1:1\"] }",
            "discovery.hosts",
        ),
        (
            "discovery = { kind = \"dns\", hosts = [\"a:1\"], endpoint = \"ns\" }",
            "discovery.endpoint",
        ),
        (
            "discovery = { kind = \"dns\", hosts = [\"a:1\"], port = 1 }",
            "discovery.port",
        ),
        (
            "discovery = { kind = \"cloud-map\", service = \"a\" }",
            "discovery.namespace",
        ),
        (
            "discovery = { kind = \"cloud-map\", namespace = \"a\" }",
            "discovery.service",
        ),
        (
            "discovery = { kind = \"cloud-map\", namespace = \"a\", service = \"b\", endpoint = \"here\" }",
            "discovery.endpoint",
        ),
        (
            "discovery = { kind = \"cloud-map\", namespace = \"a\", service = \"b\", port = 0 }",
            "discovery.port",
        ),
        (
            "discovery = { kind = \"cloud-map\", namespace = \"a\", service = \"b\", endpoint = \"http://10.0.0.7:1\" }",
            "discovery.endpoint",
        ),
        (
            "store = { kind = \"dynamodb\", endpoint = \"http://dynamodb:8000\" }",
            "store.endpoint",
        ),
        (
            "tls = { secret = \"greenroom/agent\", endpoint = \"http://secrets.example\" }",
            "tls.endpoint",
        ),
        (
            "providers.a = { kind = \"bedrock\", endpoint_url = \"http://10.0.0.7:4566\" }",
            "providers.a.endpoint_url",
        ),
        (
            "discovery = { kind = \"static\", hosts = [\"a:1\"], poll_ms = 0 }",
            "discovery.poll_ms",
        ),
        (
            "discovery = { kind = \"static\", hosts = [\"a:1\"], refresh_ms = 10 }",
            "discovery.refresh_ms",
        ),
        ("tasks.max_steps = 0", "tasks.max_steps"),
        ("trace.sample_ratio = 1.5", "trace.sample_ratio"),
        ("models.routes.fast = []", "models.routes.fast"),
        ("summarizer.chunk_tokens = 0", "summarizer.chunk_tokens"),
        ("summarizer.at_once = 0", "summarizer.at_once"),
        ("extractor.answer_tokens = 0", "extractor.answer_tokens"),
        ("researcher.agents = []", "researcher.agents"),
        ("researcher.agents = [\"researcher\"]", "researcher.agents"),
        ("researcher.agents = [\"a b\"]", "researcher.agents"),
        ("researcher.max_parts = 99", "researcher.max_parts"),
        ("providers.local.kind = \"openai\"", "providers.local"),
        (
            "[providers.a]\nkind = \"anthropic\"\napi = \"responses\"",
            "providers.a.api",
        ),
        (
            "[providers.a]\napi_key = \"x\"\napi_key_env = \"Y\"",
            "providers.a",
        ),
        (
            "providers.a = { kind = \"bedrock\", api_key_env = \"Y\" }",
            "providers.a",
        ),
        ("providers.a = { region = \"eu-west-1\" }", "providers.a"),
        (
            "[providers.a]\napi_keys = [\"x\"]\napi_key_envs = [\"Y\"]",
            "providers.a",
        ),
        (
            "models.routes.fast = { strategy = \"weighted\" }",
            "models.routes.fast",
        ),
        ("[models.capabilities.gpt]", "models.capabilities.\"gpt\""),
        (
            "[models.prices.\"a/b\"]\ninput = -1.0\noutput = 1.0",
            "models.prices.\"a/b\"",
        ),
    ] {
        let said = mistake(file, &[]);
        assert!(
            said.starts_with(&format!("configuration: `{named}`: ")),
            "{file}: {said}"
        );
    }
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let mut world = world("", &[]);
    world.sources.file = Some(world.folder.path().join("other.toml"));
    let said = load(&world.sources).unwrap_err().to_string();
    assert!(said.contains("other.toml can't be read"), "{said}");
}

#[test]
fn what_is_shown_can_be_read_again_and_holds_no_secret() {
    let loaded = load(&world("[providers.acme]\napi_key = \"sk-secret\"\n", &[]).sources).unwrap();
    let shown = loaded.shown().unwrap();
    assert!(
        shown.contains("[providers.acme]") && !shown.contains("secret"),
        "{shown}"
    );
    assert!(load(&world(&shown, &[]).sources).is_ok(), "{shown}");
}

#[test]
fn a_history_of_agents_is_kept_for_a_year_at_most_or_not_at_all() {
    let keep = |days: &str| load(&world(&format!("[agent_history]\nkeep_days = {days}\n"), &[]).sources);
    let day = Duration::from_secs(86_400);
    assert_eq!(keep("365").unwrap().config.keep_history, Some(day * 365));
    assert_eq!(keep("0").unwrap().config.keep_history, None);
    assert!(
        keep("366")
            .unwrap_err()
            .to_string()
            .contains("agent_history.keep_days")
    );
}

#[test]
fn the_example_holds_every_default() {
    let example = include_str!("../../greenroom.example.toml");
    let of = |file: &str| load(&world(file, &[]).sources).unwrap().config;
    let without_store = |mut config: Config| {
        config.store = StoreSettings::Sqlite(PathBuf::new());
        config
    };
    assert_eq!(without_store(of(example)), without_store(of("")));
    // What is commented out must be a key too.
    let keys = [
        "path",
        "region",
        "endpoint",
        "max_cost_usd",
        "fast",
        "enabled",
        "model_path",
        "offline",
        "kind",
        "namespace",
        "service",
        "region",
        "endpoint",
        "payload_bucket",
        "payload_endpoint",
        "hosts",
        "port",
        "answer_tokens",
        "filter",
    ];
    for key in keys {
        assert!(example.contains(&format!("\n# {key} = ")), "{key}");
    }
}

#[test]
fn a_host_that_is_named_outright_may_be_called_in_plaintext_and_variables_count_where_a_key_is_fetched() {
    let named = "aws.plaintext_hosts = [\"emulator\"]\nstore = { kind = \"dynamodb\", endpoint = \"http://emulator:8000\" }";
    assert!(load(&world(named, &[]).sources).is_ok());
    let by_variable = [("GREENROOM__AWS__PLAINTEXT_HOSTS", "[\"emulator\"]")];
    let file = "[store]\nkind = \"dynamodb\"\nendpoint = \"http://emulator:8000\"";
    assert!(load(&world(file, &by_variable).sources).is_ok());

    let elsewhere = [("AWS_ENDPOINT_URL", "http://emulator:4566")];
    assert!(load(&world("store.kind = \"dynamodb\"", &elsewhere).sources).is_ok());
    if !cfg!(feature = "secrets-manager") {
        return;
    }
    let secret = "tls.secret = \"greenroom/agent\"";
    let said = mistake(secret, &elsewhere);
    assert!(
        said.contains("`AWS_ENDPOINT_URL`: emulator is another machine"),
        "{said}"
    );
    let ignored = [elsewhere[0], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
    assert!(load(&world(secret, &ignored).sources).is_ok());
}

#[test]
fn a_table_is_named_and_a_store_that_a_flag_names_is_a_file() {
    let file =
        "[store]\nkind = \"dynamodb\"\ntable_prefix = \"shop\"\nendpoint = \"http://127.0.0.1:8000\"\n";
    let mut world = world(file, &[("GREENROOM__STORE__REGION", "eu-west-1")]);
    let StoreSettings::DynamoDb(table) = load(&world.sources).unwrap().config.store else {
        panic!("a table was meant")
    };
    assert_eq!(
        (&*table.table_prefix, table.region.as_deref()),
        ("shop", Some("eu-west-1"))
    );
    assert!(table.seat.ends_with("dynamodb-shop"));
    assert_eq!(
        (table.payload_bucket.as_deref(), &*table.payload_prefix),
        (None, "greenroom/")
    );
    world.sources.flags.store = Some("here.sqlite".into());
    assert!(matches!(
        load(&world.sources).unwrap().config.store,
        StoreSettings::Sqlite(_)
    ));

    for (wrong, said) in [
        ("kind = \"redis\"", "store.kind"),
        (
            "kind = \"dynamodb\"\ntable_prefix = \"a b c\"",
            "store.table_prefix",
        ),
        ("kind = \"dynamodb\"\nendpoint = \"127.0.0.1\"", "store.endpoint"),
        (
            "kind = \"dynamodb\"\npayload_bucket = \"s3://mine/there\"",
            "store.payload_bucket",
        ),
        (
            "kind = \"dynamodb\"\npayload_prefix = \"/there\"",
            "store.payload_prefix",
        ),
        (
            "kind = \"dynamodb\"\npayload_endpoint = \"127.0.0.1\"",
            "store.payload_endpoint",
        ),
    ] {
        let found = mistake(&format!("[store]\n{wrong}\n"), &[]);
        assert!(found.contains(said), "{found}");
    }
}
