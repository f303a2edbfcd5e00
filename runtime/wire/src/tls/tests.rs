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
use crate::{GrpcServer, Links};

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

    /// Writes an identity that names roles, trusting this authority.
    fn issue(&self, folder: &Path, roles: &[MemberRole]) -> TlsPaths {
        self.issue_until(folder, roles, 4096)
    }

    fn issue_until(&self, folder: &Path, roles: &[MemberRole], year: i32) -> TlsPaths {
        let names: Vec<String> = roles.iter().copied().map(tls_name).collect();
        let mut params = CertificateParams::new(names).unwrap();
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
        .tls(Arc::clone(identity), MemberRole::Agent)
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

/// Who may be dialled as an agent host, and may dial one.
const BOTH: &[MemberRole] = &[MemberRole::Agent, MemberRole::Supervisor];

#[tokio::test]
async fn two_of_one_authority_speak_and_the_server_ends_when_told() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let one = TlsIdentity::load(
        authority.issue(&folder.path().join("one"), BOTH),
        MemberRole::Agent,
    )
    .unwrap();
    let two = TlsIdentity::load(
        authority.issue(&folder.path().join("two"), &[MemberRole::Supervisor]),
        MemberRole::Supervisor,
    )
    .unwrap();
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
    let good = TlsIdentity::load(ours.issue(&at("good"), BOTH), MemberRole::Agent).unwrap();
    let stranger = TlsIdentity::load(theirs.issue(&at("stranger"), BOTH), MemberRole::Agent).unwrap();
    let expired = TlsIdentity::load(ours.issue_until(&at("expired"), BOTH, 2001), MemberRole::Agent).unwrap();
    // A stranger who believes us is a stranger still.
    let mut believing = theirs.issue(&at("believing"), BOTH);
    believing.authority = at("good").join("ca.pem");
    let believing = TlsIdentity::load(believing, MemberRole::Agent).unwrap();

    let served = serve(&good).await;
    call(&dial(&served, &good, &agent())).await.unwrap();
    for (what, identity, name) in [
        ("another authority's", &stranger, agent()),
        ("a stranger that believes us", &believing, agent()),
        ("an expired one", &expired, agent()),
        ("another role", &good, tls_name(MemberRole::Gateway)),
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
async fn an_agent_host_lets_in_supervisors_and_a_supervisor_no_agent_host() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let of = |role: MemberRole| {
        let paths = authority.issue(&folder.path().join(role.as_str()), &[role]);
        TlsIdentity::load(paths, role).unwrap()
    };
    let [agent, supervisor, gateway] =
        [MemberRole::Agent, MemberRole::Supervisor, MemberRole::Gateway].map(of);
    assert!(agent.is_of(MemberRole::Agent) && !agent.is_of(MemberRole::Supervisor));

    for (host, role, admitted) in [
        (&agent, MemberRole::Agent, vec![&supervisor]),
        (&supervisor, MemberRole::Supervisor, vec![&supervisor, &gateway]),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (links, stop) = (Links::new(Some(Arc::clone(host))), CancellationToken::new());
        let server = links.serve(GrpcServer::new(), role, address).unwrap();
        let mut tasks = JoinSet::new();
        let until = stop.clone();
        tasks.spawn(async move { server.serve(listener, until).await.unwrap() });
        for caller in [&agent, &supervisor, &gateway] {
            let links = Links::new(Some(Arc::clone(caller)));
            let called = call(&links.dial(&format!("https://{address}"), role).unwrap()).await;
            let lets_in = admitted.iter().any(|one| Arc::ptr_eq(one, caller));
            assert_eq!(called.is_ok(), lets_in, "{called:?} at a {role}");
            if let Err(said) = called {
                assert!(said.contains("AccessDenied"), "{said}");
            }
            // Without a scheme it is the same: who has an identity shows it.
            let called = call(&links.dial(&address.to_string(), role).unwrap()).await;
            assert_eq!(called.is_ok(), lets_in);
        }
        stop.cancel();
        tasks.shutdown().await;
    }
}

#[tokio::test]
async fn behind_as_many_idle_strangers_as_there_may_be_a_newcomer_is_heard_and_the_oldest_given_up() {
    use tokio::io::AsyncReadExt;
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let one = TlsIdentity::load(
        authority.issue(&folder.path().join("one"), BOTH),
        MemberRole::Agent,
    )
    .unwrap();
    let served = serve(&one).await;
    let mut idle = Vec::new();
    for _ in 0..listen::HANDSHAKES_AT_ONCE {
        idle.push(tokio::net::TcpStream::connect(served.address).await.unwrap());
    }
    // Long before their time is up.
    let called = tokio::time::timeout(Duration::from_secs(3), call(&dial(&served, &one, &agent()))).await;
    called.expect("nobody is waited for").unwrap();
    let given_up = tokio::time::timeout(Duration::from_secs(3), idle[0].read(&mut [0])).await;
    assert!(matches!(given_up, Ok(Ok(0) | Err(_))), "{given_up:?}");
    let waits = idle[1].try_read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn new_files_count_for_new_connections_and_open_ones_live_on() {
    let (before, after) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let one = TlsIdentity::load(before.issue(&at("one"), BOTH), MemberRole::Agent).unwrap();
    let two = TlsIdentity::load(before.issue(&at("two"), BOTH), MemberRole::Agent).unwrap();
    let served = serve(&one).await;
    let open = dial(&served, &two, &agent());
    call(&open).await.unwrap();

    let (until, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(Arc::clone(&one).watch(Duration::from_millis(20), until.clone()));
    // Half written: what was read stays in force.
    std::fs::write(at("one").join("certificate.pem"), "-----BEGIN").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    call(&dial(&served, &two, &agent())).await.unwrap();
    after.issue(&at("one"), BOTH);
    let renewed = async {
        while call(&dial(&served, &two, &agent())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed)
        .await
        .expect("the new certificate is in force");
    call(&open).await.expect("the open connection lives on");
    after.issue(&at("two"), BOTH);
    assert!(two.reload().await.unwrap() && !two.reload().await.unwrap());
    call(&dial(&served, &two, &agent())).await.unwrap();
    until.cancel();
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn a_renewed_certificate_of_another_role_is_refused_and_the_old_one_stays_in_force() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    let one = TlsIdentity::load(authority.issue(&at("one"), BOTH), MemberRole::Agent).unwrap();
    let served = serve(&one).await;
    assert_eq!(one.complaint(), None);

    authority.issue(&at("one"), &[MemberRole::Supervisor]);
    for _ in 0..2 {
        let said = one.reload().await.unwrap_err().to_string();
        assert!(
            said.contains("for supervisor, and this process is of the role agent"),
            "{said}"
        );
        assert_eq!(one.complaint(), Some(said));
    }
    assert!(one.is_of(MemberRole::Agent), "the old one is in force");
    call(&dial(&served, &one, &agent())).await.unwrap();

    authority.issue(&at("one"), &[MemberRole::Agent]);
    assert!(one.reload().await.unwrap() && !one.is_of(MemberRole::Supervisor));
    assert_eq!(one.complaint(), None);

    // Who only looks takes any.
    let paths = authority.issue(&at("one"), &[MemberRole::Gateway]);
    let looked = TlsIdentity::examine(Arc::new(paths)).await.unwrap();
    assert_eq!(looked.roles(), "gateway");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let paths = authority.issue(folder.path(), BOTH);
    let other = authority.issue(&folder.path().join("other"), BOTH);
    let said = |paths: TlsPaths| {
        TlsIdentity::load(paths, MemberRole::Agent)
            .unwrap_err()
            .to_string()
    };
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
