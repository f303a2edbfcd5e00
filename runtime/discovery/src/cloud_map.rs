//! AWS Cloud Map: one service of one namespace, whose instances are members.
//!
//! Everybody is asked for, well or not: what Cloud Map says of health is tens of seconds old, a hint to whoever asks the
//! members themselves.

mod attributes;
mod connect;
mod refusal;
mod registry;

use async_trait::async_trait;
use aws_sdk_servicediscovery::types::{HealthStatus, HealthStatusFilter, HttpInstanceSummary};
use greenroom_kernel::{
    Discovery, DiscoveryError, HealthHint, MemberListing, MemberRegistry, MemberRole, Sighting,
};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

pub use greenroom_aws::{Credentials, SharedCredentialsProvider};

use crate::MOST_MEMBERS;
use attributes::read;
use connect::{Clients, at};
use refusal::Refusals;

/// Where the service is and what its instances are.
#[derive(Debug, Clone)]
pub struct CloudMapConfig {
    /// The namespace's name.
    pub namespace: String,
    /// The service's name in it.
    pub service: String,
    /// The region; none: as the AWS SDKs find it.
    pub region: Option<String>,
    /// Another address than the region's own, for all calls: an emulator's, or an endpoint inside a VPC.
    pub endpoint: Option<String>,
    /// Who calls; none: as the AWS SDKs find it.
    pub credentials: Option<SharedCredentialsProvider>,
    /// What an instance is that doesn't say so.
    pub role: MemberRole,
    /// Where an instance listens that doesn't say so: Amazon ECS writes no port down unless SRV records are kept.
    pub port: Option<u16>,
}

impl CloudMapConfig {
    /// A service whose instances are agent hosts, found as the SDKs find everything else.
    pub fn new(namespace: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            service: service.into(),
            region: None,
            endpoint: None,
            credentials: None,
            role: MemberRole::Agent,
            port: None,
        }
    }
}

/// The members in one service of Cloud Map. Reads the environment when first used; one is enough for a process.
pub struct CloudMap {
    config: CloudMapConfig,
    clients: OnceCell<Clients>,
    /// The service's id, which only the writing side needs.
    service_id: Mutex<Option<String>>,
}

impl CloudMap {
    /// Connects to nothing yet.
    pub fn new(config: CloudMapConfig) -> Self {
        Self {
            config,
            clients: OnceCell::new(),
            service_id: Mutex::default(),
        }
    }

    async fn clients(&self) -> Result<&Clients, DiscoveryError> {
        let clients = self.clients.get_or_init(|| connect::connect(&self.config)).await;
        match clients.region {
            Some(_) => Ok(clients),
            None => Err(DiscoveryError::Misconfigured {
                place: self.place(),
                why: "no AWS region is known".to_owned(),
                remedy: "set discovery.region or AWS_REGION",
            }),
        }
    }

    fn refusals(&self) -> Refusals {
        Refusals::new(self.place(), &self.config)
    }

    /// What an instance is as a member; else what is wrong with it.
    fn sighting(&self, instance: &HttpInstanceSummary) -> Result<Sighting, String> {
        let id = instance.instance_id().unwrap_or_default();
        let none = std::collections::HashMap::new();
        let attributes = instance.attributes().unwrap_or(&none);
        let member = read(id, attributes, &self.config)?;
        let hint = match instance.health_status() {
            Some(HealthStatus::Healthy) => HealthHint::Healthy,
            Some(HealthStatus::Unhealthy) => HealthHint::Unhealthy,
            _ => HealthHint::None,
        };
        Ok(Sighting { member, hint })
    }
}

#[async_trait]
impl Discovery for CloudMap {
    fn place(&self) -> String {
        let CloudMapConfig {
            namespace, service, ..
        } = &self.config;
        let found = self.clients.get().and_then(|clients| clients.region.as_ref());
        let region = found.or(self.config.region.as_ref());
        let region = region.map(|region| format!(" in {region}")).unwrap_or_default();
        let endpoint = self.config.endpoint.as_ref();
        let endpoint = endpoint.map(|url| format!(" at {url}")).unwrap_or_default();
        format!("Cloud Map service {service}.{namespace}{region}{endpoint}")
    }

    async fn revision(&self) -> Result<Option<i64>, DiscoveryError> {
        let call = self.clients().await?.reading.discover_instances_revision();
        let call = call
            .namespace_name(&self.config.namespace)
            .service_name(&self.config.service);
        let answer = call.customize().mutate_request(at(&self.config)).send().await;
        let answer = answer.map_err(|error| self.refusals().of("DiscoverInstancesRevision", &error))?;
        Ok(answer.instances_revision())
    }

    async fn list(&self) -> Result<MemberListing, DiscoveryError> {
        let call = self.clients().await?.reading.discover_instances();
        let call = call
            .namespace_name(&self.config.namespace)
            .service_name(&self.config.service)
            .health_status(HealthStatusFilter::All)
            .max_results(i32::try_from(MOST_MEMBERS).unwrap_or(i32::MAX));
        let answer = call.customize().mutate_request(at(&self.config)).send().await;
        let answer = answer.map_err(|error| self.refusals().of("DiscoverInstances", &error))?;
        let mut listing = MemberListing {
            revision: answer.instances_revision(),
            ..MemberListing::default()
        };
        for instance in answer.instances() {
            match self.sighting(instance) {
                Ok(sighting) => listing.members.push(sighting),
                Err(why) => listing.notes.push(why),
            }
        }
        if answer.instances().len() >= MOST_MEMBERS {
            listing.notes.push(format!(
                "there may be more than the {MOST_MEMBERS} members that can be listed"
            ));
        }
        // It answers in any order.
        listing.members.sort_by(|a, b| a.member.id.cmp(&b.member.id));
        listing.notes.sort_unstable();
        Ok(listing)
    }

    fn registry(&self) -> Option<&dyn MemberRegistry> {
        Some(self)
    }
}
