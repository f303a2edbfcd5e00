//! An emulator that somebody else wrote: PyPI's `ministack`. Table, directory, bucket, secret and model server behind one
//! address; requests say which one is meant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands, and starts a process of its own"
)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::{Caller, Credentials, SharedCredentialsProvider};

/// A busy machine takes a minute to read Python's files.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// The emulator's process; it ends when this is dropped.
#[derive(Debug)]
pub struct Ministack {
    child: Child,
    address: SocketAddr,
    /// Where each bucket is.
    buckets: Mutex<HashMap<String, String>>,
    _folder: tempfile::TempDir,
}

impl Drop for Ministack {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Ministack {
    /// Starts it on a free port of the loopback, and blocks until it takes connections.
    ///
    /// # Panics
    /// When `GREENROOM_TEST_PARTS` is not set or holds no `ministack`, or it does not come up.
    pub fn start() -> Self {
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
        let mut started = Self {
            child,
            address,
            buckets: Mutex::default(),
            _folder: folder,
        };
        let until = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "ministack takes no connections");
            if let Some(status) = started.child.try_wait().unwrap() {
                panic!("ministack ended: {status}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as an endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Somebody whom it knows.
    pub fn credentials() -> SharedCredentialsProvider {
        let own = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
        SharedCredentialsProvider::new(own)
    }

    /// Who calls it, in `region`.
    pub fn caller(&self, region: &str) -> Caller {
        Caller {
            region: Some(region.to_owned()),
            endpoint: Some(self.url()),
            credentials: Some(Self::credentials()),
        }
    }

    /// Makes a bucket in a region.
    ///
    /// # Panics
    /// When it does not.
    pub fn make_bucket(&self, name: &str, region: &str) {
        let place = match region {
            "us-east-1" => String::new(),
            other => format!(
                "<CreateBucketConfiguration><LocationConstraint>{other}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        self.buckets
            .lock()
            .unwrap()
            .insert(name.to_owned(), region.to_owned());
        let answer = self.of_objects("PUT", name, "", &place);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The names of the objects in a bucket: a thousand at most.
    pub fn listed(&self, bucket: &str) -> Vec<String> {
        let answer = self.of_objects("GET", bucket, "?list-type=2", "");
        let names = answer.split("<Key>").skip(1);
        names
            .filter_map(|behind| behind.split_once("</Key>"))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// Puts an object, whoever had it.
    ///
    /// # Panics
    /// When it does not.
    pub fn put_object(&self, bucket: &str, name: &str, content: &str) {
        let answer = self.of_objects("PUT", bucket, &format!("/{name}"), content);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Deletes one.
    ///
    /// # Panics
    /// When it does not.
    pub fn delete_object(&self, bucket: &str, name: &str) {
        let answer = self.of_objects("DELETE", bucket, &format!("/{name}"), "");
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    /// Deletes a bucket that holds nothing.
    ///
    /// # Panics
    /// When it does not.
    pub fn delete_bucket(&self, bucket: &str) {
        let answer = self.of_objects("DELETE", bucket, "", "");
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    /// One request to its buckets, whole: nobody asks whether a signature is right.
    fn of_objects(&self, method: &str, bucket: &str, target: &str, content: &str) -> String {
        let region = self.buckets.lock().unwrap()[bucket].clone();
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request = format!(
            "{method} /{bucket}{target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\nauthorization: \
             AWS4-HMAC-SHA256 Credential=AKIDFORATEST/20260101/{region}/s3/aws4_request, SignedHeaders=host, \
             Signature=0\r\n\r\n{content}",
            self.address,
            content.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it at once, with all that it knows.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
