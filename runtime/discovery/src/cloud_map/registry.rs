//! The writing side: members enter themselves and leave. Cloud Map does either some time later and is asked until it
//! says so.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_servicediscovery::operation::deregister_instance::DeregisterInstanceError;
use aws_sdk_servicediscovery::operation::register_instance::RegisterInstanceError;
use aws_sdk_servicediscovery::operation::update_instance_custom_health_status::UpdateInstanceCustomHealthStatusError;
use aws_sdk_servicediscovery::types::{
    CustomHealthStatus, FilterCondition, NamespaceFilter, NamespaceFilterName, OperationStatus,
    ServiceFilter, ServiceFilterName,
};
use greenroom_kernel::{Discovery as _, DiscoveryError, Member, MemberId, MemberRegistry};
use tokio::time::{Instant, sleep};

use super::CloudMap;
use super::attributes::write;

/// How long an operation may take. Where the service has DNS records, Route 53 has its part in it.
const DONE_WITHIN: Duration = Duration::from_secs(60);
const ASK_FIRST_AFTER: Duration = Duration::from_millis(100);
const ASK_AT_LEAST_EVERY: Duration = Duration::from_secs(2);

const REGISTER: &str = "RegisterInstance";
const DEREGISTER: &str = "DeregisterInstance";
const PUBLISH: &str = "UpdateInstanceCustomHealthStatus";

impl CloudMap {
    /// The service's id, looked up once.
    async fn service_id(&self) -> Result<String, DiscoveryError> {
        let known = self.service_id.lock().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.find_service().await?;
        *self.service_id.lock() = Some(found.clone());
        Ok(found)
    }

    async fn find_service(&self) -> Result<String, DiscoveryError> {
        let (client, config) = (&self.clients().await?.writing, &self.config);
        let filter = NamespaceFilter::builder()
            .name(NamespaceFilterName::Name)
            .values(&config.namespace)
            .condition(FilterCondition::Eq)
            .build();
        let filter = filter.map_err(|error| self.unmakable(&error))?;
        let mut pages = client.list_namespaces().filters(filter).into_paginator().send();
        let mut namespace = None;
        while let (None, Some(page)) = (&namespace, pages.next().await) {
            let page = page.map_err(|error| self.refusals().of("ListNamespaces", &error))?;
            let mut all = page.namespaces.unwrap_or_default().into_iter();
            namespace = all
                .find(|one| one.name() == Some(&config.namespace))
                .and_then(|one| one.id);
        }
        let namespace = namespace.ok_or_else(|| self.refusals().no_namespace())?;
        let filter = ServiceFilter::builder()
            .name(ServiceFilterName::NamespaceId)
            .values(&namespace)
            .condition(FilterCondition::Eq)
            .build();
        let filter = filter.map_err(|error| self.unmakable(&error))?;
        let mut pages = client.list_services().filters(filter).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.refusals().of("ListServices", &error))?;
            let found = page.services.unwrap_or_default().into_iter().find(|one| {
                // The summaries of AWS don't tell the namespace: there the filter has.
                one.name() == Some(&config.service)
            });
            if let Some(id) = found.and_then(|one| one.id) {
                return Ok(id);
            }
        }
        Err(self.refusals().no_service())
    }

    fn unmakable(&self, error: &aws_sdk_servicediscovery::error::BuildError) -> DiscoveryError {
        DiscoveryError::Misconfigured {
            place: self.place(),
            why: error.to_string(),
            remedy: "mend discovery.namespace and discovery.service",
        }
    }

    /// Another service may have taken the name of one that was deleted.
    fn forget_service(&self) {
        *self.service_id.lock() = None;
    }

    /// Waits until an operation is done.
    async fn done(&self, what: &'static str, operation: Option<&str>) -> Result<(), DiscoveryError> {
        let failed = |why: String| DiscoveryError::Failed {
            place: self.place(),
            operation: what,
            why,
        };
        let id = operation.ok_or_else(|| failed("it named no operation".to_owned()))?;
        let client = &self.clients().await?.writing;
        let until = Instant::now() + DONE_WITHIN;
        let mut pause = ASK_FIRST_AFTER;
        loop {
            let answer = client.get_operation().operation_id(id).send().await;
            let answer = answer.map_err(|error| self.refusals().of("GetOperation", &error))?;
            let operation = answer.operation();
            match operation.and_then(|operation| operation.status()) {
                Some(OperationStatus::Success) => return Ok(()),
                Some(OperationStatus::Fail) => {
                    let said = |text: Option<&str>| text.unwrap_or("no reason given").to_owned();
                    let code = said(operation.and_then(|operation| operation.error_code()));
                    let why = said(operation.and_then(|operation| operation.error_message()));
                    return Err(failed(format!("{code} ({why})")));
                }
                _ if Instant::now() >= until => {
                    return Err(DiscoveryError::Unreachable {
                        place: self.place(),
                        operation: what,
                        why: format!("operation {id} is not done after {} s", DONE_WITHIN.as_secs()),
                    });
                }
                _ => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(ASK_AT_LEAST_EVERY);
        }
    }
}

#[async_trait]
impl MemberRegistry for CloudMap {
    async fn register(&self, member: &Member) -> Result<(), DiscoveryError> {
        let attributes = write(member).map_err(|why| DiscoveryError::Misconfigured {
            place: self.place(),
            why: format!("{} can't be registered: {why}", member.id),
            remedy: "give the member a shorter id, or fewer and shorter attributes",
        })?;
        let service = self.service_id().await?;
        let call = self.clients().await?.writing.register_instance();
        let call = call
            .service_id(service)
            .instance_id(member.id.as_str())
            .set_attributes(Some(attributes.into_iter().collect()));
        match call.send().await {
            Ok(answer) => self.done(REGISTER, answer.operation_id()).await,
            Err(error) => match error.as_service_error() {
                // The same call is on its way already: whose, doesn't matter.
                Some(RegisterInstanceError::DuplicateRequest(same))
                    if same.duplicate_operation_id().is_some() =>
                {
                    self.done(REGISTER, same.duplicate_operation_id()).await
                }
                refused => {
                    if matches!(refused, Some(RegisterInstanceError::ServiceNotFound(_))) {
                        self.forget_service();
                    }
                    Err(self.refusals().of(REGISTER, &error))
                }
            },
        }
    }

    async fn deregister(&self, id: &MemberId) -> Result<(), DiscoveryError> {
        let service = self.service_id().await?;
        let call = self.clients().await?.writing.deregister_instance();
        match call.service_id(service).instance_id(id.as_str()).send().await {
            Ok(answer) => self.done(DEREGISTER, answer.operation_id()).await,
            Err(error) => match error.as_service_error() {
                Some(DeregisterInstanceError::InstanceNotFound(_)) => Ok(()),
                Some(DeregisterInstanceError::DuplicateRequest(same))
                    if same.duplicate_operation_id().is_some() =>
                {
                    self.done(DEREGISTER, same.duplicate_operation_id()).await
                }
                refused => {
                    if matches!(refused, Some(DeregisterInstanceError::ServiceNotFound(_))) {
                        self.forget_service();
                    }
                    Err(self.refusals().of(DEREGISTER, &error))
                }
            },
        }
    }

    async fn publish(&self, id: &MemberId, healthy: bool) -> Result<(), DiscoveryError> {
        let service = self.service_id().await?;
        let status = match healthy {
            true => CustomHealthStatus::Healthy,
            false => CustomHealthStatus::Unhealthy,
        };
        let call = self
            .clients()
            .await?
            .writing
            .update_instance_custom_health_status();
        let call = call.service_id(service).instance_id(id.as_str()).status(status);
        let Err(error) = call.send().await else {
            return Ok(());
        };
        let missing = |what: String, remedy| DiscoveryError::Missing {
            place: self.place(),
            what,
            remedy,
        };
        Err(match error.as_service_error() {
            Some(UpdateInstanceCustomHealthStatusError::CustomHealthNotFound(_)) => missing(
                "custom health check in the service".to_owned(),
                "create the service with HealthCheckCustomConfig",
            ),
            Some(UpdateInstanceCustomHealthStatusError::InstanceNotFound(_)) => {
                missing(format!("instance `{id}`"), "register it first")
            }
            _ => self.refusals().of(PUBLISH, &error),
        })
    }
}
