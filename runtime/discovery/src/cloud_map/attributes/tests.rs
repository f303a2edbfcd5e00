//! Attributes as Amazon ECS, people and this program write them.

use greenroom_kernel::MemberRole;

use super::*;

fn config() -> CloudMapConfig {
    CloudMapConfig::new("prod", "agents")
}

fn attributes(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn member() -> Member {
    Member {
        version: Some("1.2.3".to_owned()),
        incarnation: Some(u64::MAX),
        agents: ["a", "b-c"].map(|name| AgentName::parse(name).unwrap()).to_vec(),
        attributes: BTreeMap::from([("zone".to_owned(), "eu-west-1a".to_owned())]),
        ..Member::at(
            MemberId::parse("host-1").unwrap(),
            MemberRole::Supervisor,
            "10.0.0.1:7071".parse().unwrap(),
        )
    }
}

#[test]
fn a_member_survives_being_registered_whatever_its_address() {
    for address in ["10.0.0.1:7071", "[2001:db8::1]:80", "agents.internal:443"] {
        let member = Member {
            address: address.parse().unwrap(),
            ..member()
        };
        let written = write(&member).unwrap().into_iter().collect();
        assert_eq!(read("host-1", &written, &config()), Ok(member));
    }
}

#[test]
fn what_amazon_ecs_registers_is_a_member_of_the_configured_role() {
    let ecs = attributes(&[
        (IPV4, "172.31.1.2"),
        ("AVAILABILITY_ZONE", "eu-west-1a"),
        ("ECS_CLUSTER_NAME", "main"),
    ]);
    let error = read("0123abc", &ecs, &config()).unwrap_err();
    assert!(
        error.contains("`0123abc`") && error.contains("set discovery.port"),
        "{error}"
    );
    let config = CloudMapConfig {
        port: Some(7071),
        ..config()
    };
    let read = read("0123abc", &ecs, &config).unwrap();
    assert_eq!(read.address.to_string(), "172.31.1.2:7071");
    assert_eq!(read.role, MemberRole::Agent);
    assert_eq!(read.attributes["ECS_CLUSTER_NAME"], "main");
}

#[test]
fn an_instance_that_makes_no_sense_is_left_out_by_name_and_reason() {
    let good = [(IPV4, "10.0.0.1"), (PORT, "1")];
    for (more, named) in [
        ((PORT, "x"), "AWS_INSTANCE_PORT is `x`"),
        ((PORT, "0"), "10.0.0.1:0"),
        ((IPV4, "10.0.0.300"), "10.0.0.300"),
        ((ROLE, "king"), "`king` is no role"),
        ((INCARNATION, "-1"), "greenroom.incarnation is `-1`"),
        ((AGENTS, "a,b c"), "an agent name"),
    ] {
        let mut all = attributes(&good);
        all.insert(more.0.to_owned(), more.1.to_owned());
        let error = read("i-1", &all, &config()).unwrap_err();
        assert!(
            error.starts_with("instance `i-1` is left out: ") && error.contains(named),
            "{error}"
        );
    }
    assert!(
        read("i-1", &attributes(&[(PORT, "1")]), &config())
            .unwrap_err()
            .contains("neither")
    );
    assert!(
        read("", &attributes(&good), &config())
            .unwrap_err()
            .contains("a member's id")
    );
}

#[test]
fn what_cloud_map_does_not_take_is_not_sent() {
    let with = |key: &str, value: &str| {
        let mut member = member();
        member.attributes.insert(key.to_owned(), value.to_owned());
        write(&member).unwrap_err()
    };
    assert!(with(ROLE, "agent").contains("`greenroom.role` is the member's own"));
    assert!(with("zöne", "x").contains("`zöne`"));
    assert!(with("zone", "ü").contains("`zone`"));
    assert!(with("zone", &"x".repeat(1025)).contains("1024"));
    let mut crowded = member();
    crowded
        .attributes
        .extend((0..30).map(|n| (format!("k{n}"), String::new())));
    assert!(write(&crowded).unwrap_err().contains("more than 30"));
    let named = Member {
        id: MemberId::parse(&"x".repeat(65)).unwrap(),
        ..member()
    };
    assert!(write(&named).unwrap_err().contains("longer than 64"));
    let many = Member {
        agents: (0..200)
            .map(|n| AgentName::parse(&format!("agent-{n}")).unwrap())
            .collect(),
        ..member()
    };
    assert!(!write(&many).unwrap().contains_key(AGENTS));
}
