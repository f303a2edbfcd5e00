//! Those who call supervisors ask for a supervisor's certificate, and show their own.

use async_trait::async_trait;
use greenroom_kernel::{
    Clock, ErrorCode, Failure, HealthHint, Holder, Holding, HostPort, JournalKey, Member, MemberId,
    MemberView, Membership, Peers, Principal, Randomness, SessionId, TaskId, TaskRow, TenantId, Timestamp,
};
use tokio::sync::watch;

use super::*;
use crate::supervisor::Fate;
use crate::{
    GrpcPeers, GrpcSupervisor, PoolConfig, PoolParts, SupervisorPool, peer_service, supervisor_service,
};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

impl Randomness for Still {
    fn next_u64(&self) -> u64 {
        0
    }
}

#[async_trait]
impl Holder for Still {
    async fn release(&self, _: &JournalKey) -> Holding {
        Holding::Free
    }

    async fn holds(&self, _: &JournalKey) -> Holding {
        Holding::Held
    }

    async fn kill(&self, _: &Principal, _: &TaskId) -> Result<TaskRow, Failure> {
        Err(Failure::not_found("task"))
    }
}

/// A process that would send on what it is asked, to nobody.
async fn supervisor(identity: &Arc<TlsIdentity>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let nobody = GrpcSupervisor::new("127.0.0.1:1").unwrap();
    let server = GrpcServer::new()
        .service(supervisor_service(Arc::new(nobody)))
        .service(peer_service(Arc::new(Still)))
        .tls(Arc::clone(identity), MemberRole::Supervisor)
        .serve(listener, stop.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.await.unwrap() });
    Served { address, stop, tasks }
}

fn pool(at: SocketAddr, tls: Option<&Arc<TlsIdentity>>) -> SupervisorPool {
    let id = MemberId::parse("one").unwrap();
    let membership = Membership {
        members: vec![MemberView {
            member: Member::at(id, MemberRole::Supervisor, at.into()),
            hint: HealthHint::None,
            unusable: None,
        }],
        ..Membership::default()
    };
    let parts = PoolParts {
        members: watch::channel(membership).1,
        tls: tls.cloned(),
        clock: Arc::new(Still),
        random: Arc::new(Still),
        config: PoolConfig::default(),
    };
    SupervisorPool::start(parts).unwrap()
}

async fn holds(at: SocketAddr, tls: Option<&Arc<TlsIdentity>>) -> Result<Holding, Failure> {
    GrpcPeers::new(tls.cloned())
        .holds(&HostPort::from(at), &journal())
        .await
}

fn journal() -> JournalKey {
    JournalKey {
        tenant: TenantId::parse("t").unwrap(),
        journal: SessionId::parse("s").unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_shakes_no_hand_in_time_was_sent_nothing() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let one = TlsIdentity::load(
        authority.issue(folder.path(), &[MemberRole::Gateway]),
        MemberRole::Gateway,
    )
    .unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let handle = GrpcSupervisor::with_tls(&address, one).unwrap();
    let (handle, one_call) = handle.for_one_call(None);
    handle.check().await.unwrap_err();
    assert_eq!(one_call.fate(), Fate::Unsent);
}

#[tokio::test]
async fn a_pool_and_a_peer_call_only_those_who_prove_that_they_are_supervisors() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let of = |role| {
        TlsIdentity::load(
            authority.issue(&folder.path().join(tls_name(role)), &[role]),
            role,
        )
    };
    let [gateway, one, agent] =
        [MemberRole::Gateway, MemberRole::Supervisor, MemberRole::Agent].map(|role| of(role).unwrap());

    let served = supervisor(&one).await;
    pool(served.address, Some(&gateway))
        .check(PATIENCE)
        .await
        .unwrap();
    assert_eq!(holds(served.address, Some(&one)).await, Ok(Holding::Held));
    let called = GrpcSupervisor::with_tls(&served.address.to_string(), Arc::clone(&gateway)).unwrap();
    called.check().await.unwrap();

    // Who may only call a supervisor must not take its journals from it.
    let refused = holds(served.address, Some(&gateway)).await.unwrap_err();
    assert_eq!((refused.code, refused.retryable), (ErrorCode::Forbidden, false));
    let (peers, at) = (GrpcPeers::new(Some(Arc::clone(&gateway))), served.address.into());
    let refused = peers.release(&at, &journal()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);

    // Without a certificate nobody is heard.
    assert!(pool(served.address, None).check(PATIENCE).await.is_err());
    assert!(holds(served.address, None).await.is_err());

    let disguised = supervisor(&agent).await;
    assert!(
        pool(disguised.address, Some(&gateway))
            .check(PATIENCE)
            .await
            .is_err()
    );
    assert!(holds(disguised.address, Some(&one)).await.is_err());

    // Nor does anybody say a word in plaintext that leaves the machine.
    let far = pool("10.0.0.7:7070".parse().unwrap(), None);
    let barred = far.check(PATIENCE).await.unwrap_err();
    let said = "no supervisor is known: 10.0.0.7:7070 is on another machine, which is reached by TLS only";
    assert!(barred.message.starts_with(said), "{barred}");
    for mut served in [served, disguised] {
        served.stop.cancel();
        while served.tasks.join_next().await.is_some() {}
    }
}
