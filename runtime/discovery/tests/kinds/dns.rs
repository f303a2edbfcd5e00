//! The DNS, against a small server in this process.

mod server;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use greenroom_discovery::testkit::{self, Stage};
use greenroom_discovery::{Dns, MOST_MEMBERS};
use greenroom_kernel::{Discovery, HostPort, MemberRole};

use crate::keeps_the_contract;
use server::{Server, Zone};

fn dns(server: &Server, names: &[&str]) -> Dns {
    let names = names.iter().map(|name| name.parse().unwrap()).collect();
    Dns::new(names, MemberRole::Agent, Some(server.address)).unwrap()
}

fn number(host: &HostPort) -> Ipv4Addr {
    match host.ip() {
        Some(IpAddr::V4(ip)) => ip,
        other => panic!("{other:?}"),
    }
}

/// One name with an address a member; away, the server is silent.
struct Addresses(Server);

#[async_trait]
impl Stage for Addresses {
    fn discovery(&self) -> Arc<dyn Discovery> {
        Arc::new(dns(&self.0, &["agents.test:7071"]))
    }

    async fn set(&self, hosts: &[HostPort]) {
        let zone = hosts
            .iter()
            .fold(Zone::default(), |zone, host| zone.a("agents.test", number(host)));
        self.0.serve(zone);
    }

    async fn up(&self, up: bool) {
        self.0.silent(!up);
    }
}

/// One service with a record a member; away, the server says that it failed.
struct Services(Server);

#[async_trait]
impl Stage for Services {
    fn discovery(&self) -> Arc<dyn Discovery> {
        Arc::new(dns(&self.0, &["_agents._tcp.test"]))
    }

    async fn set(&self, hosts: &[HostPort]) {
        let zone = hosts.iter().fold(Zone::default(), |zone, host| {
            let name = format!("h{}.test", number(host).octets()[3]);
            zone.srv("_agents._tcp.test", 1, host.port(), &name)
                .a(&name, number(host))
        });
        self.0.serve(zone);
    }

    async fn up(&self, up: bool) {
        self.0.failing(!up);
    }
}

mod addresses {
    use super::*;

    keeps_the_contract!(
        Addresses(Server::start().await);
        everybody_is_listed_once,
        who_comes_or_goes_is_listed_so,
        nobody_is_an_empty_list,
        an_outage_is_an_error_that_can_be_tried_again,
        the_picture_outlives_an_outage_and_says_so,
        who_comes_is_used_within_seconds_and_who_goes_is_not,
    );
}

mod services {
    use super::*;

    keeps_the_contract!(
        Services(Server::start().await);
        everybody_is_listed_once,
        who_comes_or_goes_is_listed_so,
        nobody_is_an_empty_list,
        an_outage_is_an_error_that_can_be_tried_again,
        the_picture_outlives_an_outage_and_says_so,
        who_comes_is_used_within_seconds_and_who_goes_is_not,
    );
}

async fn shown(dns: &Dns) -> (Vec<String>, Vec<String>) {
    let listing = dns.list().await.unwrap();
    let members = listing
        .members
        .iter()
        .map(|seen| format!("{} {}", seen.member.id, seen.member.address));
    (members.collect(), listing.notes)
}

#[tokio::test]
async fn a_service_s_first_priority_counts_and_a_host_without_an_address_is_noted() {
    let server = Server::start().await;
    let service = "_agents._tcp.test";
    let zone = Zone::default()
        .srv(service, 2, 1, "spare.test")
        .srv(service, 1, 7072, "one.test")
        .srv(service, 1, 7071, "One.test")
        .srv(service, 1, 7071, "ghost.test")
        .srv(service, 1, 0, "one.test")
        .a("one.test", Ipv4Addr::new(10, 0, 0, 2))
        .a("one.test", Ipv4Addr::new(10, 0, 0, 1))
        .a("spare.test", Ipv4Addr::new(10, 0, 0, 9))
        .srv("_none._tcp.test", 0, 0, ".");
    server.serve(zone);
    let (members, notes) = shown(&dns(&server, &[service])).await;
    assert_eq!(
        members,
        ["one.test:7071 10.0.0.1:7071", "one.test:7072 10.0.0.1:7072"]
    );
    assert_eq!(
        notes,
        ["ghost.test, which _agents._tcp.test names, has no address"]
    );
    let (members, notes) = shown(&dns(&server, &["_none._tcp.test"])).await;
    assert!(
        members.is_empty() && notes[0].starts_with("_none._tcp.test has no records"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn ipv6_addresses_count_only_where_there_are_no_others_and_two_names_are_joined() {
    let server = Server::start().await;
    let zone = Zone::default()
        .a("both.test", Ipv4Addr::LOCALHOST)
        .aaaa("both.test", "2001:db8::1".parse().unwrap())
        .aaaa("six.test", "2001:db8::2".parse().unwrap());
    server.serve(zone);
    let (members, notes) = shown(&dns(
        &server,
        &["six.test:1", "both.test:1", "both.test:1", "typo.test:1"],
    ))
    .await;
    assert_eq!(
        members,
        ["127.0.0.1:1 127.0.0.1:1", "2001:db8::2:1 [2001:db8::2]:1"]
    );
    assert_eq!(
        notes,
        ["typo.test:1 has no records: nobody is there, or the name is mistyped"]
    );
}

#[tokio::test]
async fn an_answer_too_large_for_a_packet_comes_by_tcp_and_is_bounded() {
    let server = Server::start().await;
    let all = (0..1200_u16).map(|n| Ipv4Addr::new(10, 1, (n / 256) as u8, (n % 256) as u8));
    server.serve(all.fold(Zone::default(), |zone, ip| zone.a("many.test", ip)));
    let (members, _) = shown(&dns(&server, &["many.test:7071"])).await;
    assert_eq!(members.len(), MOST_MEMBERS);
    assert!(server.asked_by_tcp() > 0);
}
