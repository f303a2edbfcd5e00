//! A service of DynamoDB's interface that somebody else wrote: PyPI's `ministack`.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use greenroom_store::{Credentials, DynamoOptions, DynamoStore, SharedCredentialsProvider};

pub(crate) struct Emulator {
    child: Child,
    pub(crate) url: String,
    prefixes: AtomicU32,
    _folder: tempfile::TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    /// Starts it, and waits until it takes connections.
    pub(crate) fn start() -> Self {
        let parts: PathBuf = std::env::var_os("GREENROOM_TEST_PARTS")
            .expect("run by `cargo xtask test`")
            .into();
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(parts.join("python/bin/ministack"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self {
            child,
            url: format!("http://{address}"),
            prefixes: AtomicU32::new(0),
            _folder: folder,
        };
        let until = Instant::now() + Duration::from_secs(180);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "ministack takes no connections");
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }

    /// Options of a store that nobody else has, reached at `url`.
    pub(crate) fn options(&self, url: &str) -> DynamoOptions {
        let number = self.prefixes.fetch_add(1, Ordering::Relaxed);
        let credentials = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
        DynamoOptions {
            table_prefix: format!("t{number}"),
            region: Some("us-east-1".to_owned()),
            endpoint: Some(url.to_owned()),
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            // Nothing here is about time, and the machine may be busy.
            try_timeout: Duration::from_secs(60),
            patience: Duration::from_secs(120),
            ..DynamoOptions::default()
        }
    }

    /// A new store whose table was made directly, reached at `url`.
    pub(crate) async fn store(&self, url: &str) -> DynamoStore {
        let options = self.options(&self.url);
        DynamoStore::migrate(&options).await.unwrap();
        let options = DynamoOptions {
            endpoint: Some(url.to_owned()),
            ..options
        };
        DynamoStore::open(options).await.unwrap()
    }
}
