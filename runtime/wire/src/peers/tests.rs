//! Over real sockets.

use greenroom_kernel::{
    AgentName, ErrorCode, Holder, JournalKind, Payload, Position, SessionId, Subject, TaskStatus, TenantId,
    Timestamp,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::GrpcServer;

/// Holds one journal, until it is asked to let it go for the second time.
struct OneHeld(Mutex<(JournalKey, u32)>);

#[async_trait]
impl Holder for OneHeld {
    async fn release(&self, key: &JournalKey) -> Holding {
        let mut held = self.0.lock();
        if *key == held.0 {
            held.1 += 1;
        }
        how(&held, key)
    }

    async fn holds(&self, key: &JournalKey) -> Holding {
        how(&self.0.lock(), key)
    }

    async fn kill(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        assert!(who.scopes.iter().any(|scope| scope == Principal::SESSIONS_ALL));
        let key = JournalKey {
            tenant: who.tenant.clone(),
            journal: id.journal.clone(),
        };
        match how(&self.0.lock(), &key) {
            Holding::Held => Ok(killed(&key)),
            Holding::Free => Err(Failure::elsewhere("127.0.0.1:7171".parse().unwrap())),
        }
    }
}

fn killed(key: &JournalKey) -> TaskRow {
    TaskRow {
        id: TaskId {
            journal: key.journal.clone(),
            ordinal: 3,
        },
        subject: operator().subject,
        kind: JournalKind::Session,
        turn: true,
        agent: AgentName::parse("echo").unwrap(),
        status: TaskStatus::Failed,
        input: Payload::inline("1"),
        output: None,
        error: Some(Failure::new(ErrorCode::Cancelled, "killed by dev")),
        usage: None,
        attempts: 1,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        deadline: None,
        parent: None,
        first: Position::default(),
        last: Position::default(),
        due: None,
    }
}

fn how((held, asked): &(JournalKey, u32), key: &JournalKey) -> Holding {
    match key == held && *asked < 2 {
        true => Holding::Held,
        false => Holding::Free,
    }
}

fn key(tenant: &str, journal: &str) -> JournalKey {
    JournalKey {
        tenant: TenantId::parse(tenant).unwrap(),
        journal: SessionId::parse(journal).unwrap(),
    }
}

#[tokio::test]
async fn one_process_asks_another_about_a_journal_and_is_told_how_it_stands() {
    let held = key("acme", "s-1");
    let holder = Arc::new(OneHeld(Mutex::new((held.clone(), 0))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = HostPort::from(listener.local_addr().unwrap());
    let (shutdown, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let (server, stop) = (GrpcServer::new().service(peer_service(holder)), shutdown.clone());
    tasks.spawn(async move { server.serve(listener, stop).await.unwrap() });

    let peers = GrpcPeers::new(None);
    for other in [key("acme", "s-2"), key("other", "s-1")] {
        assert_eq!(peers.release(&at, &other).await, Ok(Holding::Free));
    }
    assert_eq!(
        peers.holds(&at, &held).await,
        Ok(Holding::Held),
        "nothing was asked of it"
    );
    assert_eq!(peers.release(&at, &held).await, Ok(Holding::Held));
    assert_eq!(peers.holds(&at, &held).await, Ok(Holding::Held));
    assert_eq!(peers.release(&at, &held).await, Ok(Holding::Free));
    assert_eq!(peers.holds(&at, &held).await, Ok(Holding::Free));

    shutdown.cancel();
    tasks.join_next().await.unwrap().unwrap();
    let gone = peers.holds(&at, &held).await.unwrap_err();
    assert_eq!((gone.code, gone.retryable), (ErrorCode::Unavailable, true));
    let far = "10.0.0.7:7070".parse().unwrap();
    let barred = peers.release(&far, &held).await.unwrap_err();
    assert!(!barred.retryable && barred.message.contains("[tls]"), "{barred}");
}

#[tokio::test]
async fn an_operator_s_word_reaches_who_has_the_journal_or_is_told_where_it_is() {
    let held = key("acme", "s-1");
    let holder = Arc::new(OneHeld(Mutex::new((held.clone(), 0))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = HostPort::from(listener.local_addr().unwrap());
    let (shutdown, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let (server, stop) = (GrpcServer::new().service(peer_service(holder)), shutdown.clone());
    tasks.spawn(async move { server.serve(listener, stop).await.unwrap() });

    let (peers, who) = (GrpcPeers::new(None), operator());
    let told = peers.kill(&at, &who, &TaskId::parse("s-1.3").unwrap()).await;
    assert_eq!(told, Ok(killed(&held)));
    let sent_on = peers.kill(&at, &who, &TaskId::parse("s-2.3").unwrap()).await;
    let elsewhere = sent_on.unwrap_err().elsewhere.map(|at| at.to_string());
    assert_eq!(elsewhere.as_deref(), Some("127.0.0.1:7171"));
    shutdown.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

fn operator() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: Subject::parse("dev").unwrap(),
        scopes: vec![Principal::SESSIONS_ALL.to_owned()],
        tier: "dev".to_owned(),
    }
}
