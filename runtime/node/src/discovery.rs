//! The directory that the configuration names, as it is asked.

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_discovery::Fixed;
use greenroom_kernel::{Discovery, DiscoveryError, MemberListing, MemberRole};

use crate::config::Place;
use crate::failed::Failed;

/// Builds what is asked; connects to nothing yet. `role` is what members are where nobody says so: entries of a list, and
/// names. Those in Cloud Map that say nothing are agent hosts, which needn't be ours. `set` reads the environment.
///
/// # Errors
/// A kind that this binary was built without, and what the system lacks.
pub(crate) fn directory(
    place: &Place,
    role: MemberRole,
    set: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn Discovery>, Failed> {
    match place {
        Place::Static(hosts) => Ok(Arc::new(Fixed::new(role, hosts.iter().cloned()))),
        #[cfg(feature = "dns")]
        Place::Dns { names, server } => {
            let dns = greenroom_discovery::Dns::new(names.clone(), role, *server)?;
            Ok(Arc::new(dns))
        }
        #[cfg(not(feature = "dns"))]
        Place::Dns { .. } => Err(without("dns")),
        #[cfg(feature = "cloud-map")]
        Place::CloudMap {
            namespace,
            service,
            region,
            endpoint,
            port,
        } => {
            use greenroom_discovery::{CloudMap, CloudMapConfig};
            Ok(Arc::new(CloudMap::new(CloudMapConfig {
                region: region.clone(),
                endpoint: endpoint.clone().or_else(|| elsewhere(set)),
                port: *port,
                ..CloudMapConfig::new(namespace, service)
            })))
        }
        #[cfg(not(feature = "cloud-map"))]
        Place::CloudMap { .. } => {
            let _ = set;
            Err(without("cloud-map"))
        }
    }
}

/// Those of a directory that have a role.
pub(crate) struct OfRole(pub(crate) Arc<dyn Discovery>, pub(crate) MemberRole);

#[async_trait]
impl Discovery for OfRole {
    fn place(&self) -> String {
        self.0.place()
    }

    async fn revision(&self) -> Result<Option<i64>, DiscoveryError> {
        self.0.revision().await
    }

    async fn list(&self) -> Result<MemberListing, DiscoveryError> {
        let mut listing = self.0.list().await?;
        listing.members.retain(|seen| seen.member.role == self.1);
        Ok(listing)
    }
}

/// Where the environment says that Cloud Map is, as the AWS SDKs read it.
#[cfg(feature = "cloud-map")]
fn elsewhere(set: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let ignored =
        set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let names = ["AWS_ENDPOINT_URL_SERVICEDISCOVERY", "AWS_ENDPOINT_URL"];
    let first = || {
        names
            .iter()
            .find_map(|name| set(name).filter(|url| !url.is_empty()))
    };
    if ignored { None } else { first() }
}

#[cfg(not(all(feature = "dns", feature = "cloud-map")))]
fn without(kind: &str) -> Failed {
    Failed::misused(format!(
        "discovery.kind is {kind}, which this binary was built without"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "cloud-map")]
    #[test]
    fn an_endpoint_in_the_environment_counts_where_none_is_configured() {
        let place = |endpoint: Option<&str>| Place::CloudMap {
            namespace: "prod".to_owned(),
            service: "agents".to_owned(),
            region: None,
            endpoint: endpoint.map(str::to_owned),
            port: None,
        };
        let shown = |endpoint, ignored: bool| {
            let set = move |name: &str| match name {
                "AWS_ENDPOINT_URL" => Some("http://there".to_owned()),
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" if ignored => Some("TRUE".to_owned()),
                _ => None,
            };
            directory(&place(endpoint), MemberRole::Agent, &set)
                .unwrap()
                .place()
        };
        assert_eq!(
            shown(None, false),
            "Cloud Map service agents.prod at http://there"
        );
        assert_eq!(shown(None, true), "Cloud Map service agents.prod");
        assert_eq!(
            shown(Some("http://here"), false),
            "Cloud Map service agents.prod at http://here"
        );
    }
}
