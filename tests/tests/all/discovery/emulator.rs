//! PyPI's `ministack` as Cloud Map.

use greenroom_aws::testkit::Ministack;
use greenroom_discovery::{CloudMap, CloudMapConfig};
use greenroom_kernel::{Member, MemberId, MemberRegistry, MemberRole};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub(crate) struct Emulator {
    ministack: Mutex<Ministack>,
    pub(crate) url: String,
    map: CloudMap,
}

impl Emulator {
    /// Starts it with one service.
    pub(crate) async fn start() -> Self {
        let ministack = Ministack::start();
        let url = ministack.url();
        let say = async |operation: &str, body: Value| -> Value {
            let call = reqwest::Client::new().post(&url).json(&body);
            let call = call.header("x-amz-target", format!("Route53AutoNaming_v20170314.{operation}")).header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDFORATEST/20261126/eu-west-1/servicediscovery/aws4_request, \
                 SignedHeaders=host, Signature=0",
            );
            serde_json::from_str(&call.send().await.unwrap().text().await.unwrap()).unwrap()
        };
        say("CreateHttpNamespace", json!({ "Name": "prod.test" })).await;
        let all = say("ListNamespaces", json!({})).await;
        let id = &all["Namespaces"][0]["Id"];
        say("CreateService", json!({ "Name": "agents", "NamespaceId": id })).await;
        let map = CloudMap::new(CloudMapConfig {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some(url.clone()),
            credentials: Some(Ministack::credentials()),
            ..CloudMapConfig::new("prod.test", "agents")
        });
        Self {
            ministack: Mutex::new(ministack),
            url,
            map,
        }
    }

    pub(crate) async fn register(&self, id: &str, url: &str) {
        let member = Member::at(
            MemberId::parse(id).unwrap(),
            MemberRole::Agent,
            url.parse().unwrap(),
        );
        self.map.register(&member).await.unwrap();
    }

    pub(crate) async fn deregister(&self, id: &str) {
        self.map.deregister(&MemberId::parse(id).unwrap()).await.unwrap();
    }

    pub(crate) fn kill(&self) {
        self.ministack.lock().kill();
    }
}
