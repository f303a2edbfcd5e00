//! PyPI's `ministack`, and a gate before it that can be shut.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_servicediscovery::Client;
use greenroom_discovery::{Credentials, SharedCredentialsProvider};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// The emulator's process.
pub(crate) struct Emulator {
    _child: Child,
    _folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    client: Client,
}

impl Emulator {
    /// Starts it, and waits until it takes connections.
    pub(crate) async fn start() -> Self {
        let parts: PathBuf = std::env::var_os("GREENROOM_TEST_PARTS")
            .expect("run by `cargo xtask test`")
            .into();
        let folder = tempfile::tempdir().unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let child = Command::new(parts.join("python/bin/ministack"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let until = tokio::time::Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).await.is_err() {
            assert!(
                tokio::time::Instant::now() < until,
                "ministack takes no connections"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let url = format!("http://{address}");
        let credentials = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&url)
            .load()
            .await;
        Self {
            _child: child,
            _folder: folder,
            address,
            url,
            client: Client::new(&config),
        }
    }

    /// A service with a custom health check in a namespace, which is made when it isn't there.
    pub(crate) async fn create_service(&self, namespace: &str, service: &str) {
        let _ = self.client.create_http_namespace().name(namespace).send().await;
        let all = self.client.list_namespaces().send().await.unwrap();
        let id = all
            .namespaces()
            .iter()
            .find(|one| one.name() == Some(namespace))
            .unwrap()
            .id()
            .unwrap();
        let check = aws_sdk_servicediscovery::types::HealthCheckCustomConfig::builder().build();
        let call = self.client.create_service().name(service).namespace_id(id);
        call.health_check_custom_config(check).send().await.unwrap();
    }
}

/// Passes connections on while it is open; shut, it breaks those that are open and refuses new ones.
pub(crate) struct Gate {
    to: SocketAddr,
    at: SocketAddr,
    pub(crate) url: String,
    passing: Arc<Mutex<JoinSet<()>>>,
}

impl Gate {
    pub(crate) async fn before(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let gate = Self {
            to,
            at,
            url: format!("http://{at}"),
            passing: Arc::default(),
        };
        gate.pass(listener);
        gate
    }

    pub(crate) async fn open(&self, open: bool) {
        let mut before = std::mem::take(&mut *self.passing.lock());
        before.shutdown().await;
        if open {
            self.pass(TcpListener::bind(self.at).await.unwrap());
        }
    }

    fn pass(&self, listener: TcpListener) {
        let to = self.to;
        self.passing.lock().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut one, _)) = listener.accept().await {
                connections.spawn(async move {
                    let Ok(mut other) = TcpStream::connect(to).await else {
                        return;
                    };
                    let _ = tokio::io::copy_bidirectional(&mut one, &mut other).await;
                });
            }
        });
    }
}
