use std::collections::BTreeMap;

use super::*;
use crate::config::{Sources, load};

fn chosen(file: &str, variables: &[(&str, &str)], ollama: bool) -> Result<Choice, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("greenroom.toml"), file).unwrap();
    let own = BTreeMap::from([("GREENROOM__STORE__PATH".to_owned(), "s".to_owned())]);
    let sources = Sources {
        folder: folder.path().to_owned(),
        variables: own,
        ..Sources::default()
    };
    let config = load(&sources).unwrap().config;
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    choose(
        &config,
        &|name| variables.get(name).map(|v| (*v).to_owned()),
        &|| ollama,
    )
}

fn names(choice: &Choice) -> Vec<(&str, &str)> {
    choice
        .remote
        .iter()
        .map(|(remote, _)| (remote.name(), remote.base_url()))
        .collect()
}

const ACME: &str = "[providers.acme]\nbase_url = \"http://acme/v1\"\n";
const KEY: (&str, &str) = ("OPENAI_API_KEY", "sk-1");

#[test]
fn what_is_configured_comes_before_everything_that_is_found() {
    let choice = chosen(ACME, &[KEY], true).unwrap();
    assert_eq!(names(&choice), [("acme", "http://acme/v1")]);
    assert_eq!((choice.why.as_str(), choice.local), ("configured", false));
}

#[test]
fn a_key_comes_before_ollama_and_its_base_url_is_honoured() {
    let choice = chosen("", &[KEY], true).unwrap();
    assert_eq!(names(&choice), [("openai", "https://api.openai.com/v1")]);
    assert_eq!(choice.remote[0].0.models()[0].name, "gpt-4.1-mini");
    let choice = chosen("", &[KEY, ("OPENAI_BASE_URL", "http://h/v1")], true).unwrap();
    assert_eq!(names(&choice), [("openai", "http://h/v1")]);
    assert!(choice.remote[0].0.models().is_empty());
    assert_eq!(choice.why, "OPENAI_API_KEY and OPENAI_BASE_URL are set");
}

#[test]
fn ollama_comes_before_the_local_model() {
    let choice = chosen("", &[("OPENAI_API_KEY", " ")], true).unwrap();
    assert_eq!(names(&choice), [("ollama", "http://127.0.0.1:11434/v1")]);
    assert!(!choice.local);
}

#[test]
fn without_anything_else_the_local_model_is_taken_and_the_reason_told() {
    let choice = chosen("", &[], false).unwrap();
    assert_eq!(choice.local, cfg!(feature = "local-model"));
    assert!(choice.remote.is_empty() && !choice.why.is_empty());
}

#[test]
fn the_local_model_can_be_forced_or_forbidden() {
    assert_eq!(
        chosen(&format!("{ACME}[local]\nenabled = true\n"), &[], false)
            .unwrap()
            .local,
        cfg!(feature = "local-model")
    );
    let none = chosen("[local]\nenabled = false\n", &[], false).unwrap();
    assert!(!none.local && none.remote.is_empty());
}

const AWS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_REGION", "eu-west-1")];

#[cfg(feature = "bedrock")]
mod bedrock {
    use super::*;

    fn bedrock(choice: &Choice) -> &greenroom_provider_bedrock::BedrockConfig {
        match &choice.remote[0].0 {
            Remote::Bedrock(config, _) => config,
            _ => panic!("another wire was taken: {choice:?}"),
        }
    }

    #[test]
    fn credentials_with_a_region_come_before_ollama_and_say_where() {
        let choice = chosen("", &AWS, true).unwrap();
        assert_eq!(
            names(&choice),
            [("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com")]
        );
        assert_eq!(choice.why, "AWS_ACCESS_KEY_ID and AWS_REGION are set");
        assert!(!choice.local && choice.unused.is_empty());
        assert_eq!(bedrock(&choice).models[0].name, "eu.amazon.nova-2-lite-v1:0");
        for one in AWS {
            assert_eq!(names(&chosen("", &[one], true).unwrap())[0].0, "ollama");
        }
        for credentials in [
            "AWS_PROFILE",
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        ] {
            let there = [(credentials, "x"), ("AWS_DEFAULT_REGION", "us-east-1")];
            let choice = chosen("", &there, true).unwrap();
            assert_eq!(
                choice.why,
                format!("{credentials} and AWS_DEFAULT_REGION are set")
            );
        }
    }

    #[test]
    fn its_endpoint_is_honoured_as_the_sdk_honours_it() {
        let all = ("AWS_ENDPOINT_URL", "http://h:1");
        let own = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://h:2");
        let ignored = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        let at = |more: &[(&str, &str)]| {
            let choice = chosen("", &[&AWS, more].concat(), false).unwrap();
            bedrock(&choice).endpoint_url.clone()
        };
        assert_eq!(at(&[all]).as_deref(), Some("http://h:1"));
        assert_eq!(at(&[all, own]).as_deref(), Some("http://h:2"));
        assert_eq!(at(&[all, own, ignored]), None);
    }

    #[test]
    fn a_company_s_key_comes_first_and_that_is_told() {
        for (key, name) in [(KEY, "openai"), (CLAUDE, "anthropic")] {
            let choice = chosen("", &[&AWS[..], &[key]].concat(), true).unwrap();
            assert_eq!(names(&choice)[0].0, name);
            assert!(choice.unused[0].contains("AWS_ACCESS_KEY_ID"), "{choice:?}");
        }
        assert!(chosen(ACME, &AWS, true).unwrap().unused.is_empty());
    }

    #[test]
    fn a_configured_one_says_its_region_and_its_models() {
        let file = "providers.aws = { kind = \"bedrock\", region = \"us-west-2\", models = [\"m\"], concurrency = 3 }";
        let choice = chosen(file, &AWS, false).unwrap();
        let config = bedrock(&choice);
        assert_eq!(config.name, "aws");
        assert_eq!(config.region.as_deref(), Some("us-west-2"));
        assert_eq!(config.models[0].name, "m");
        assert_eq!(choice.remote[0].1, Some(3));
        let choice = chosen("providers.aws.kind = \"bedrock\"", &AWS, false).unwrap();
        assert_eq!(bedrock(&choice).region.as_deref(), Some("eu-west-1"));
    }
}

#[cfg(not(feature = "bedrock"))]
#[test]
fn credentials_without_an_adapter_are_told() {
    assert_eq!(chosen("", &AWS, false).unwrap().unused.len(), 1);
    let refused = chosen("providers.aws.kind = \"bedrock\"", &AWS, false).unwrap_err();
    assert!(refused.contains("built without"), "{refused}");
}

#[test]
fn a_key_s_variable_must_be_set() {
    let file = format!("{ACME}api_key_env = \"ACME_KEY\"\n");
    assert!(chosen(&file, &[], false).unwrap_err().contains("ACME_KEY"));
    let choice = chosen(&file, &[("ACME_KEY", "k")], false).unwrap();
    let Remote::OpenAi(acme) = &choice.remote[0].0 else {
        panic!("the wire is OpenAI's where none is named: {choice:?}");
    };
    assert!(acme.api_key.is_some());
}

#[test]
fn a_provider_is_called_in_the_wire_that_is_set() {
    use greenroom_provider_openai::OpenAiApi;
    for (line, api) in [
        ("", OpenAiApi::Chat),
        ("api = \"chat\"\n", OpenAiApi::Chat),
        ("api = \"responses\"\n", OpenAiApi::Responses),
    ] {
        let choice = chosen(&format!("{ACME}{line}"), &[], false).unwrap();
        let Remote::OpenAi(acme) = &choice.remote[0].0 else {
            panic!("another wire was taken: {choice:?}");
        };
        assert_eq!(acme.api, api, "{line}");
    }
}

const CLAUDE: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-ant-1");

fn anthropic(choice: &Choice) -> &greenroom_provider_anthropic::AnthropicConfig {
    match &choice.remote[0].0 {
        Remote::Anthropic(config) => config,
        _ => panic!("another wire was taken: {choice:?}"),
    }
}

#[test]
fn an_anthropic_key_is_taken_before_ollama_and_its_base_url_is_honoured() {
    let choice = chosen("", &[CLAUDE], true).unwrap();
    assert_eq!(names(&choice), [("anthropic", "https://api.anthropic.com")]);
    assert_eq!(choice.why, "ANTHROPIC_API_KEY is set");
    assert!(!choice.local && choice.unused.is_empty());
    assert!(anthropic(&choice).api_key.is_some());
    assert_eq!(anthropic(&choice).models[0].name, "claude-haiku-4-5");

    let choice = chosen("", &[CLAUDE, ("ANTHROPIC_BASE_URL", "http://h")], true).unwrap();
    assert_eq!(names(&choice), [("anthropic", "http://h")]);
    assert_eq!(choice.why, "ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL are set");
    assert!(anthropic(&choice).models.is_empty());
}

#[test]
fn openai_s_key_comes_before_anthropic_s_and_that_is_told() {
    let choice = chosen("", &[KEY, CLAUDE], true).unwrap();
    assert_eq!(names(&choice), [("openai", "https://api.openai.com/v1")]);
    assert!(choice.unused[0].contains("ANTHROPIC_API_KEY"), "{choice:?}");
    let configured = chosen(ACME, &[KEY, CLAUDE], true).unwrap();
    assert!(configured.unused.is_empty());
}

#[test]
fn a_configured_provider_is_of_the_kind_it_names() {
    let file =
        "providers.claude = { kind = \"anthropic\", api_key = \"k\", models = [\"m\"], concurrency = 3 }";
    let choice = chosen(file, &[], false).unwrap();
    let claude = anthropic(&choice);
    assert_eq!(claude.base_url, "https://api.anthropic.com");
    assert_eq!(claude.models[0].name, "m");
    assert_eq!(choice.remote[0].1, Some(3));
}

#[test]
fn several_keys_are_taken_in_their_order_and_a_missing_variable_is_named() {
    let file = "providers.claude = { kind = \"anthropic\", api_keys = [\"k1\", \"k2\", \"k3\"] }";
    let choice = chosen(file, &[], false).unwrap();
    let claude = anthropic(&choice);
    assert_eq!(claude.api_key.as_ref().map(|k| k.expose()), Some("k1"));
    let more: Vec<&str> = claude.more_keys.iter().map(|k| k.expose()).collect();
    assert_eq!(more, ["k2", "k3"]);
    let file = "providers.claude = { kind = \"anthropic\", api_key_envs = [\"K1\", \"K2\"] }";
    let choice = chosen(file, &[("K1", "a"), ("K2", "b")], false).unwrap();
    assert_eq!(anthropic(&choice).more_keys.len(), 1);
    let missing = chosen(file, &[("K1", "a")], false).unwrap_err();
    assert!(missing.contains("claude") && missing.contains("K2"), "{missing}");
}
