//! Over real sockets.

use greenroom_kernel::{ErrorCode, Holder, SessionId, TenantId};
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
