//! Whether the directory of agent hosts answers, and whether those in it do.

use std::time::Duration;

use greenroom_kernel::{Discovery, DiscoveryError, HealthHint, MemberRole, Sighting};

use super::report::Line;
use crate::config::Config;
use crate::discovery::directory;

const DISCOVERY: &str = "discovery";
const PATIENCE: Duration = Duration::from_secs(10);

/// Nothing where nothing is to be found.
pub(super) async fn check(config: &Config) -> Vec<Line> {
    let Some(settings) = &config.discovery else {
        return Vec::new();
    };
    match directory(&settings.place, MemberRole::Agent, &|name| {
        std::env::var(name).ok()
    }) {
        Ok(directory) => look(&*directory).await,
        Err(failed) => vec![Line::fail(DISCOVERY, failed.to_string(), "mend [discovery]")],
    }
}

async fn look(directory: &dyn Discovery) -> Vec<Line> {
    let place = directory.place();
    let Ok(listed) = tokio::time::timeout(PATIENCE, directory.list()).await else {
        return vec![Line::fail(
            DISCOVERY,
            format!("{place} does not answer"),
            "see that it can be reached from here",
        )];
    };
    let listing = match listed {
        Ok(listing) => listing,
        Err(error) => return vec![failed(&error)],
    };
    let unwell = listing
        .members
        .iter()
        .filter(|seen| seen.hint == HealthHint::Unhealthy)
        .count();
    let said = format!("{}: {} found", directory.place(), listing.members.len());
    let hosts = |seen: &Sighting| seen.member.role == MemberRole::Agent;
    let hosted = listing.members.iter().any(hosts);
    let mut lines = vec![match (hosted, unwell) {
        (false, _) if listing.members.is_empty() => Line::warn(
            DISCOVERY,
            said,
            "start an agent host that is registered there, or mend [discovery] if one is registered elsewhere",
        ),
        (false, _) => Line::warn(
            DISCOVERY,
            format!("{said}, none of them an agent host"),
            "start an agent host that is registered there; what is registered tells its role by the attribute greenroom.role",
        ),
        (true, 0) => Line::ok(DISCOVERY, said),
        (true, unwell) => Line::warn(
            DISCOVERY,
            format!("{said}, {unwell} of them said to be unwell"),
            "look at their logs",
        ),
    }];
    let notes = listing.notes.into_iter();
    lines.extend(notes.map(|note| Line::warn(DISCOVERY, note, "mend what is registered")));
    lines
}

fn failed(error: &DiscoveryError) -> Line {
    let remedy = match error {
        DiscoveryError::Refused { remedy, .. }
        | DiscoveryError::Missing { remedy, .. }
        | DiscoveryError::Misconfigured { remedy, .. } => remedy,
        error if error.is_retryable() => "see that it can be reached from here",
        _ => "mend [discovery] or the credentials as it says",
    };
    Line::fail(DISCOVERY, error.to_string(), remedy)
}
