//! Real handshakes over loopback, with certificates made for the test.

use std::net::SocketAddr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

mod supervisors;

use super::*;
use crate::GrpcServer;

const PATIENCE: Duration = Duration::from_secs(20);

/// A private authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Writes an identity that names a role, trusting this authority.
    fn issue(&self, folder: &Path, name: &str) -> TlsPaths {
        self.issue_until(folder, name, 4096)
    }

    fn issue_until(&self, folder: &Path, name: &str, year: i32) -> TlsPaths {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let paths = TlsPaths {
            authority: folder.join("ca.pem"),
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&paths.authority, &self.pem).unwrap();
        std::fs::write(&paths.certificate, certificate.pem()).unwrap();
        std::fs::write(&paths.key, key.serialize_pem()).unwrap();
        paths
    }
}

struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn serve(identity: &Arc<TlsIdentity>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let server = GrpcServer::new()
        .tls(Arc::clone(identity))
        .serve(listener, stop.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.await.unwrap() });
    Served { address, stop, tasks }
}

fn dial(served: &Served, identity: &Arc<TlsIdentity>, name: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let expected = ServerName::try_from(name.to_owned()).unwrap();
    dial_tls(endpoint, Arc::clone(identity), expected)
}

/// Whether a call gets through, else why not.
async fn call(channel: &Channel) -> Result<(), String> {
    let asked = HealthCheckRequest {
        service: String::new(),
    };
    let mut client = HealthClient::new(channel.clone());
    let answer = tokio::time::timeout(PATIENCE, client.check(Request::new(asked))).await;
    let answer = answer.expect("it ends in time");
    answer.map(drop).map_err(|status| {
        let (mut said, mut cause) = (status.to_string(), std::error::Error::source(&status));
        while let Some(error) = cause {
            said.push_str(&format!(": {error}"));
            cause = error.source();
        }
        said
    })
}

fn agent() -> String {
    tls_name(MemberRole::Agent)
}

#[tokio::test]
async fn two_of_one_authority_speak_and_the_server_ends_when_told() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let one = TlsIdentity::load(authority.issue(&folder.path().join("one"), &agent())).unwrap();
    let two =
        TlsIdentity::load(authority.issue(&folder.path().join("two"), "gateway.greenroom.internal")).unwrap();
    let mut served = serve(&one).await;
    call(&dial(&served, &two, &agent())).await.unwrap();
    served.stop.cancel();
    let ended = async { while served.tasks.join_next().await.is_some() {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
}

#[tokio::test]
async fn strangers_wrong_names_and_expired_certificates_are_refused_on_either_side() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let good = TlsIdentity::load(ours.issue(&at("good"), &agent())).unwrap();
    let stranger = TlsIdentity::load(theirs.issue(&at("stranger"), &agent())).unwrap();
    let expired = TlsIdentity::load(ours.issue_until(&at("expired"), &agent(), 2001)).unwrap();
    // A stranger who believes us is a stranger still.
    let mut believing = theirs.issue(&at("believing"), &agent());
    believing.authority = at("good").join("ca.pem");
    let believing = TlsIdentity::load(believing).unwrap();

    let served = serve(&good).await;
    call(&dial(&served, &good, &agent())).await.unwrap();
    for (what, identity, name) in [
        ("another authority's", &stranger, agent()),
        ("a stranger that believes us", &believing, agent()),
        ("an expired one", &expired, agent()),
        ("another role", &good, tls_name(MemberRole::Supervisor)),
    ] {
        assert!(call(&dial(&served, identity, &name)).await.is_err(), "{what}");
    }
    let old = serve(&expired).await;
    let said = call(&dial(&old, &good, &agent())).await.unwrap_err();
    assert!(said.contains("xpired"), "{said}");
    // Whoever speaks no TLS at all holds up nobody.
    let idle = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let plain = Endpoint::from_shared(format!("http://{}", served.address))
        .unwrap()
        .connect_lazy();
    assert!(call(&plain).await.is_err());
    call(&dial(&served, &good, &agent())).await.unwrap();
    drop(idle);
}

#[tokio::test]
async fn behind_as_many_idle_strangers_as_there_may_be_the_newest_is_dropped_at_once() {
    use tokio::io::AsyncReadExt;
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let one = TlsIdentity::load(authority.issue(&folder.path().join("one"), &agent())).unwrap();
    let served = serve(&one).await;
    let mut idle = Vec::new();
    for _ in 0..listen::HANDSHAKES_AT_ONCE {
        idle.push(tokio::net::TcpStream::connect(served.address).await.unwrap());
    }
    let mut newest = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let dropped = tokio::time::timeout(PATIENCE, newest.read(&mut [0]))
        .await
        .unwrap();
    assert!(matches!(dropped, Ok(0) | Err(_)), "{dropped:?}");
    // Those before it are heard yet: it waited for none of them.
    let waits = idle[0].try_read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
    drop(idle);
    let heard = async {
        while call(&dial(&served, &one, &agent())).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn new_files_count_for_new_connections_and_open_ones_live_on() {
    let (before, after) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let one = TlsIdentity::load(before.issue(&at("one"), &agent())).unwrap();
    let two = TlsIdentity::load(before.issue(&at("two"), &agent())).unwrap();
    let served = serve(&one).await;
    let open = dial(&served, &two, &agent());
    call(&open).await.unwrap();

    let (until, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(Arc::clone(&one).watch(Duration::from_millis(20), until.clone()));
    // Half written: what was read stays in force.
    std::fs::write(at("one").join("certificate.pem"), "-----BEGIN").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    call(&dial(&served, &two, &agent())).await.unwrap();
    after.issue(&at("one"), &agent());
    let renewed = async {
        while call(&dial(&served, &two, &agent())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed)
        .await
        .expect("the new certificate is in force");
    call(&open).await.expect("the open connection lives on");
    after.issue(&at("two"), &agent());
    assert!(two.reload().unwrap() && !two.reload().unwrap());
    call(&dial(&served, &two, &agent())).await.unwrap();
    until.cancel();
    while tasks.join_next().await.is_some() {}
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let paths = authority.issue(folder.path(), &agent());
    let other = authority.issue(&folder.path().join("other"), &agent());
    let said = |paths: TlsPaths| TlsIdentity::load(paths).unwrap_err().to_string();
    let with = |key: &Path| TlsPaths {
        key: key.to_owned(),
        ..paths.clone()
    };
    assert!(said(with(Path::new("/nowhere"))).contains("/nowhere can't be read"));
    assert!(said(with(&paths.certificate)).contains("certificate.pem holds no private key"));
    let mismatch = said(with(&other.key));
    assert!(mismatch.contains("don't belong together"), "{mismatch}");
    let swapped = TlsPaths {
        authority: paths.key.clone(),
        ..paths.clone()
    };
    assert!(said(swapped).contains("key.pem holds no authority's certificate"));
}
