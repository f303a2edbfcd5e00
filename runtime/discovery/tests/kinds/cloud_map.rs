//! Cloud Map: against an emulator that somebody else wrote, and against canned answers for what it can't do.

mod canned;
mod emulator;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use greenroom_discovery::testkit::{self, Stage};
use greenroom_discovery::{CloudMap, CloudMapConfig, Credentials, SharedCredentialsProvider};
use greenroom_kernel::{Discovery, HostPort, Member, MemberId, MemberRegistry, MemberRole};

use emulator::{Emulator, Gate};

fn config(namespace: &str, service: &str, endpoint: &str) -> CloudMapConfig {
    let credentials = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
    CloudMapConfig {
        region: Some("eu-west-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        ..CloudMapConfig::new(namespace, service)
    }
}

/// One service of the emulator, seen through a gate that can be shut.
struct Registered {
    gate: Gate,
    service: String,
    admin: CloudMap,
}

impl Registered {
    async fn new(emulator: &Emulator) -> Self {
        static SERVICES: AtomicU32 = AtomicU32::new(0);
        let service = format!("agents-{}", SERVICES.fetch_add(1, Ordering::SeqCst));
        emulator.create_service("prod.test", &service).await;
        Self {
            gate: Gate::before(emulator.address).await,
            admin: CloudMap::new(config("prod.test", &service, &emulator.url)),
            service,
        }
    }
}

#[async_trait]
impl Stage for Registered {
    fn discovery(&self) -> Arc<dyn Discovery> {
        Arc::new(CloudMap::new(config("prod.test", &self.service, &self.gate.url)))
    }

    async fn set(&self, hosts: &[HostPort]) {
        let id = |host: &HostPort| MemberId::parse(&host.to_string()).unwrap();
        for seen in self.admin.list().await.unwrap().members {
            if hosts.iter().all(|host| id(host) != seen.member.id) {
                self.admin.deregister(&seen.member.id).await.unwrap();
            }
        }
        let known = self.admin.list().await.unwrap().members;
        for host in hosts {
            if known.iter().all(|seen| seen.member.id != id(host)) {
                let member = Member::at(id(host), MemberRole::Agent, host.clone());
                self.admin.register(&member).await.unwrap();
            }
        }
    }

    async fn up(&self, up: bool) {
        self.gate.open(up).await;
    }
}

#[tokio::test]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn another_s_cloud_map_keeps_the_contract() {
    let emulator = Emulator::start().await;
    testkit::everybody_is_listed_once(&Registered::new(&emulator).await).await;
    testkit::who_comes_or_goes_is_listed_so(&Registered::new(&emulator).await).await;
    testkit::nobody_is_an_empty_list(&Registered::new(&emulator).await).await;
    testkit::an_outage_is_an_error_that_can_be_tried_again(&Registered::new(&emulator).await).await;
    testkit::the_picture_outlives_an_outage_and_says_so(&Registered::new(&emulator).await).await;
    testkit::who_comes_is_used_within_seconds_and_who_goes_is_not(&Registered::new(&emulator).await).await;
    testkit::a_member_enters_changes_and_leaves(&Registered::new(&emulator).await).await;
}

#[tokio::test]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_wrong_region_namespace_or_service_is_named_with_its_remedy() {
    let emulator = Emulator::start().await;
    emulator.create_service("prod.test", "agents").await;
    let right = config("prod.test", "agents", &emulator.url);
    assert!(CloudMap::new(right.clone()).list().await.is_ok());
    let elsewhere = CloudMapConfig {
        region: Some("us-east-1".to_owned()),
        ..right
    };
    for (wrong, named) in [
        (
            elsewhere,
            ["namespace `prod.test`", "in us-east-1", "discovery.region"],
        ),
        (
            config("prot.test", "agents", &emulator.url),
            ["namespace `prot.test`", "in eu-west-1", "discovery.namespace"],
        ),
        (
            config("prod.test", "agent", &emulator.url),
            ["service `agent`", "in namespace `prod.test`", "discovery.service"],
        ),
    ] {
        let map = CloudMap::new(wrong);
        let member = Member::at(
            MemberId::parse("m").unwrap(),
            MemberRole::Agent,
            "127.0.0.1:1".parse().unwrap(),
        );
        for error in [
            map.list().await.unwrap_err(),
            map.revision().await.unwrap_err(),
            map.register(&member).await.unwrap_err(),
        ] {
            let said = error.to_string();
            assert!(
                named.iter().all(|part| said.contains(part)) && !error.is_retryable(),
                "{said}"
            );
        }
    }
}
