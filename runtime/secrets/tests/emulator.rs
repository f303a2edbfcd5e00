//! Against PyPI's `ministack` as Secrets Manager.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use greenroom_secrets::{Credentials, SecretError, SecretsManager, SecretsManagerConfig};
use serde_json::{Value, json};

struct Emulator {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    fn start() -> Self {
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
            .spawn()
            .unwrap();
        let emulator = Self {
            child,
            url: format!("http://{address}"),
            _folder: folder,
        };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "ministack takes no connections");
            std::thread::sleep(Duration::from_millis(50));
        }
        emulator
    }

    async fn say(&self, operation: &str, body: Value) {
        let call = reqwest::Client::new().post(&self.url).json(&body);
        let call = call
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDFORATEST/20261126/eu-west-1/secretsmanager/aws4_request, \
                 SignedHeaders=host, Signature=0",
            );
        let answer = call.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    fn secret(&self, id: &str) -> SecretsManager {
        let credentials = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
        SecretsManager::new(SecretsManagerConfig {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some(self.url.clone()),
            credentials: Some(credentials),
            ..SecretsManagerConfig::new(id)
        })
    }
}

#[tokio::test]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_secret_is_read_as_it_is_now_and_what_is_wrong_is_told_apart() {
    let emulator = Emulator::start();
    emulator
        .say(
            "CreateSecret",
            json!({ "Name": "greenroom/agent", "SecretString": "one" }),
        )
        .await;
    let secret = emulator.secret("greenroom/agent");
    let read = secret.read().await.unwrap();
    assert_eq!(read.expose(), "one");
    assert!(!format!("{read:?}").contains("one"));
    emulator
        .say(
            "PutSecretValue",
            json!({ "SecretId": "greenroom/agent", "SecretString": "two" }),
        )
        .await;
    assert_eq!(secret.read().await.unwrap().expose(), "two");

    let missing = emulator.secret("greenroom/nobody").read().await.unwrap_err();
    let said = missing.to_string();
    assert!(matches!(missing, SecretError::Refused { .. }), "{said}");
    assert!(
        said.contains("greenroom/nobody") && said.contains("mend its name or its region"),
        "{said}"
    );

    let elsewhere = SecretsManager::new(SecretsManagerConfig {
        region: Some("eu-west-1".to_owned()),
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        credentials: Some(Credentials::new("AKIDFORATEST", "s", None, None, "a test")),
        ..SecretsManagerConfig::new("x")
    });
    assert!(elsewhere.read().await.unwrap_err().is_retryable());
}
