//! PyPI's `ministack`, and a gate before it that can be shut.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_sdk_servicediscovery::Client;
use greenroom_aws::testkit::Ministack;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The emulator's process, and somebody who sets it up.
pub(crate) struct Emulator {
    _ministack: Ministack,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    client: Client,
}

impl Emulator {
    /// Starts it, and waits until it takes connections.
    pub(crate) async fn start() -> Self {
        let ministack = Ministack::start();
        let config = ministack.caller("eu-west-1").find().await;
        Self {
            address: ministack.address(),
            url: ministack.url(),
            _ministack: ministack,
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
