//! PyPI's `ministack` as Cloud Map.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use greenroom_discovery::{CloudMap, CloudMapConfig, Credentials, SharedCredentialsProvider};
use greenroom_kernel::{Member, MemberId, MemberRegistry, MemberRole};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::until;

pub(crate) struct Emulator {
    child: tokio::sync::Mutex<Child>,
    pub(crate) url: String,
    map: CloudMap,
    _folder: TempDir,
}

impl Emulator {
    /// Starts it with one service.
    pub(crate) async fn start() -> Self {
        let parts: PathBuf = std::env::var_os("GREENROOM_TEST_PARTS")
            .expect("run by `cargo xtask test`")
            .into();
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(parts.join("python/bin/ministack"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until("ministack takes connections", Duration::from_secs(60), || async {
            TcpStream::connect(address).ok()
        })
        .await;
        let url = format!("http://{address}");
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
        let credentials = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
        let map = CloudMap::new(CloudMapConfig {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some(url.clone()),
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            ..CloudMapConfig::new("prod.test", "agents")
        });
        Self {
            child: tokio::sync::Mutex::new(child),
            url,
            map,
            _folder: folder,
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

    pub(crate) async fn kill(&self) {
        self.child.lock().await.kill().await.unwrap();
    }
}
