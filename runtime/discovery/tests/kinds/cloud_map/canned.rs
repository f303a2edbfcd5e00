//! What the emulator doesn't do: operations that take their time or fail, refusals, throttling, silence.

mod server;

use std::time::Duration;

use greenroom_discovery::CloudMap;
use greenroom_kernel::{Discovery, DiscoveryError, Member, MemberId, MemberRegistry, MemberRole};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::config;
use server::{Answer, Canned};

fn refusal(status: u16, code: &str) -> Vec<Answer> {
    vec![(status, json!({ "__type": code, "message": "as canned" }))]
}

fn member() -> Member {
    Member::at(
        MemberId::parse("host-1").unwrap(),
        MemberRole::Agent,
        "10.0.0.1:7071".parse().unwrap(),
    )
}

fn found() -> Vec<(&'static str, Vec<Answer>)> {
    let namespaces = |ids: &[(&str, &str)], more: Value| {
        let all: Vec<Value> = ids
            .iter()
            .map(|(id, name)| json!({ "Id": id, "Name": name }))
            .collect();
        (200, json!({ "Namespaces": all, "NextToken": more }))
    };
    vec![
        // On the second page, behind one whose name only begins alike.
        (
            "ListNamespaces",
            vec![
                namespaces(&[("ns-0", "prod.test.old")], json!("more")),
                namespaces(&[("ns-1", "prod.test")], Value::Null),
            ],
        ),
        (
            "ListServices",
            vec![(
                200,
                json!({ "Services": [
            { "Id": "srv-0", "Name": "agents-old" }, { "Id": "srv-1", "Name": "agents" }
        ] }),
            )],
        ),
    ]
}

fn operation(status: &str) -> Answer {
    (
        200,
        json!({ "Operation": { "Id": "op-1", "Status": status, "ErrorCode": "INVALID_CHANGE_BATCH",
        "ErrorMessage": "no such zone" } }),
    )
}

#[tokio::test]
async fn registering_waits_until_the_operation_is_done() {
    let mut answers = found();
    answers.push(("RegisterInstance", vec![(200, json!({ "OperationId": "op-1" }))]));
    answers.push((
        "GetOperation",
        vec![operation("SUBMITTED"), operation("PENDING"), operation("SUCCESS")],
    ));
    let canned = Canned::start(&answers).await;
    let map = canned.map();
    map.register(&member()).await.unwrap();
    assert_eq!(canned.asked("GetOperation").len(), 3);
    map.register(&member()).await.unwrap();
    assert_eq!(
        canned.asked("ListNamespaces").len(),
        2,
        "the service is looked up once"
    );
    let asked = &canned.asked("RegisterInstance")[0];
    assert_eq!(asked["ServiceId"], "srv-1");
    assert_eq!(asked["InstanceId"], "host-1");
    assert_eq!(
        asked["Attributes"],
        json!({
            "AWS_INSTANCE_IPV4": "10.0.0.1", "AWS_INSTANCE_PORT": "7071", "greenroom.role": "agent"
        })
    );
    assert!(
        asked["CreatorRequestId"].is_string(),
        "a repeated request is one registration: {asked}"
    );
}

#[tokio::test]
async fn an_operation_that_fails_is_an_error_with_its_reason() {
    let mut answers = found();
    answers.push(("RegisterInstance", vec![(200, json!({ "OperationId": "op-1" }))]));
    answers.push((
        "DeregisterInstance",
        vec![(200, json!({ "OperationId": "op-2" }))],
    ));
    answers.push(("GetOperation", vec![operation("PENDING"), operation("FAIL")]));
    let canned = Canned::start(&answers).await;
    let map = canned.map();
    for error in [
        map.register(&member()).await.unwrap_err(),
        map.deregister(&member().id).await.unwrap_err(),
    ] {
        let said = error.to_string();
        assert!(
            said.contains("INVALID_CHANGE_BATCH (no such zone)") && !error.is_retryable(),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_call_that_is_under_way_already_is_waited_for() {
    let mut answers = found();
    let under_way = (
        400,
        json!({ "__type": "DuplicateRequest", "message": "again", "DuplicateOperationId": "op-7" }),
    );
    answers.push(("RegisterInstance", vec![under_way.clone()]));
    answers.push(("DeregisterInstance", vec![under_way]));
    answers.push(("GetOperation", vec![operation("SUCCESS")]));
    let canned = Canned::start(&answers).await;
    canned.map().register(&member()).await.unwrap();
    canned.map().deregister(&member().id).await.unwrap();
    assert!(
        canned
            .asked("GetOperation")
            .iter()
            .all(|asked| asked["OperationId"] == "op-7")
    );
}

#[tokio::test]
async fn a_service_without_custom_health_and_a_service_made_anew_are_understood() {
    let mut answers = found();
    answers.push((
        "UpdateInstanceCustomHealthStatus",
        refusal(400, "CustomHealthNotFound"),
    ));
    answers.push(("RegisterInstance", refusal(400, "ServiceNotFound")));
    let canned = Canned::start(&answers).await;
    let map = canned.map();
    let error = map.publish(&member().id, true).await.unwrap_err().to_string();
    assert!(error.contains("HealthCheckCustomConfig"), "{error}");
    let looked = canned.asked("ListServices").len();
    map.register(&member()).await.unwrap_err();
    map.register(&member()).await.unwrap_err();
    assert_eq!(
        canned.asked("ListServices").len(),
        looked + 1,
        "its id is looked up again"
    );
}

#[tokio::test]
async fn refusals_say_what_to_do_and_passing_trouble_can_be_tried_again() {
    for (status, code, said, again) in [
        (400, "UnrecognizedClientException", "AWS_ACCESS_KEY_ID", false),
        (403, "InvalidSignatureException", "this machine's clock", false),
        (
            400,
            "AccessDeniedException",
            "allow servicediscovery:DiscoverInstances",
            false,
        ),
        (400, "RequestLimitExceeded", "throttled", true),
        (400, "ThrottlingException", "throttled", true),
        (500, "InternalFailure", "no answer to", true),
        (400, "InvalidInput", "failed: InvalidInput (as canned)", false),
        (404, "NamespaceNotFound", "discovery.namespace", false),
        (404, "ServiceNotFound", "discovery.service", false),
    ] {
        let canned = Canned::start(&[
            ("DiscoverInstances", refusal(status, code)),
            ("DiscoverInstancesRevision", refusal(status, code)),
        ])
        .await;
        let map = canned.map();
        for error in [map.list().await.unwrap_err(), map.revision().await.unwrap_err()] {
            let told = error.to_string();
            assert!(
                told.contains(said) && told.starts_with(&map.place()),
                "{code}: {told}"
            );
            assert_eq!(error.is_retryable(), again, "{code}");
        }
        assert_eq!(
            canned.asked("DiscoverInstances").len(),
            1,
            "{code}: who watches asks again"
        );
    }
}

#[tokio::test]
async fn what_is_asked_is_everybody_and_what_makes_no_sense_is_noted() {
    let instance = |id: &str, attributes: Value, health: &str| json!({ "InstanceId": id, "Attributes": attributes, "HealthStatus": health });
    let canned = Canned::start(&[("DiscoverInstances", vec![(200, json!({
        "InstancesRevision": 42,
        "Instances": [
            instance("b", json!({ "AWS_INSTANCE_IPV4": "10.0.0.2", "AWS_INSTANCE_PORT": "7071" }), "UNHEALTHY"),
            instance("c", json!({ "AWS_INSTANCE_CNAME": "elsewhere" }), "HEALTHY"),
            instance("a", json!({ "AWS_INSTANCE_IPV4": "10.0.0.1", "AWS_INSTANCE_PORT": "7071" }), "UNKNOWN"),
        ],
    }))])])
    .await;
    let listing = canned.map().list().await.unwrap();
    let ids: Vec<_> = listing
        .members
        .iter()
        .map(|seen| (seen.member.id.as_str(), seen.hint))
        .collect();
    use greenroom_kernel::HealthHint::{None, Unhealthy};
    assert_eq!(ids, [("a", None), ("b", Unhealthy)]);
    assert_eq!(listing.revision, Some(42));
    assert!(
        listing.notes.len() == 1 && listing.notes[0].contains("`c`"),
        "{:?}",
        listing.notes
    );
    let asked = &canned.asked("DiscoverInstances")[0];
    assert_eq!(
        (&asked["HealthStatus"], &asked["MaxResults"]),
        (&json!("ALL"), &json!(1000))
    );
}

#[tokio::test]
async fn nobody_who_answers_is_no_answer_and_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for endpoint in [gone, silent] {
        let map = CloudMap::new(config("prod.test", "agents", &endpoint));
        let error = tokio::time::timeout(Duration::from_secs(9), map.list())
            .await
            .expect("in time")
            .unwrap_err();
        assert!(matches!(error, DiscoveryError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(&endpoint), "{error}");
    }
}
