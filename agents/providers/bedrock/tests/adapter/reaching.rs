//! Getting there: credentials, regions, connections, and callers who leave.

use std::sync::atomic::{AtomicUsize, Ordering};

use greenroom_kernel::FaultClass;
use greenroom_provider_bedrock::ProvideCredentials;
use greenroom_provider_http::testkit::Fake;
use tokio_util::sync::CancellationToken;

use super::frames::*;
use super::*;

/// Says who calls, or that nobody does, and counts how often it was asked.
#[derive(Debug, Default)]
struct Asked(AtomicUsize, bool);

impl ProvideCredentials for Asked {
    fn provide_credentials<'a>(&'a self) -> greenroom_provider_bedrock::FutureCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::SeqCst);
        let found = match self.1 {
            true => Ok(Credentials::new("AKID", "secret", None, None, "a test")),
            false => Err(greenroom_provider_bedrock::CredentialsError::not_loaded(
                "nobody\n  is here",
            )),
        };
        greenroom_provider_bedrock::FutureCredentials::ready(found)
    }
}

fn known_as(asked: &Arc<Asked>, url: &str) -> BedrockBackend {
    let asked: Arc<dyn ProvideCredentials> = asked.clone();
    backend(BedrockConfig {
        credentials: Some(SharedCredentialsProvider::new(asked)),
        ..config(url)
    })
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_the_chain_is_told() {
    let fake = Fake::start(Vec::new()).await;
    let asked = Arc::new(Asked::default());
    let backend = known_as(&asked, &format!("http://{}", fake.address));
    let probed = backend.probe().await.unwrap_err();
    let (_, called) = told(&backend, MODEL, &hi()).await;
    for fault in [probed, called.unwrap()] {
        assert_eq!(fault.class, FaultClass::HardDown, "{fault}");
        for part in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "nobody is here"] {
            assert!(fault.message.contains(part), "{part}: {fault}");
        }
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_probe_finds_credentials_calls_nobody_and_doesn_t_ask_each_time() {
    let fake = Fake::start(Vec::new()).await;
    let asked = Arc::new(Asked(AtomicUsize::new(0), true));
    let backend = known_as(&asked, &format!("http://{}", fake.address));
    for _ in 0..3 {
        backend.probe().await.unwrap();
    }
    assert_eq!(asked.0.load(Ordering::SeqCst), 1);
    assert!(fake.seen().is_empty());
    assert_eq!(backend.models()[0].name, "eu.amazon.nova-2-lite-v1:0");
}

#[tokio::test]
async fn a_service_that_isn_t_there_is_a_passing_fault() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (_, fault) = told(&backend(config(&url)), MODEL, &hi()).await;
    let fault = fault.unwrap();
    assert_eq!(fault.class, FaultClass::Transient, "{fault}");
    assert!(fault.message.contains(&url), "{fault}");

    let (events, fault) = called(vec![Step::Close]).await;
    assert_eq!(events, []);
    assert_eq!(fault.unwrap().class, FaultClass::Transient);
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_told_as_such() {
    let (_, fault) = told(&backend(config("no url at all")), MODEL, &hi()).await;
    let fault = fault.unwrap();
    assert_eq!(fault.class, FaultClass::HardDown, "{fault}");
    assert!(fault.message.contains("endpoint_url"), "{fault}");
    assert!(!fault.message.contains("Request"), "{fault}");
}

#[tokio::test]
async fn a_caller_that_leaves_closes_the_call_before_and_during_the_answer() {
    for script in [
        vec![Step::AwaitClose],
        vec![head(), chunk(&text(0, "Hi")), Step::AwaitClose],
    ] {
        let mut fake = Fake::start(vec![script]).await;
        let backend = at(&fake);
        let context = CallContext {
            cancel: CancellationToken::new(),
            ..CallContext::default()
        };
        let cancel = context.cancel.clone();
        let leaving = async {
            fake.asked().await;
            cancel.cancel();
        };
        let request = hi();
        let calling = async {
            let mut stream = backend.call(MODEL, &request, &context).await?;
            while let Some(event) = stream.next().await {
                event?;
            }
            Ok(())
        };
        let ((), ended) = tokio::join!(leaving, calling);
        let fault: ProviderFault = ended.unwrap_err();
        assert_eq!(fault.class, FaultClass::Cancelled);
        fake.closed_within_a_second().await;
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_the_call() {
    let mut fake = Fake::start(vec![vec![head(), chunk(&text(0, "Hi")), Step::AwaitClose]]).await;
    let backend = at(&fake);
    let mut stream = backend.call(MODEL, &hi(), &CallContext::default()).await.unwrap();
    assert!(stream.next().await.is_some());
    drop(stream);
    fake.closed_within_a_second().await;
}
