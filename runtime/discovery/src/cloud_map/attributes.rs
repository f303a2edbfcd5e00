//! A member as attributes of an instance, and back.
//!
//! The address is in the attributes that Cloud Map itself knows, so that its DNS records are right and instances that
//! Amazon ECS registered are members too.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use greenroom_kernel::{AgentName, HostPort, Member, MemberId};

use super::CloudMapConfig;

const IPV4: &str = "AWS_INSTANCE_IPV4";
const IPV6: &str = "AWS_INSTANCE_IPV6";
const PORT: &str = "AWS_INSTANCE_PORT";
/// A host's name, where it has no number.
const HOST: &str = "greenroom.host";
const ROLE: &str = "greenroom.role";
const VERSION: &str = "greenroom.version";
const INCARNATION: &str = "greenroom.incarnation";
const AGENTS: &str = "greenroom.agents";

/// Cloud Map's bounds.
const MOST_ATTRIBUTES: usize = 30;
const LONGEST_VALUE: usize = 1024;
const LONGEST_KEY: usize = 255;
const LONGEST_ID: usize = 64;

/// Reads an instance's attributes; the error says what is wrong with which instance.
pub(super) fn read(
    id: &str,
    attributes: &HashMap<String, String>,
    config: &CloudMapConfig,
) -> Result<Member, String> {
    let wrong = |what: String| format!("instance `{id}` is left out: {what}");
    let of = |key: &str| attributes.get(key).map(String::as_str);
    let member_id = MemberId::parse(id).map_err(|error| wrong(error.to_string()))?;
    let Some(host) = of(IPV4).or(of(IPV6)).or(of(HOST)) else {
        return Err(wrong(format!("it has neither {IPV4} nor {IPV6} nor {HOST}")));
    };
    let port = match of(PORT) {
        Some(port) => port
            .parse()
            .map_err(|_| wrong(format!("{PORT} is `{port}`, which is no port")))?,
        None => config.port.ok_or_else(|| {
            wrong(format!(
                "it has no {PORT}; register it with one, or set discovery.port"
            ))
        })?,
    };
    let address = HostPort::new(host, port).map_err(|error| wrong(error.to_string()))?;
    let role = of(ROLE).map_or(Ok(config.role), str::parse);
    let incarnation = of(INCARNATION).map(|text| {
        let read = text.parse::<u64>();
        read.map_err(|_| wrong(format!("{INCARNATION} is `{text}`, which is no number")))
    });
    let agents = of(AGENTS)
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty());
    let agents = agents.map(|name| AgentName::parse(name.trim()));
    let known = [IPV4, IPV6, PORT, HOST, ROLE, VERSION, INCARNATION, AGENTS];
    let rest = attributes
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_str()));
    Ok(Member {
        id: member_id,
        role: role.map_err(|error| wrong(error.to_string()))?,
        address,
        version: of(VERSION).map(str::to_owned),
        incarnation: incarnation.transpose()?,
        agents: agents
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(error.to_string()))?,
        attributes: rest.map(|(key, value)| (key.clone(), value.clone())).collect(),
    })
}

/// The attributes to register a member with; the error says why Cloud Map doesn't take it.
pub(super) fn write(member: &Member) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    let host = match member.address.ip() {
        Some(IpAddr::V4(_)) => IPV4,
        Some(IpAddr::V6(_)) => IPV6,
        None => HOST,
    };
    all.insert(host.to_owned(), member.address.host().to_owned());
    all.insert(PORT.to_owned(), member.address.port().to_string());
    all.insert(ROLE.to_owned(), member.role.to_string());
    if let Some(version) = &member.version {
        all.insert(VERSION.to_owned(), version.clone());
    }
    if let Some(incarnation) = member.incarnation {
        all.insert(INCARNATION.to_owned(), incarnation.to_string());
    }
    let agents: Vec<&str> = member.agents.iter().map(AgentName::as_str).collect();
    let agents = agents.join(",");
    // A hint only, as a host describes itself: one with very many agents goes without it.
    if !agents.is_empty() && agents.len() <= LONGEST_VALUE {
        all.insert(AGENTS.to_owned(), agents);
    }
    for (key, value) in &member.attributes {
        if all.contains_key(key) {
            return Err(format!("attribute `{key}` is the member's own"));
        }
        all.insert(key.clone(), value.clone());
    }
    if member.id.as_str().len() > LONGEST_ID {
        return Err(format!(
            "the id `{}` is longer than {LONGEST_ID} characters",
            member.id
        ));
    }
    if all.len() > MOST_ATTRIBUTES {
        return Err(format!(
            "{} attributes are more than {MOST_ATTRIBUTES}",
            all.len()
        ));
    }
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let spaced = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'))
    };
    let bad = all.iter().find(|(key, value)| {
        let key_fits = (1..=LONGEST_KEY).contains(&key.len()) && visible(key);
        !key_fits || value.len() > LONGEST_VALUE || !spaced(value) || value.trim() != value.as_str()
    });
    match bad {
        Some((key, _)) => Err(format!(
            "attribute `{key}` is not visible ASCII of at most {LONGEST_VALUE} characters"
        )),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests;
