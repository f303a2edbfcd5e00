//! What the environment says of AWS.

#[cfg(feature = "bedrock")]
use greenroom_kernel::ModelInfo;
#[cfg(feature = "bedrock")]
use greenroom_provider_bedrock::BedrockConfig;

#[cfg(feature = "bedrock")]
use super::Remote;
#[cfg(feature = "bedrock")]
use crate::config::RawProvider;

type Set<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Each says that there are credentials: keys, a profile, a key of Bedrock's own, a role of a pod, a role of a task.
const CREDENTIALS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Why Bedrock can be taken, where credentials and a region are set. A profile that nobody named is not looked for: it
/// may be there for other things.
pub(super) fn found(set: Set<'_>) -> Option<String> {
    let first = |names: &[&'static str]| names.iter().find(|name| set(name).is_some()).copied();
    let (credentials, region) = (first(&CREDENTIALS)?, first(&REGIONS)?);
    Some(format!("{credentials} and {region} are set"))
}

/// Told when another provider was found first.
pub(super) fn passed_over(set: Set<'_>, first: &str) -> Option<String> {
    let why = found(set).filter(|_| cfg!(feature = "bedrock"))?;
    Some(format!(
        "{why}, but {first} key comes first: name both in [providers]"
    ))
}

/// Told whatever was found, where Bedrock can't be taken at all.
pub(super) fn unusable(set: Set<'_>) -> Option<String> {
    let why = found(set).filter(|_| cfg!(not(feature = "bedrock")))?;
    Some(format!("{why}, but this binary was built without Bedrock"))
}

/// As configured; what isn't is as the AWS SDK reads it from the environment.
#[cfg(feature = "bedrock")]
pub(super) fn bedrock(name: &str, raw: &RawProvider, set: Set<'_>) -> Remote {
    let first = |names: &[&str]| names.iter().find_map(|name| set(name));
    let ignored =
        set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let elsewhere = || match ignored {
        true => None,
        false => first(&["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"]),
    };
    let mut config = BedrockConfig {
        region: raw.region.clone().or_else(|| first(&REGIONS)),
        endpoint_url: raw.endpoint_url.clone().or_else(elsewhere),
        models: raw.models.iter().map(ModelInfo::named).collect(),
        ..BedrockConfig::new(name)
    };
    config.models = config.served();
    let place = config.place();
    Remote::Bedrock(config, place)
}
